"""Rows of tables in CSV, TSV and Excel, with the line on which each stands."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from core.errors import DatasetError

_MOST_BYTES: Final = 500_000_000
_MOST_ROWS: Final = 1 << 20
_MOST_CELLS: Final = 10_000_000
"""Bounds of an Excel file, uncompressed: a small one can take any size, or name a row or a column far away."""

_DELIMITERS: Final = {".tsv": "\t", ".tab": "\t"}


@dataclass(frozen=True)
class SourceRow:
    """Row of a table, or one picture of a phenopacket.

    Attributes:
        source: name of the file.
        line: line, or row of the sheet, from 1.
        cells: text by name of the column.
        problem: reason why the row cannot be used at all; empty if it can.
    """

    source: str
    line: int
    cells: Mapping[str, str]
    problem: str = ""


@dataclass(frozen=True)
class SourceTable:
    """Header and rows of a table; the rows are read once."""

    name: str
    header: tuple[str, ...]
    rows: Iterator[SourceRow]


def read_source_table(path: Path) -> SourceTable:
    """Read a table: Excel by its suffix .xlsx (the first sheet), .tsv with tabs, anything else with commas.

    Raises:
        DatasetError: the file cannot be read, or is empty.
    """
    lines = _read_sheet(path) if path.suffix.lower() == ".xlsx" else _read_text(path)
    number, header = next(lines, (0, []))
    if not number:
        raise DatasetError(f"{path} is empty; expected a table with a header")
    names = tuple(name.strip() for name in header)
    return SourceTable(str(path), names, _name_cells(str(path), names, lines))


def _name_cells(source: str, names: tuple[str, ...], lines: Iterable[tuple[int, list[str]]]) -> Iterator[SourceRow]:
    for line, cells in lines:
        if len(cells) > len(names) and any(cells[len(names) :]):
            yield SourceRow(source, line, {}, f"has {len(cells)} cells; expected {len(names)}, as the header has")
        elif any(cells):
            yield SourceRow(source, line, dict(zip(names, (cell.strip() for cell in cells), strict=False)))


def _read_text(path: Path) -> Iterator[tuple[int, list[str]]]:
    text = read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_DELIMITERS.get(path.suffix.lower(), ","), strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise DatasetError(f"{path}, row {reader.line_num}: {error}; expected text with one row a line") from error


def read_text(path: Path) -> str:
    """Read a text file in UTF-8.

    Raises:
        DatasetError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); expected a table or phenopackets") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text ({error}); save it in UTF-8") from error


def _read_sheet(path: Path) -> Iterator[tuple[int, list[str]]]:
    from openpyxl import load_workbook  # in the extra `full`

    try:
        with path.open("rb") as file:
            if sum(entry.file_size for entry in zipfile.ZipFile(file).infolist()) > _MOST_BYTES:
                raise ValueError(f"it takes more than {_MOST_BYTES} bytes uncompressed")
            sheet, cells = load_workbook(file, read_only=True, data_only=True).worksheets[0], 0
            sheet.reset_dimensions()  # rows are as wide as their cells, whatever the file says
            for line, row in enumerate(sheet.iter_rows(values_only=True), 1):
                cells += len(row)
                if line > _MOST_ROWS or cells > _MOST_CELLS:
                    raise ValueError(f"it has more than {_MOST_ROWS} rows or {_MOST_CELLS} cells, empty ones included")
                yield line, [_to_text(value) for value in row]
    except Exception as error:  # a damaged file raises errors of zipfile, XML and openpyxl alike
        raise DatasetError(f"{path} cannot be read as Excel ({error}); save it as .xlsx, or as CSV") from error


def _to_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
