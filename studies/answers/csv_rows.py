"""Rows of CSV and TSV files with bounds and with errors that name file, line, column and value."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.csv_reports import restore_cell
from core.errors import DatasetError

MOST_BYTES: Final = 100_000_000
"""Largest file that is read; a participant's answers take some kilobytes."""


SIDES: Final = ("left", "top", "right", "bottom")
"""Columns of the sides of a rectangle on a picture, in pixels; all four belong to the rectangle."""


@dataclass(frozen=True)
class CsvRow:
    """One row of a table.

    Attributes:
        source: name of the file.
        line: from 1.
        cells: stripped text by column.
    """

    source: str
    line: int
    cells: Mapping[str, str]

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.source}, line {self.line}"

    def error(self, column: str, expected: str) -> DatasetError:
        """Return the error that the cell of a column is not as expected."""
        return DatasetError(f"{self.place}, {column}: {self.get(column)!r}; expected {expected}")

    def get(self, column: str) -> str:
        """Return a cell; empty if the table does not have the column."""
        return self.cells.get(column, "")

    def require(self, column: str) -> str:
        """Return a cell.

        Raises:
            DatasetError: it is empty.
        """
        if not (text := self.get(column)):
            raise self.error(column, "text")
        return text

    def get_number(self, column: str) -> float | None:
        """Return a number; None if the cell is empty.

        Raises:
            DatasetError: it is no finite number.
        """
        if not (text := self.get(column)):
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.error(column, "a number, or nothing")
        return number

    def get_integer(self, column: str) -> int | None:
        """Return a whole number; None if the cell is empty.

        Raises:
            DatasetError: it is none, or has more than nine digits.
        """
        if not (text := self.get(column)):
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise self.error(column, "a whole number, or nothing")
        return int(text)

    def require_sides(self, *, whole: bool = False) -> tuple[float, float, float, float]:
        """Return the SIDES of a rectangle, which lies in the picture if the row has its width and height.

        Args:
            whole: they are whole numbers.

        Raises:
            DatasetError: a side is missing, is no such number, or lies outside the picture, or the rectangle is empty.
        """
        read = self.get_integer if whole else self.get_number
        sides = {name: read(name) for name in SIDES}
        for name, side in sides.items():
            if side is None or side < 0:
                raise self.error(name, "a number of pixels, 0 or more")
        left, top, right, bottom = (side or 0.0 for side in sides.values())
        for low, name, high, size in ((left, "right", right, "width"), (top, "bottom", bottom, "height")):
            if low > high:
                raise self.error(name, f"{low:g} or more, as the rectangle begins there")
            if (pixels := self.get_number(size)) is not None and high >= pixels:
                raise self.error(name, f"less than the {size} of the picture, {pixels:g}")
        return left, top, right, bottom


@dataclass(frozen=True)
class CsvTable:
    """Header and rows of a table."""

    header: tuple[str, ...]
    rows: tuple[CsvRow, ...]


def check_named_once(paths: Sequence[Path]) -> None:
    """Check that no file is named twice.

    Raises:
        DatasetError: one is.
    """
    if twice := [path for path, count in Counter(paths).items() if count > 1]:
        raise DatasetError(f"{twice[0]} is named twice; name each file once")


def read_cells(path: Path) -> list[tuple[int, list[str]]]:
    """Read the stripped cells of each line that has any, with the number of the line; tabs separate those of a .tsv.

    Raises:
        DatasetError: the file cannot be read, is larger than MOST_BYTES, is not UTF-8 or UTF-16 text, or is no table.
    """
    return parse_cells(str(path), read_text(path), find_delimiter(path))


def find_delimiter(path: Path) -> str:
    """Return what separates the cells of a file, by the ending of its name."""
    return "\t" if path.suffix.lower() in (".tsv", ".tab") else ","


def parse_cells(source: str, text: str, delimiter: str = ",") -> list[tuple[int, list[str]]]:
    """Parse text as `read_cells` does.

    Raises:
        DatasetError: it is no table.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [
            (reader.line_num, [restore_cell(cell.strip()) for cell in cells])
            for cells in reader
            if any(map(str.strip, cells))
        ]
    except csv.Error as error:
        raise DatasetError(f"{source}, line {reader.line_num}: {error}; the file is cut off or no CSV") from error


def read_rows(path: Path) -> CsvTable:
    """Read a table whose first line names the columns.

    Raises:
        DatasetError: as of `read_cells`, or a line has more or fewer cells than the header.
    """
    return name_lines(str(path), read_cells(path))


def name_lines(source: str, lines: Sequence[tuple[int, list[str]]]) -> CsvTable:
    """Make a table of lines, of which the first names the columns.

    Raises:
        DatasetError: there is no line, or as of `name_cells`.
    """
    if not lines:
        raise DatasetError(f"{source} is empty; expected a table with a header")
    return name_cells(source, lines[0][1], lines[1:])


def name_cells(source: str, header: Sequence[str], lines: Sequence[tuple[int, list[str]]]) -> CsvTable:
    """Make a table of a header and lines.

    Raises:
        DatasetError: a column is there twice, or a line has more or fewer cells than the header.
    """
    named = [name for name in header if name]
    if twice := [name for name in dict.fromkeys(named) if named.count(name) > 1]:
        raise DatasetError(f"{source} has the column {twice[0]!r} twice; expected different names")
    for line, cells in lines:
        if len(cells) != len(header):
            raise DatasetError(
                f"{source}, line {line} has {len(cells)} cells; expected {len(header)}: the file is cut off, or was "
                "changed by hand; export it again"
            )
    rows = [CsvRow(source, line, dict(zip(header, cells, strict=True))) for line, cells in lines]
    return CsvTable(tuple(header), tuple(rows))


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 with a byte-order mark.

    Raises:
        DatasetError: it cannot be read, is larger than MOST_BYTES, or is other text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); expected a text file") from error
    if len(data) > MOST_BYTES:
        raise DatasetError(f"{path} has more than {MOST_BYTES} bytes; expected the answers of one survey")
    return decode_text(str(path), data)


def decode_text(source: str, data: bytes) -> str:
    """Decode text in UTF-8, or in UTF-16 with a byte-order mark.

    Raises:
        DatasetError: it is other text.
    """
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{source} is no text in UTF-8 ({error}); export it in UTF-8") from error
