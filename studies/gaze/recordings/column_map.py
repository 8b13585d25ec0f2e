"""Reader of gaze tables of any program by a map of their columns, for example of PsychoPy and EyeLink."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import DatasetError
from studies.answers.sessions import name_image
from studies.gaze.fixations import Fixations
from studies.gaze.recordings.delimited_files import Floats, Ints, TextColumn, read_columns, read_header
from studies.gaze.recordings.samples import TIME_UNITS, GazeSamples, PicturePlace, check_order, recode


@dataclass(frozen=True)
class ColumnMap:
    """Columns of a table of gaze, and their units.

    A table with `duration` has one fixation on each line, others have one sample.

    Attributes:
        participant, image, time, x, y: names of the columns. Time and duration are in `time_unit`, points in pixels of
            the picture from its upper left corner, or of the screen if `place` is given.
        time_unit: "s", "ms" or "us".
        recording: column with the name of the recording; empty if each participant has one.
        fixation: column with the number of the fixation of a sample, empty where there is none.
        duration: column with the duration of a fixation. `time` is then its start after the image came.
        place: of the pictures on the screen.
        origin: "top left", or "centre" with y upwards, as PsychoPy has it; then points are in pixels of the screen from
            the centre of the pictures.

    Raises:
        DatasetError: an unknown unit or origin.
    """

    participant: str
    image: str
    time: str
    x: str
    y: str
    time_unit: str
    recording: str = ""
    fixation: str = ""
    duration: str = ""
    place: PicturePlace | None = None
    origin: str = "top left"

    def __post_init__(self) -> None:
        if self.time_unit not in TIME_UNITS:
            raise DatasetError(f"time_unit {self.time_unit!r}; expected one of {', '.join(TIME_UNITS)}")
        if self.origin not in ("top left", "centre"):
            raise DatasetError(f"origin {self.origin!r}; expected 'top left' or 'centre'")
        if self.origin == "centre" and self.place is None:
            raise DatasetError("origin 'centre' needs `place`, with the size of the pictures on the screen")


def read_column_map(path: Path) -> ColumnMap:
    """Read a map from a JSON object with the fields of `ColumnMap`; `place` is an object of those of `PicturePlace`.

    Raises:
        DatasetError: no JSON object, an unknown or missing field, or a value that is not expected.
    """
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is no JSON file that can be read: {error}") from error
    names = [field.name for field in fields(ColumnMap)]
    if not isinstance(entries, dict) or not entries.keys() <= {*names}:
        raise DatasetError(f"{path}: expected an object with the fields {', '.join(names)}")
    try:
        place = _read_place(entries.pop("place", None))
        if wrong := [name for name, value in entries.items() if not isinstance(value, str)]:
            raise DatasetError(f"{wrong[0]} is {entries[wrong[0]]!r}; expected text")
        return ColumnMap(**entries, place=place)
    except (DatasetError, TypeError) as error:
        raise DatasetError(f"{path}: {error}") from error


def _read_place(entries: Any) -> PicturePlace | None:
    if entries is None:
        return None
    names = {field.name for field in fields(PicturePlace)}
    numbers = isinstance(entries, dict) and all(type(value) in (int, float) for value in entries.values())
    if not numbers or entries.keys() != names:
        raise DatasetError(f"place is {entries!r}; expected an object with the numbers {', '.join(sorted(names))}")
    return PicturePlace(**entries)


def read_mapped(path: Path, columns: ColumnMap) -> GazeSamples | Fixations:
    """Read samples, or fixations if the map has a column for durations.

    Raises:
        DatasetError: a missing column, a cell that is no number, or time stamps that go back.
    """
    rows = _read_rows(path, columns)
    return _make_fixations(path, columns, rows) if columns.duration else _make_samples(path, rows)


@dataclass(frozen=True)
class _Rows:
    """Rows of a table of gaze, points in pixels of the picture; `shown` are the places of those with an image."""

    participant: TextColumn
    image: TextColumn
    recording: TextColumn
    numbers: Mapping[str, Floats]
    time_ms: Floats
    x: Floats
    y: Floats
    shown: Ints


def _read_rows(path: Path, columns: ColumnMap) -> _Rows:
    """Read the columns of a map; errors as of `read_mapped`."""
    header = read_header(path)
    texts = {"participant": columns.participant, "image": columns.image, "recording": columns.recording}
    numbers = {name: getattr(columns, name) for name in ("time", "x", "y", "fixation", "duration")}
    chosen = [name for name in (*texts.values(), *numbers.values()) if name]
    if missing := [name for name in chosen if name not in header]:
        raise DatasetError(
            f"{path} has no column {', '.join(missing)}, which the map names; it has {', '.join(header)}"
        )
    table = read_columns(
        path,
        {ours: header.index(name) for ours, name in texts.items() if name},
        {ours: header.index(name) for ours, name in numbers.items() if name},
    )
    participant, image = table.texts["participant"], table.texts["image"]
    image = recode(image, list(map(name_image, image.values)))
    x, y = table.numbers["x"], table.numbers["y"]
    if columns.place is not None:
        place = columns.place
        if columns.origin == "centre":
            x, y = x + place.left + place.width / 2, place.top + place.height / 2 - y
        x, y = place.convert(x, y)
    shown = np.flatnonzero(np.array([bool(name) for name in image.values])[image.codes])
    if not shown.size:
        raise DatasetError(f"{path} has no rows with an image in the column {columns.image!r}")
    return _Rows(
        participant=participant,
        image=image,
        recording=table.texts.get("recording", participant),
        numbers=table.numbers,
        time_ms=table.numbers["time"] * TIME_UNITS[columns.time_unit],
        x=x,
        y=y,
        shown=shown,
    )


def _make_fixations(path: Path, columns: ColumnMap, rows: _Rows) -> Fixations:
    """Make the fixations of a table with one on each line; those of one participant, image and recording are a view.

    Raises:
        DatasetError: a fixation without time, point or positive duration.
    """
    participant, image, recording, shown = rows.participant, rows.image, rows.recording, rows.shown
    duration = rows.numbers["duration"] * TIME_UNITS[columns.time_unit]
    bad = np.isnan(rows.time_ms) | np.isnan(duration) | (duration <= 0) | np.isnan(rows.x) | np.isnan(rows.y)
    if bad[shown].any():
        raise DatasetError(
            f"{path}, line {int(shown[bad[shown]][0]) + 2}: a fixation has no time, point or positive duration"
        )
    pair = (participant.codes * len(image.values) + image.codes) * len(recording.values) + recording.codes
    _, first, view = np.unique(pair[shown], return_index=True, return_inverse=True)
    unknown = np.full(len(first), np.nan)
    return Fixations(
        participants=participant.values,
        images=image.values,
        view_participant=participant.codes[shown][first],
        view_image=image.codes[shown][first],
        view_ms=unknown,
        tracked=unknown,
        longest_gap_ms=unknown,
        view=view.reshape(-1),
        start_ms=rows.time_ms[shown],
        duration_ms=duration[shown],
        x=rows.x[shown],
        y=rows.y[shown],
    )


def _make_samples(path: Path, rows: _Rows) -> GazeSamples:
    """Make the samples of a table with one on each line.

    Raises:
        DatasetError: time stamps that go back.
    """
    recording, shown = rows.recording, rows.shown
    check_order(str(path), recording.values, recording.codes[shown], rows.time_ms[shown])
    fixation = rows.numbers.get("fixation")
    return GazeSamples(
        participants=rows.participant.values,
        recordings=recording.values,
        images=rows.image.values,
        participant=rows.participant.codes[shown],
        recording=recording.codes[shown],
        image=rows.image.codes[shown],
        time_ms=rows.time_ms[shown],
        x=rows.x[shown],
        y=rows.y[shown],
        fixation=None if fixation is None else np.nan_to_num(fixation[shown], nan=-1).astype(np.int64),
    )
