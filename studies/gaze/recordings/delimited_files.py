"""Columns of large delimited text files as arrays, with bounds and errors that name file, line, column and value."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_BYTES: Final = 8 << 30
MOST_ROWS: Final = 50_000_000

_CHUNK: Final = 1 << 8
"""Rows that are transposed at once; they fit into the cache of a processor core, which halves the time."""
_LARGEST: Final = 1e15
"""Larger numbers are no times or places, and do not fit into whole numbers."""

_EMPTY: Final = dict.fromkeys(("", "-", ".", "None"), "nan")
"""Cells without a number, and how NaN is written; a single dot is EyeLink's."""


@dataclass(frozen=True)
class TextColumn:
    """Text of each row as a number (n,) into the different values, in order of their first row."""

    codes: Ints
    values: tuple[str, ...]

    def __getitem__(self, row: int) -> str:
        """Return the text of a row."""
        return self.values[int(self.codes[row])]


@dataclass(frozen=True)
class Columns:
    """Columns of a file.

    Attributes:
        source: name of the file.
        texts: by name.
        numbers: by name; NaN where a cell is empty.
    """

    source: str
    texts: Mapping[str, TextColumn]
    numbers: Mapping[str, Floats]


def read_header(path: Path) -> tuple[str, ...]:
    """Read the names of the columns.

    Raises:
        DatasetError: the file cannot be read, or is empty.
    """
    with _open_text(path) as file:
        try:
            header = next(csv.reader(file, delimiter=_choose_delimiter(path)), [])
        except (csv.Error, UnicodeError) as error:
            raise DatasetError(f"{path}: {error}; expected a table as UTF-8 or UTF-16 text") from error
    if not header:
        raise DatasetError(f"{path} is empty; expected a table with a header")
    return tuple(name.strip() for name in header)


def read_columns(path: Path, texts: Mapping[str, int], numbers: Mapping[str, int]) -> Columns:
    """Read some columns.

    Args:
        texts, numbers: index of each column, by the name that it gets.

    Raises:
        DatasetError: the file cannot be read, is too large, a line has more or fewer cells than the header (as the last
            line of a truncated export has), or a cell of `numbers` is neither a number nor empty.
    """
    width = len(read_header(path))
    codes: dict[str, list[Ints]] = {name: [] for name in texts}
    values: dict[str, dict[str, int]] = {name: {} for name in texts}
    chunks: dict[str, list[Floats]] = {name: [] for name in numbers}
    for first, rows in _generate_chunks(path, width):
        cells = list(zip(*rows, strict=True))
        for name, index in texts.items():
            known = values[name]
            for value in dict.fromkeys(cells[index]):
                known.setdefault(value, len(known))
            codes[name].append(np.fromiter(map(known.__getitem__, cells[index]), np.int64, len(rows)))
        for name, index in numbers.items():
            chunks[name].append(_parse_numbers(path, first, name, cells[index]))
    if not any([*codes.values(), *chunks.values()]):
        raise DatasetError(f"{path} has no rows below its header")
    return Columns(
        str(path),
        {name: TextColumn(np.concatenate(codes[name]), tuple(values[name])) for name in texts},
        {name: np.concatenate(parts) for name, parts in chunks.items()},
    )


def _generate_chunks(path: Path, width: int) -> Iterator[tuple[int, list[list[str]]]]:
    """Generate rows below the header, with the number of the first line of each chunk."""
    with _open_text(path) as file:
        reader = csv.reader(file, delimiter=_choose_delimiter(path))
        next(reader)
        first = 2
        try:
            while rows := list(islice(reader, _CHUNK)):
                if {*map(len, rows)} != {width}:
                    _refuse_width(path, first, rows, width)
                yield first, rows
                first += len(rows)
                if first > MOST_ROWS:
                    raise DatasetError(f"{path} has more than {MOST_ROWS} lines; split it by participant")
        except (csv.Error, UnicodeError) as error:
            raise DatasetError(f"{path}, line {reader.line_num}: {error}; expected UTF-8 or UTF-16 text") from error


def _refuse_width(path: Path, first: int, rows: Sequence[Sequence[str]], width: int) -> None:
    place, row = next((place, row) for place, row in enumerate(rows) if len(row) != width)
    raise DatasetError(
        f"{path}, line {first + place} has {len(row)} cells; expected {width}, as the header has: the export is cut "
        "off or was changed by hand; export it again"
    )


def _parse_numbers(path: Path, first: int, name: str, cells: Sequence[str]) -> Floats:
    try:
        numbers = np.fromiter(map(float, map(_EMPTY.get, cells, cells)), np.float64, len(cells))
    except ValueError:
        numbers = np.array([_parse_or_inf(cell) for cell in cells])
    if (too_large := np.abs(numbers) > _LARGEST).any():
        place = int(np.flatnonzero(too_large)[0])
        hint = "; export numbers with a decimal point" if "," in cells[place] else ""
        raise DatasetError(
            f"{path}, line {first + place}, {name}: {cells[place]!r}; expected a number of at most {_LARGEST:g}, "
            f"or nothing{hint}"
        )
    return numbers


def _parse_or_inf(cell: str) -> float:
    """Return the number of a cell; infinity if it is none."""
    try:
        return float(_EMPTY.get(cell, cell))
    except ValueError:
        return math.inf


def _choose_delimiter(path: Path) -> str:
    return "," if path.suffix.lower() == ".csv" else "\t"


def _open_text(path: Path) -> TextIO:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DatasetError(f"{path} has more than {MOST_BYTES} bytes; split it by participant")
        with path.open("rb") as file:
            start = file.read(2)
        encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        return path.open(encoding=encoding, newline="")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); expected a table of gaze") from error
