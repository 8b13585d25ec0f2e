"""Reader of metrics by area of interest that Tobii Pro Lab exports as TSV: one line a recording, interval and area."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from core.errors import DatasetError
from studies.answers.sessions import name_image
from studies.gaze.dwell_times import AreaView
from studies.gaze.recordings.delimited_files import Columns, Floats, read_columns, read_header

_TEXTS: Final = {"recording": "recording", "participant": "participant", "image": "media", "area": "aoi"}
_NUMBERS: Final = {
    "dwell": "total duration of fixations",
    "fixations": "number of fixations",
    "first": "time to first fixation",
}
_NONE: Final = "0 or more"


def is_metrics(header: tuple[str, ...]) -> bool:
    """Return whether a header is that of metrics by area."""
    names = {_normalise(name) for name in header}
    return {"aoi", _NUMBERS["dwell"]} <= names


def read_tobii_metrics(path: Path) -> tuple[list[AreaView], int]:
    """Read metrics, whose durations are milliseconds; names of columns may have underscores or spaces.

    Returns:
        the views of areas, and the number of lines that are left out because the participant saw the image in an
        earlier recording too.

    Raises:
        DatasetError: a missing column, a column twice with different numbers, or a negative or fractional number.
    """
    header = [_normalise(name) for name in read_header(path)]
    wanted = {**_TEXTS, **_NUMBERS}
    if missing := [name for name in wanted.values() if name not in header]:
        raise DatasetError(
            f"{path} has no column {', '.join(missing)}; select it in the metrics export of Tobii Pro Lab"
        )
    again = {  # Total_duration_of_fixations is written twice by some versions
        f"{ours} {place}": place
        for ours, name in _NUMBERS.items()
        for place in [place for place, one in enumerate(header) if one == name][1:]
    }
    numbers = {ours: header.index(name) for ours, name in _NUMBERS.items()}
    texts = {ours: header.index(name) for ours, name in _TEXTS.items()}
    columns = read_columns(path, texts, {**numbers, **again})
    for name in again:
        original = name.split()[0]
        if not np.array_equal(columns.numbers[name], columns.numbers[original], equal_nan=True):
            raise DatasetError(
                f"{path} has the column {_NUMBERS[original]!r} twice with different numbers; export it again"
            )
    _check_numbers(columns)
    return _select_views(columns)


def _normalise(name: str) -> str:
    return name.strip().replace("_", " ").lower().removesuffix(" [ms]").removesuffix("[ms]")


def _check_numbers(columns: Columns) -> None:
    for name, expected in (("dwell", _NONE), ("fixations", "a whole number, 0 or more"), ("first", _NONE)):
        values: Floats = columns.numbers[name]
        wrong = values < 0
        if name != "first":
            wrong |= np.isnan(values)
        if name == "fixations":
            wrong |= values % 1 != 0
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DatasetError(
                f"{columns.source}, line {row + 2}, {_NUMBERS[name]}: {values[row]:g}; expected {expected}"
            )


def _select_views(columns: Columns) -> tuple[list[AreaView], int]:
    texts, numbers = columns.texts, columns.numbers
    views, left_out = [], 0
    recordings: dict[tuple[str, str], str] = {}
    seen: set[tuple[str, str, str]] = set()
    for row in range(len(numbers["dwell"])):
        person, area = texts["participant"][row].strip(), texts["area"][row].strip()
        image = name_image(texts["image"][row])
        if not (person and image and area):
            raise DatasetError(
                f"{columns.source}, line {row + 2}: participant {person!r}, media {image!r}, AOI {area!r}; "
                "expected text"
            )
        if recordings.setdefault((person, image), texts["recording"][row]) != texts["recording"][row]:
            left_out += 1
            continue
        if (person, image, area) in seen:
            raise DatasetError(
                f"{columns.source}, line {row + 2}: area {area!r} of {image!r} is there twice for {person!r}; export "
                "one interval for each image"
            )
        seen.add((person, image, area))
        first = numbers["first"][row]
        views.append(
            AreaView(
                participant=person,
                image=image,
                area=area.lower(),
                dwell_ms=float(numbers["dwell"][row]),
                fixations=int(numbers["fixations"][row]),
                first_ms=None if np.isnan(first) or not numbers["fixations"][row] else float(first),
                share=None,
            )
        )
    return views, left_out
