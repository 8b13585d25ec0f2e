"""Reader of gaze data that Tobii Pro Lab exports as TSV: one line a sample, headers with or without units."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from core.errors import DatasetError
from studies.answers.sessions import name_image
from studies.gaze.recordings.delimited_files import Columns, Floats, Ints, read_columns, read_header
from studies.gaze.recordings.samples import (
    TIME_UNITS,
    GazeSamples,
    PicturePlace,
    check_order,
    explain_missing_unit,
    recode,
)

_EYE_TRACKER: Final = "eye tracker"
_FIXATION: Final = "Fixation"

_TEXTS: Final = {
    "sensor": ("sensor",),
    "participant": ("participant name", "participant"),
    "recording": ("recording name", "recording"),
    "image": ("presented stimulus name", "presented media name", "media"),
    "movement": ("eye movement type",),
}
_NUMBERS: Final = {
    "index": ("eye movement type index",),
    "screen_x": ("gaze point x [dacspx]", "gaze point x"),
    "screen_y": ("gaze point y [dacspx]", "gaze point y"),
    "picture_x": ("gaze point x [mcspx]",),
    "picture_y": ("gaze point y [mcspx]",),
    "share_x": ("gaze point x [mcsnorm]",),
    "share_y": ("gaze point y [mcsnorm]",),
    "left": ("presented media position x (left) [dacspx]", "presented media position x [dacspx]"),
    "top": ("presented media position y (top) [dacspx]", "presented media position y [dacspx]"),
    "width": ("presented media width [px]", "presented media width"),
    "height": ("presented media height [px]", "presented media height"),
    "picture_width": ("original media width [px]", "original media width"),
    "picture_height": ("original media height [px]", "original media height"),
}
"""Names of columns, most telling first, in lower case, with units in square brackets without spaces."""

_UNITS: Final = {"ms": "ms", "μs": "us", "us": "us"}


def read_tobii(path: Path, time_unit: str | None = None, place: PicturePlace | None = None) -> GazeSamples:
    """Read gaze samples.

    Lines of other sensors and lines without a stimulus are not gaze on a picture and are left out. Points are taken
    in the pixels of the picture file: from MCS columns, or from screen coordinates and the columns about the presented
    media, or from screen coordinates and `place`.

    Args:
        time_unit: "ms" or "us", for exports whose header names no unit; a unit in the header cannot be overruled.
        place: of the pictures on the screen, for exports without the columns that tell it.

    Raises:
        DatasetError: a missing column, time stamps without a unit or out of order, or no way to find the picture.
    """
    header = read_header(path)
    found = _find_columns(path, header)
    texts = {name: found[name] for name in _TEXTS if name in found}
    numbers = {name: found[name] for name in (*_NUMBERS, "time") if name in found}
    columns = read_columns(path, texts, numbers)
    rows = _select_gaze(columns)
    if not rows.size:
        raise DatasetError(f"{path} has no samples of the eye tracker on a stimulus")
    time = columns.numbers["time"][rows]
    time_ms = time * _choose_factor(columns.source, header[found["time"]], time, time_unit)
    x, y = _find_points(columns, place)
    participant = recode(columns.texts["participant"], list(map(str.strip, columns.texts["participant"].values)))
    if "" in participant.values:
        raise DatasetError(f"{path} has samples without a participant; give each recording one, and export again")
    recording = columns.texts["recording"] if "recording" in found else columns.texts["participant"]
    image = recode(columns.texts["image"], list(map(name_image, columns.texts["image"].values)))
    check_order(columns.source, recording.values, recording.codes[rows], time_ms)
    return GazeSamples(
        participants=participant.values,
        recordings=recording.values,
        images=image.values,
        participant=participant.codes[rows],
        recording=recording.codes[rows],
        image=image.codes[rows],
        time_ms=time_ms,
        x=x[rows],
        y=y[rows],
        fixation=_number_fixations(columns, rows),
    )


def is_tobii(header: Sequence[str]) -> bool:
    """Return whether a header is that of a gaze export."""
    return any(_normalise(name).startswith("recording timestamp") for name in header)


def _normalise(name: str) -> str:
    """Return a name in lower case, its unit in square brackets without spaces."""
    name = name.strip().lower().replace("_", " ").replace("µ", "μ")
    name = re.sub(r"\(((?:dacs|mcs) ?(?:px|norm|mm))\)$", r"[\1]", name)
    return re.sub(r"\[([^\]]*)\]$", lambda unit: unit[0].replace(" ", ""), name)


def _find_columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    names = [_normalise(name) for name in header]
    found = {}
    for ours, candidates in {**_TEXTS, **_NUMBERS}.items():
        place = next((names.index(name) for name in candidates if name in names), None)
        if place is not None:
            found[ours] = place
    times = [place for place, name in enumerate(names) if name.startswith("recording timestamp")]
    if len(times) > 1:
        raise DatasetError(f"{path} has {len(times)} columns of recording time stamps; export one")
    if times:
        found["time"] = times[0]
    required = {"time": "Recording timestamp", "participant": "Participant name", "image": "Presented Stimulus name"}
    if missing := [theirs for ours, theirs in required.items() if ours not in found]:
        raise DatasetError(f"{path} has no column {', '.join(missing)}; select it in the data export of Tobii Pro Lab")
    return found


def _read_unit(name: str) -> str | None:
    unit = re.search(r"\[([^\]]*)\]$", _normalise(name))
    return None if unit is None else _UNITS.get(unit[1], unit[1])


def _choose_factor(source: str, column: str, time: Floats, given: str | None) -> float:
    """Choose the milliseconds of one unit of the time stamps."""
    named = _read_unit(column)
    if named and given and named != given:
        raise DatasetError(f"{source}: {column!r} is in {named}, and {given} was asked for; leave the unit out")
    unit = named or given
    if unit is None:
        raise explain_missing_unit(source, column, time, "state the unit with --time-unit")
    if unit not in TIME_UNITS:
        raise DatasetError(f"{source}: {column!r} has the unit {unit!r}; expected ms or us")
    return TIME_UNITS[unit]


def _select_gaze(columns: Columns) -> Ints:
    """Select the rows of the eye tracker on a stimulus."""
    image = columns.texts["image"]
    shown = np.array([bool(name.strip()) for name in image.values])[image.codes]
    if (sensor := columns.texts.get("sensor")) is not None:
        shown &= np.array([name.strip().lower() == _EYE_TRACKER for name in sensor.values])[sensor.codes]
    return np.flatnonzero(shown)


def _find_points(columns: Columns, place: PicturePlace | None) -> tuple[Floats, Floats]:
    """Find the points of gaze in pixels of the pictures."""
    have: Mapping[str, Floats] = columns.numbers
    if {"picture_x", "picture_y"} <= have.keys():
        return have["picture_x"], have["picture_y"]
    if {"share_x", "share_y", "picture_width", "picture_height"} <= have.keys():
        return have["share_x"] * have["picture_width"], have["share_y"] * have["picture_height"]
    if {"screen_x", "screen_y"} <= have.keys():
        if place is not None:
            return place.convert(have["screen_x"], have["screen_y"])
        if {"left", "top", "width", "height", "picture_width", "picture_height"} <= have.keys():
            return (
                (have["screen_x"] - have["left"]) / have["width"] * have["picture_width"],
                (have["screen_y"] - have["top"]) / have["height"] * have["picture_height"],
            )
        raise DatasetError(
            f"{columns.source} has points on the screen only; export the columns about the presented and original "
            "media (position, width, height) too, or state the place of the pictures with --place"
        )
    raise DatasetError(f"{columns.source} has no column 'Gaze point X' or 'Gaze point Y' of both eyes; export them")


def _number_fixations(columns: Columns, rows: Ints) -> Ints | None:
    """Return the number of the fixation of each sample; None if the export does not classify eye movements."""
    movement = columns.texts.get("movement")
    if movement is None or "index" not in columns.numbers or _FIXATION not in movement.values:
        return None
    fixating = (movement.codes == movement.values.index(_FIXATION))[rows]
    return np.where(fixating, np.nan_to_num(columns.numbers["index"][rows], nan=-1), -1).astype(np.int64)
