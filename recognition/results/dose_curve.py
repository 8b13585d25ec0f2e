"""Gain of a classifier against the number of synthetic images that were added, and the number to take.

The test persons are split into two halves. One half decides when more images no longer help and which size is
recommended; the other half says what the recommended size gains. The best of several sizes looks better than it is on
the faces that chose it, and the second half is free of that.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import DatasetError
from recognition.predictions import Predictions, align_predictions, pool_predictions
from recognition.statistics import Interval, Sampling, mean_interval, measure_mean_over_conditions


@dataclass(frozen=True)
class SizedRun:
    """Measurement of classifiers that learnt from the real faces and from an image set of a certain size.

    Attributes:
        kind: kind of the image set; empty for real faces alone.
        times_real: images of the set over real faces, as asked for; 0 for real faces alone.
        images: synthetic images that a fold learns from, the mean over the folds.
        seeds: predictions of each seed's ensemble for the test set.
    """

    kind: str
    times_real: float
    images: float
    seeds: tuple[Predictions, ...]


@dataclass(frozen=True)
class CurvePoint:
    """Accuracy at one size, as the mean over the conditions, and its gain over real faces alone.

    Attributes:
        kind, times_real, images: see `SizedRun`.
        accuracy: over all test persons and seeds.
        gain: difference to real faces alone, paired by face, over all test persons and seeds.
        seed_gains: the gain of each seed over the same seed of real faces alone.
        choosing_gain: the gain on the half of the persons that chooses.
        confirming_gain: the gain on the other half.
    """

    kind: str
    times_real: float
    images: float
    accuracy: Interval
    gain: Interval
    seed_gains: tuple[float, ...]
    choosing_gain: float
    confirming_gain: Interval


@dataclass(frozen=True)
class Recommendation:
    """Size that is recommended.

    Attributes:
        point: the size; None if no size gains enough.
        reason: sentences for people.
    """

    point: CurvePoint | None
    reason: str


def measure_point(real: SizedRun, run: SizedRun, sampling: Sampling | None = None) -> CurvePoint:
    """Measure one size against real faces alone.

    Args:
        real: measurement of real faces alone.
        run: measurement of the size, with the same seeds on the same test set.

    Raises:
        DatasetError: other seeds, other images, or a condition with a single test person.
    """
    sampling = sampling or Sampling()
    if len(real.seeds) != len(run.seeds):
        raise DatasetError(
            f"{len(real.seeds)} seeds of real faces and {len(run.seeds)} of {run.kind}; expected as many"
        )
    before, after = pool_predictions(real.seeds), pool_predictions(run.seeds)
    after = align_predictions(before, after, "real faces", f"{run.kind}, {run.times_real:g} times")
    choosing = select_choosing_half(before)
    halves = [np.flatnonzero(choosing), np.flatnonzero(~choosing)]
    first, second = (measure_gain(before.select(half), after.select(half), sampling) for half in halves)
    return CurvePoint(
        run.kind,
        run.times_real,
        run.images,
        accuracy=measure_mean_over_conditions(after, sampling),
        gain=measure_gain(before, after, sampling),
        seed_gains=tuple(
            measure_gain(one, align_predictions(one, other, "real faces", run.kind), sampling).value
            for one, other in zip(real.seeds, run.seeds, strict=True)
        ),
        choosing_gain=first.value,
        confirming_gain=second,
    )


def measure_gain(baseline: Predictions, run: Predictions, sampling: Sampling | None = None) -> Interval:
    """Compute the difference of the mean accuracy over conditions (balanced accuracy), with its bootstrap by person.

    Args:
        baseline, run: predictions for the same images in the same order.
    """
    counts = np.bincount(baseline.truths, minlength=len(baseline.classes))
    weights = len(baseline) / (np.count_nonzero(counts) * counts[baseline.truths])
    change = run.correct.astype(np.float64) - baseline.correct.astype(np.float64)
    return mean_interval(change * weights, baseline.persons, sampling)


def select_choosing_half(predictions: Predictions) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Select the images of the half of the persons that chooses, (n,) bool: every other person of each condition.

    The order is that of hashes of the persons' names, so the half is the same for every run on a test set.

    Raises:
        DatasetError: a condition with a single person, who cannot be in both halves.
    """
    persons_of: dict[str, set[str]] = defaultdict(set)
    for condition, person in zip(predictions.conditions, predictions.persons, strict=True):
        persons_of[condition].add(person)
    chosen: set[str] = set()
    for condition, persons in persons_of.items():
        if len(persons) < 2:
            raise DatasetError(
                f"the test set has one person of {condition}; expected two or more of each condition, because one half "
                "of the persons chooses a size and the other half measures its gain: add faces to the test set"
            )
        chosen.update(sorted(persons, key=lambda name: hashlib.sha256(name.encode()).digest())[::2])
    return np.array([person in chosen for person in predictions.persons], dtype=np.bool_)


def still_helps(points: Sequence[CurvePoint], least_gain: float) -> bool:
    """Return whether the last size of a kind is better than all smaller ones, so that a larger one is worth a try.

    Args:
        points: sizes of one kind in ascending order. A single one is no reason to stop, since it may be too small.
        least_gain: difference of accuracies that counts, in [0, 1].
    """
    gains = [point.choosing_gain for point in points]
    return len(gains) < 2 or gains[-1] >= max(gains[:-1]) + least_gain


def recommend_size(points: Sequence[CurvePoint], least_gain: float) -> Recommendation:
    """Recommend the smallest size that gains nearly as much as the best one, or none.

    Args:
        points: all sizes of all kinds.
        least_gain: difference of accuracies that counts, in [0, 1]: smaller ones do not justify more images.
    """
    best = max(point.choosing_gain for point in points)
    if best < least_gain:
        return Recommendation(
            None, f"No image set: none gains {100 * least_gain:g} points or more over real faces alone."
        )
    good = [point for point in points if point.choosing_gain > best - least_gain]
    point = min(good, key=lambda point: (point.images, -point.choosing_gain))
    gain = point.confirming_gain
    reason = (
        f"{point.kind}, {point.times_real:g} times the real faces ({point.images:.0f} images). It gains "
        f"{format_points(gain)} points on the half of the test persons that did not choose it."
    )
    if gain.low <= 0:
        reason += " The interval includes 0: these measurements do not show that it helps."
    of_kind = [other for other in points if other.kind == point.kind]
    largest = max(of_kind, key=lambda other: other.times_real)
    if point is largest:
        reason += " It is the largest size that was measured: a larger one may gain more."
    return Recommendation(point, reason)


def format_points(interval: Interval) -> str:
    """Format a difference of accuracies in points of percent, with its interval."""
    return f"{100 * interval.value:+.1f} ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"
