"""Reading of tables and files about patients in any of the formats, which is recognised."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from core.errors import DatasetError, LabelError
from faces.conditions.catalogue import Catalogue
from faces.conditions.terms import find_term
from faces.datasets.patients.interpretation import Notice, RowInterpreter
from faces.datasets.patients.phenopackets import SUFFIXES, read_phenopackets
from faces.datasets.patients.research_tables import (
    join_by_image,
    read_annotations,
    read_gestaltmatcher,
    read_phenoscore,
)
from faces.datasets.patients.source_rows import SourceRow, SourceTable, read_source_table
from faces.datasets.records import COLUMNS, Record, check_header
from faces.labels import AGE_GROUPS, CONDITIONS, AgeGroup

Format: TypeAlias = Literal["table", "phenopackets", "gestaltmatcher", "phenoscore", "annotations"]

FORMATS: Final = get_args(Format)

_SIGNS: Final[Mapping[Format, tuple[set[str], ...]]] = {
    "phenoscore": ({"path_to_file", "hpo_all"},),
    "gestaltmatcher": ({"image_id", "internal_syndrome_name"}, {"image_id", "subject", "label"}),
    "annotations": ({"image_num", "image_name"},),
}
"""Columns by which a format is recognised: all of one of the sets."""


@dataclass(frozen=True)
class PatientTable:
    """Content of a table or of phenopackets.

    Attributes:
        format: format that it was read in.
        records: records of the rows that can be used, in their order.
        notices: rows that were refused, and what was changed or left unknown in the others.
        other_columns: columns that are kept as they are.
    """

    format: Format
    records: tuple[Record, ...]
    notices: tuple[Notice, ...]
    other_columns: tuple[str, ...]


def read_patients(
    path: Path,
    catalogue: Catalogue,
    *,
    conditions: tuple[str, ...] = CONDITIONS,
    ages: tuple[AgeGroup, ...] = AGE_GROUPS,
    columns: Mapping[str, str] | None = None,
    pictures: Collection[str] = (),
    file_format: Format | None = None,
) -> PatientTable:
    """Read a table, a file of phenopackets, or a folder of either.

    Args:
        catalogue: knows conditions by aliases and identifiers.
        conditions, ages: the vocabulary.
        columns: the table's own column names for ours, as {"years": "age_years"}; plain tables only.
        pictures: names of the files in the folder of photographs, by which GestaltMatcher's images are found.
        file_format: format; None recognises it.

    Raises:
        DatasetError: the file cannot be read, or its header has not the form of the format.
    """
    chosen, rows = _open(path, columns or {}, pictures, file_format)
    interpreter = RowInterpreter(conditions, ages, catalogue)
    records = tuple(interpreter.interpret(rows))
    others = dict.fromkeys(column for record in records for column in record.others)
    return PatientTable(chosen, records, tuple(interpreter.notices), tuple(others))


def _open(
    path: Path, columns: Mapping[str, str], pictures: Collection[str], file_format: Format | None
) -> tuple[Format, Iterator[SourceRow]]:
    """Recognise the format and return it with the rows in our names of columns."""
    if path.is_dir() and file_format != "phenopackets" and any(path.glob("*.csv")):
        return "annotations", _read_annotation_folder(path)
    if file_format == "phenopackets" or path.is_dir() or path.suffix in SUFFIXES:
        return "phenopackets", read_phenopackets(path)
    table = read_source_table(path)
    chosen = file_format or _recognise(table)
    if chosen == "gestaltmatcher":
        return chosen, read_gestaltmatcher(table, pictures)
    if chosen == "phenoscore":
        return chosen, read_phenoscore(table)
    if chosen == "annotations":
        return chosen, read_annotations(table, _find_facial_term)
    header = check_header(table.header, table.name, columns)
    return chosen, _rename(table, header)


def _recognise(table: SourceTable) -> Format:
    names = set(table.header)
    return next((name for name, signs in _SIGNS.items() if any(sign <= names for sign in signs)), "table")


def _rename(table: SourceTable, header: list[str]) -> Iterator[SourceRow]:
    ours = dict(zip(table.header, header, strict=True))
    for row in table.rows:
        yield SourceRow(row.source, row.line, {ours[name]: text for name, text in row.cells.items()}, row.problem)


def _read_annotation_folder(path: Path) -> Iterator[SourceRow]:
    """Read the annotations of a folder, with what its other tables say about the same pictures."""
    more: dict[str, dict[str, str]] = {}
    annotated = []
    for file in sorted(path.glob("*.csv")):
        table = read_source_table(file)
        if _recognise(table) == "annotations":
            annotated.append(table)
        elif "image_name" in table.header:
            for row in table.rows:
                cells = {name: text for name, text in row.cells.items() if name not in (*COLUMNS, "image_name")}
                more.setdefault(row.cells.get("image_name", ""), {}).update(cells)
    if not annotated:
        raise DatasetError(f"{path} holds no annotations; expected tables with image_num, image_name and features")
    for table in annotated:
        yield from join_by_image(read_annotations(table, _find_facial_term), more)


def _find_facial_term(name: str) -> str | None:
    try:
        return find_term(name).term.id
    except LabelError:
        return None
