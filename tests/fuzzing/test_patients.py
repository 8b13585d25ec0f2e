"""Tables about patients: Excel, the formats of other programs, and phenopackets."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from core.errors import DatasetError
from faces.conditions.catalogue import Catalogue, load_catalogue
from faces.datasets.patients.reading import read_patients
from tests.faces.datasets.patients.test_reading import packet
from tests.fuzzing.bounds import DEEP, JSON, altered, damaged, refused_or_read

TABLES: Final = (
    b"file,condition,age_years,present\na.png,WS,P7Y3M,HP:0000286\nb.png,Kabuki,3,Ptosis\n",
    b"image_id,internal_syndrome_name,age_year,age_month\n17,Williams-Beuren syndrome,3,2\n",
    b"path_to_file,hpo_all,y_label\na.png,\"['HP:0000286', 'HP:0000508']\",1\nb.png,[],0\n",
    b"image_num,image_name,Epicanthus,Ptosis\n1,a.png,3X,\n2,b.png,,1X\n",
)
CELLS: Final = [b"nan", b"1e999", b"-1", b"9" * 5000, b"P" + b"9" * 400 + b"Y", b'"', b",", b"\n", b"\0", b"[" * 2000]
SHEET: Final = "xl/worksheets/sheet1.xml"
FAR: Final = {
    "row": '<row r="999999999"><c r="A999999999"><v>1</v></c></row>',
    "columns": '<row><c r="XFD1"><v>1</v></c></row>' * 20_000,
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("patients")


@pytest.fixture(scope="module")
def workbook() -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in (("file", "condition", "age_years"), ("a.png", "WS", 3.5)):
        book.worksheets[0].append(row)
    book.save(file)
    return file.getvalue()


def read(path: Path, content: bytes, catalogue: Catalogue) -> None:
    path.write_bytes(content)
    with refused_or_read():
        read_patients(path, catalogue)


def replace_sheet(workbook: bytes, sheet: bytes) -> bytes:
    """Return a workbook that is sound but for its sheet."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, sheet if name == SHEET else old.read(name))
    return file.getvalue()


@given(content=damaged(TABLES, CELLS))
def test_damaged_tables_are_refused_or_read(folder: Path, catalogue: Catalogue, content: bytes) -> None:
    read(folder / "table.csv", content, catalogue)


@pytest.mark.parametrize("cell", CELLS, ids=range(len(CELLS)))
def test_cells_that_are_no_values_are_refused_or_read(folder: Path, catalogue: Catalogue, cell: bytes) -> None:
    for old, table in zip((b"P7Y3M", b",3,", b"[]", b"3X"), TABLES, strict=True):
        read(folder / "cells.csv", table.replace(old, cell), catalogue)


@given(value=altered(packet(1)) | JSON)
def test_phenopackets_of_any_form_are_refused_or_read(folder: Path, catalogue: Catalogue, value: object) -> None:
    read(folder / "packets.json", json.dumps(value).encode(), catalogue)


@pytest.mark.parametrize("deep", [*DEEP, b"[" * 900 + b"]" * 900], ids=["lists", "objects", "sound"])
def test_deep_phenopackets_are_refused_or_read(folder: Path, catalogue: Catalogue, deep: bytes) -> None:
    read(folder / "deep.jsonl", deep, catalogue)
    around = json.dumps(packet(1, id="DEEP")).encode()
    read(folder / "deep.jsonl", around.replace(b'"DEEP"', deep), catalogue)


@given(data=st.data())
def test_damaged_workbooks_are_refused_or_read(
    folder: Path, catalogue: Catalogue, workbook: bytes, data: st.DataObject
) -> None:
    read(
        folder / "damaged.xlsx", data.draw(damaged([workbook], [b"PK\x01\x02", b"PK\x05\x06", b"\xff" * 4])), catalogue
    )
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        sheet = archive.read(SHEET)
    pieces = [
        b'<row r="0">',
        b"</row>",
        b' t="s"',
        b' t="d"',
        b"<v>1e999</v>",
        b"<v>99</v>",
        b'r="ZZZZ1"',
        b"<!DOCTYPE x>",
    ]
    read(folder / "sheet.xlsx", replace_sheet(workbook, data.draw(damaged([sheet], pieces))), catalogue)


@pytest.mark.parametrize("far", FAR)
def test_sheets_with_cells_far_away(folder: Path, catalogue: Catalogue, workbook: bytes, far: str) -> None:
    path = folder / "far.xlsx"
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        sheet = archive.read(SHEET).replace(b"</sheetData>", FAR[far].encode() + b"</sheetData>")
    path.write_bytes(replace_sheet(workbook, sheet))
    with pytest.raises(DatasetError):
        read_patients(path, catalogue)
