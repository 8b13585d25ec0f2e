"""Gaze samples of participants on pictures, in the pixels of the pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from core.errors import DatasetError
from studies.gaze.recordings.delimited_files import Floats, Ints, TextColumn

TIME_UNITS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}
"""Milliseconds of each unit of time stamps."""


@dataclass(frozen=True)
class GazeSamples:
    """Gaze samples in order of time within each recording; arrays have the shape (n,).

    Attributes:
        participants: pseudonyms.
        recordings: names of the recordings.
        images: codes of the images.
        participant, recording, image: numbers into them.
        time_ms: on the clock of the recording.
        x, y: in pixels of the picture, from its upper left corner; NaN where no eye was tracked.
        fixation: number of the fixation within the recording, as the eye tracker's software classified it; -1 for
            none. None if the file has no classification.
    """

    participants: tuple[str, ...]
    recordings: tuple[str, ...]
    images: tuple[str, ...]
    participant: Ints
    recording: Ints
    image: Ints
    time_ms: Floats
    x: Floats
    y: Floats
    fixation: Ints | None

    def select(self, rows: Ints) -> GazeSamples:
        """Return some of the samples, in the order of `rows`."""
        names = ("participant", "recording", "image", "time_ms", "x", "y", "fixation")
        arrays = {name: array[rows] for name in names if (array := getattr(self, name)) is not None}
        return replace(self, **arrays)


@dataclass(frozen=True)
class PicturePlace:
    """Place of the pictures on the screen, the same for all of them.

    Attributes:
        left, top: of the picture on the screen, in pixels of the screen.
        width, height: on the screen, in pixels of the screen.
        picture_width, picture_height: of the picture file, in which areas of interest are measured.
    """

    left: float
    top: float
    width: float
    height: float
    picture_width: float
    picture_height: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.left, self.top))):
            raise DatasetError(f"the picture is at ({self.left}, {self.top}) on the screen; expected finite numbers")
        sizes = (self.width, self.height, self.picture_width, self.picture_height)
        if not all(0 < size < math.inf for size in sizes):
            raise DatasetError(f"the picture has the sizes {sizes}; expected positive numbers of pixels")

    def convert(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Convert screen coordinates to picture coordinates."""
        return (
            (x - self.left) * (self.picture_width / self.width),
            (y - self.top) * (self.picture_height / self.height),
        )


def recode(column: TextColumn, names: Sequence[str]) -> TextColumn:
    """Rename the values of a column; values of one new name become one."""
    known: dict[str, int] = {}
    moved = np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)
    return TextColumn(moved[column.codes], tuple(known))


def explain_missing_unit(source: str, column: str, time: Floats, remedy: str) -> DatasetError:
    """Return the error that time stamps have no unit, with what their distances would mean in each unit."""
    steps = np.diff(time[np.isfinite(time)])
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else math.nan
    rates = ", ".join(f"{1000 / (step * factor):.4g} Hz in {unit}" for unit, factor in TIME_UNITS.items())
    return DatasetError(
        f"{source}: the column {column!r} has no unit of time; its usual step of {step:g} would be {rates}; {remedy}"
    )


def check_order(source: str, recordings: Sequence[str], recording: Ints, time_ms: Floats) -> None:
    """Check that the time stamps of each recording are numbers that do not go back.

    Raises:
        DatasetError: naming the recording.
    """
    for number, name in enumerate(recordings):
        rows = np.flatnonzero(recording == number)
        if np.isnan(time_ms[rows]).any():
            raise DatasetError(f"{source}: recording {name!r} has a sample without a time stamp")
        back = np.flatnonzero(np.diff(time_ms[rows]) < 0)
        if back.size:
            raise DatasetError(
                f"{source}: the time stamps of recording {name!r} go back at {time_ms[rows[back[0] + 1]]:g} ms; "
                "expected them in order of time, and recordings of different names"
            )
