"""Landmarks that were set by hand: a table with a row for each photograph, and the points of one photograph."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from core.errors import DatasetError, ImageError
from faces.align import ANCHORS, Points, spread_anchors

LandmarkTable: TypeAlias = Mapping[str, Points]
"""Landmarks (68, 2) of photographs by the names of their files, NaN for points that were not set."""

_FILE: Final = "file"
_ALL: Final = tuple(f"{axis}{point}" for point in range(68) for axis in "xy")
_SHORT: Final = tuple(f"{anchor}_{axis}" for anchor in ANCHORS for axis in "xy")
_EXPECTED: Final = f"the columns file, {', '.join(_SHORT)}; or file, x0, y0, x1, y1, ... x67, y67 (iBUG order)"


def read_landmark_table(path: Path) -> LandmarkTable:
    """Read a CSV table of landmarks in pixels of each photograph, whose first pixel has its centre at (0, 0).

    It has the column `file`, and either x0, y0 to x67, y67 (iBUG order) or the points that alignment needs:
    left_eye_x, left_eye_y, right_eye_x, …, mouth_left_x, …, mouth_right_y. Left and right are those of the picture.

    Raises:
        DatasetError: it cannot be read; other columns; a cell that is no number; two rows of one file; no row.
    """
    try:
        rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); expected a CSV table of landmarks") from error
    header = [name.strip() for name in rows[0]] if rows else []
    names = next((names for names in (_SHORT, _ALL) if sorted(header) == sorted((_FILE, *names))), None)
    if names is None:
        raise DatasetError(f"{path} has {len(header)} columns: {', '.join(header[:9])}; expected {_EXPECTED}")
    table: dict[str, Points] = {}
    for line, row in enumerate(rows[1:], 2):
        if not row:
            continue
        if len(row) != len(header):
            raise DatasetError(f"{path}, line {line}: {len(row)} cells; expected {len(header)}, one for each column")
        cells = dict(zip(header, row, strict=True))
        file = cells[_FILE].strip()
        if file in table:
            raise DatasetError(f"{path}, line {line}: a second row of {file}; expected one row for each file")
        table[file] = _expand(np.array([_read_number(cells[name], name, path, line) for name in names]))
    if not table:
        raise DatasetError(f"{path} has no row; expected one for each photograph whose landmarks are set by hand")
    return table


def assign_landmarks(table: LandmarkTable, files: Iterable[str]) -> dict[str, Points]:
    """Assign the rows of a table to files by name: the path below their folder, or the name alone if only one has it.

    Raises:
        DatasetError: a row without a file, or with several.
    """
    known: dict[str, list[str]] = {}
    for file in files:
        for name in {file, file.rpartition("/")[2]}:
            known.setdefault(name, []).append(file)
    assigned = {}
    for name, landmarks in table.items():
        matches = [name] if name in known.get(name, ()) else known.get(name, [])
        if len(matches) != 1:
            problem = f"{len(matches)} photographs are called so: {', '.join(matches)}" if matches else "no photograph"
            raise DatasetError(f"landmarks of {name}: {problem}; expected the path of a file below the folder")
        assigned[matches[0]] = landmarks
    return assigned


def parse_landmarks(text: str) -> Points:
    """Parse the landmarks (68, 2) of one photograph in JSON.

    Either an object with the points left_eye, right_eye, mouth_left and mouth_right, each [x, y], or a list of 68 of
    them.

    Raises:
        ImageError: something else.
    """
    try:
        points = json.loads(text)
        if isinstance(points, dict) and points.keys() == set(ANCHORS):
            points = [points[anchor] for anchor in ANCHORS]
        values = np.array(points, dtype=np.float64)
    except (ValueError, TypeError, RecursionError):
        values = np.empty(0)
    if values.shape not in ((len(ANCHORS), 2), (68, 2)) or not np.isfinite(values).all():
        raise ImageError(
            f'landmarks are {text[:80]!r}; expected {{"left_eye": [x, y], "right_eye": [x, y], "mouth_left": [x, y], '
            '"mouth_right": [x, y]} in pixels, or a list of 68 points [x, y] in iBUG order'
        )
    return _expand(values)


def _expand(values: Points | Sequence[float]) -> Points:
    points = np.asarray(values, dtype=np.float64).reshape(-1, 2)
    return points if len(points) == 68 else spread_anchors(points)


def _read_number(cell: str, name: str, path: Path, line: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DatasetError(f"{path}, line {line}: {name} is {cell!r}; expected a number of pixels")
    return value
