"""Fixations of participants on pictures: as the eye tracker's software classified them, or by a velocity threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from studies.gaze.recordings.delimited_files import Floats, Ints
from studies.gaze.recordings.samples import GazeSamples

VELOCITY_DEGREES: Final = 30.0
"""Velocity in degrees of visual angle a second below which the eye fixates (I-VT, Salvucci and Goldberg 2000)."""

SHORTEST_MS: Final = 60.0
"""Duration below which a fixation by velocity is dropped."""

_VIEW_NUMBERS: Final = ("view_ms", "tracked", "longest_gap_ms")
_FIXATION_NUMBERS: Final = ("start_ms", "duration_ms", "x", "y")


@dataclass(frozen=True)
class Fixations:
    """Fixations, and the views within which they lie. A view is one participant who sees one image.

    Attributes:
        participants, images: pseudonyms and codes.
        view_participant, view_image: (v,) numbers into them.
        view_ms: (v,) duration of the samples; NaN if only fixations are known.
        tracked: (v,) share of the samples on which an eye was tracked; NaN if only fixations are known.
        longest_gap_ms: (v,) longest distance of two samples; NaN if only fixations are known.
        view: (k,) the view of each fixation.
        start_ms: (k,) after the first sample of the view.
        duration_ms: (k,)
        x, y: (k,) in pixels of the picture.
    """

    participants: tuple[str, ...]
    images: tuple[str, ...]
    view_participant: Ints
    view_image: Ints
    view_ms: Floats
    tracked: Floats
    longest_gap_ms: Floats
    view: Ints
    start_ms: Floats
    duration_ms: Floats
    x: Floats
    y: Floats

    def select_views(self, kept: npt.NDArray[np.bool_]) -> Fixations:
        """Return the fixations of some views, (v,) bool."""
        rows = kept[self.view]
        moved = np.cumsum(kept) - 1
        views = {name: getattr(self, name)[kept] for name in ("view_participant", "view_image", *_VIEW_NUMBERS)}
        fixations = {name: getattr(self, name)[rows] for name in _FIXATION_NUMBERS}
        return replace(self, view=moved[self.view[rows]], **views, **fixations)


def collect_fixations(samples: GazeSamples, pixels_per_degree: float | None = None) -> Fixations:
    """Collect the fixations of samples; each recording of an image by a participant is a view.

    The duration of a fixation is the time from its first to its last sample on the picture, plus the usual distance of
    samples in the recording. So a fixation that began before the picture came counts from the picture's first sample.

    Args:
        pixels_per_degree: pixels of the picture in one degree of visual angle; needed for samples that are not
            classified.

    Raises:
        DatasetError: the samples are not classified and `pixels_per_degree` is None.
    """
    recordings = len(samples.recordings)
    pair = (samples.participant * len(samples.images) + samples.image) * recordings + samples.recording
    order = np.argsort(pair, kind="stable")
    samples, pair = samples.select(order), pair[order]
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    last = np.append(first[1:], len(pair)) - 1
    view = np.repeat(np.arange(len(first)), last - first + 1)
    interval = _measure_intervals(samples)[samples.recording]
    fixation = _classify(samples, view, pixels_per_degree) if samples.fixation is None else samples.fixation
    starts, ends = _find_runs(view, fixation)
    start, end = samples.time_ms[starts], samples.time_ms[ends] + interval[ends]
    x, y = (_average_runs(values, starts, ends) for values in (samples.x, samples.y))
    usable = np.isfinite(x) & np.isfinite(y)
    if samples.fixation is None:
        usable &= end - start >= SHORTEST_MS
    tracked = np.isfinite(samples.x) & np.isfinite(samples.y)
    return Fixations(
        participants=samples.participants,
        images=samples.images,
        view_participant=samples.participant[first],
        view_image=samples.image[first],
        view_ms=samples.time_ms[last] + interval[last] - samples.time_ms[first],
        tracked=np.add.reduceat(tracked.astype(np.float64), first) / (last - first + 1),
        longest_gap_ms=_measure_gaps(samples.time_ms, view, len(first)),
        view=view[starts][usable],
        start_ms=(start - samples.time_ms[first][view[starts]])[usable],
        duration_ms=(end - start)[usable],
        x=x[usable],
        y=y[usable],
    )


def join_fixations(parts: Sequence[Fixations]) -> Fixations:
    """Join the fixations of several files, with the views in the order of the files."""
    participants = tuple(dict.fromkeys(name for part in parts for name in part.participants))
    images = tuple(dict.fromkeys(name for part in parts for name in part.images))
    people = [np.array([participants.index(name) for name in part.participants], dtype=np.int64) for part in parts]
    shown = [np.array([images.index(name) for name in part.images], dtype=np.int64) for part in parts]
    first = np.cumsum([0, *(len(part.view_image) for part in parts)])
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in (*_VIEW_NUMBERS, *_FIXATION_NUMBERS)
    }
    return Fixations(
        participants=participants,
        images=images,
        view_participant=np.concatenate([new[part.view_participant] for new, part in zip(people, parts, strict=True)]),
        view_image=np.concatenate([new[part.view_image] for new, part in zip(shown, parts, strict=True)]),
        view=np.concatenate([part.view + start for part, start in zip(parts, first, strict=False)]),
        **joined,
    )


def find_first_views(fixations: Fixations) -> npt.NDArray[np.bool_]:
    """Find the first view of each participant and image, (v,) bool; others come from a second recording."""
    pair = fixations.view_participant * len(fixations.images) + fixations.view_image
    firsts = np.zeros(len(pair), dtype=np.bool_)
    firsts[np.unique(pair, return_index=True)[1]] = True
    return firsts


def _measure_intervals(samples: GazeSamples) -> Floats:
    """Measure the usual distance of samples in each recording, in milliseconds."""
    intervals = np.zeros(len(samples.recordings))
    for number in np.unique(samples.recording):
        steps = np.diff(samples.time_ms[samples.recording == number])
        steps = steps[steps > 0]
        intervals[number] = np.median(steps) if steps.size else 0.0
    return intervals


def _measure_gaps(time_ms: Floats, view: Ints, views: int) -> Floats:
    """Measure the longest distance of samples in each view."""
    gaps = np.zeros(views)
    same = np.diff(view) == 0
    np.maximum.at(gaps, view[1:][same], np.diff(time_ms)[same])
    return gaps


def _classify(samples: GazeSamples, view: Ints, pixels_per_degree: float | None) -> Ints:
    """Number the runs of samples whose velocity is below the threshold; -1 for others."""
    if pixels_per_degree is None:
        raise DatasetError(
            "the samples are not classified as fixations; export the eye movement type and its index, or state the "
            "pixels of the picture in one degree of visual angle with --px-per-degree"
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        speed = np.hypot(np.diff(samples.x), np.diff(samples.y)) / (np.diff(samples.time_ms) / 1000)
    slow = np.zeros(len(view), dtype=np.bool_)
    slow[1:] = (speed < VELOCITY_DEGREES * pixels_per_degree) & (view[1:] == view[:-1])
    begins = slow & ~np.concatenate([[False], slow[:-1]])
    return np.where(slow, np.cumsum(begins), -1)


def _find_runs(view: Ints, fixation: Ints) -> tuple[Ints, Ints]:
    """Find the first and the last row of each fixation of a view; rows without tracked eyes may lie between them."""
    rows = np.flatnonzero(fixation >= 0)
    changes = (np.diff(view[rows], prepend=-1) != 0) | (np.diff(fixation[rows], prepend=-1) != 0)
    starts = np.flatnonzero(changes)
    ends = np.append(starts[1:], len(rows)) - 1
    return rows[starts], rows[ends[: len(starts)]]


def _average_runs(values: Floats, starts: Ints, ends: Ints) -> Floats:
    """Average the values of each run, without NaN; NaN where a run has no others."""
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    with np.errstate(invalid="ignore"):
        return np.asarray((sums[ends + 1] - sums[starts]) / (counts[ends + 1] - counts[starts]), dtype=np.float64)
