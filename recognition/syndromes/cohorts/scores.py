"""Scores of predictions: area under the ROC curve, sensitivity and specificity, with intervals and over runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from core.statistics.roc_area import bound_area, compute_area
from core.statistics.shares import bound_share
from recognition.statistics import Interval

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

THRESHOLD: Final = 0.5
"""A face is called affected if its probability is above."""


@dataclass(frozen=True)
class Scores:
    """Scores of the predictions of one run, with intervals of 95 %.

    The intervals hold for other people and the same models. They leave out that other training data give other models;
    the deviation over runs shows a part of that.

    Attributes:
        patients, controls: numbers of people.
        auc: probability that a patient has a higher probability than a control; ties count half.
        sensitivity, specificity: share of the patients above the threshold, and of the controls not above it.
    """

    patients: int
    controls: int
    auc: Interval
    sensitivity: Interval
    specificity: Interval


@dataclass(frozen=True)
class RocCurve:
    """ROC curve: the points at which the threshold passes a probability, from (0, 0) to (1, 1).

    Attributes:
        false_positives: (k,) share of the controls above the threshold, rising.
        true_positives: (k,) share of the patients above it, rising.
        thresholds: (k,) falling from infinity; faces with a probability of at least the threshold are above it.
    """

    false_positives: Floats
    true_positives: Floats
    thresholds: Floats


@dataclass(frozen=True)
class Spread:
    """Mean of a score over runs, its standard deviation (n - 1), NaN for a single run, and the mean bounds of the
    intervals of the runs, NaN where these are unknown.

    The runs share the patients: their intervals are not independent, and the mean interval is as wide as one of them.
    """

    mean: float
    deviation: float
    low: float = math.nan
    high: float = math.nan


def measure_scores(labels: Ints, probabilities: Floats, pairs: Ints | None = None) -> Scores:
    """Measure the scores of predictions.

    Args:
        labels: (n,) 1 for patients, 0 for controls.
        probabilities: (n,) of being a patient.
        pairs: (n,) number of the pair of each of the people; None if they are not matched.

    Raises:
        DatasetError: no patient, or no control.
    """
    patients, controls = _split(labels, probabilities)
    return Scores(
        len(patients),
        len(controls),
        bound_auc(labels, probabilities, pairs),
        measure_share(patients > THRESHOLD),
        measure_share(controls <= THRESHOLD),
    )


def compute_auc(labels: Ints, probabilities: Floats) -> float:
    """Compute the area under the ROC curve.

    Args:
        labels, probabilities: see `measure_scores`; patients and controls are both there.
    """
    return compute_area(probabilities[labels == 1], probabilities[labels == 0])


def bound_auc(labels: Ints, probabilities: Floats, pairs: Ints | None = None) -> Interval:
    """Compute the area under the ROC curve with its interval of 95 %, for clusters of the people of a pair.

    Args:
        labels, probabilities, pairs: see `measure_scores`.

    Raises:
        DatasetError: no patient, or no control.
    """
    patients, controls = _split(labels, probabilities)
    clusters = None if pairs is None else (pairs[labels == 1], pairs[labels == 0])
    return Interval(compute_area(patients, controls), *bound_area(patients, controls, clusters))


def trace_roc(labels: Ints, probabilities: Floats) -> RocCurve:
    """Trace the ROC curve of predictions.

    Args:
        labels, probabilities: see `measure_scores`.

    Raises:
        DatasetError: no patient, or no control.
    """
    from sklearn.metrics import roc_curve  # takes 3 seconds

    _split(labels, probabilities)
    return RocCurve(*roc_curve(labels, probabilities, drop_intermediate=False))


def measure_share(right: npt.NDArray[np.bool_]) -> Interval:
    """Compute the share of what is right, with Wilson's interval of 95 %."""
    share = float(right.mean())
    return Interval(share, *bound_share(share, right.size))


def summarise_runs(values: Sequence[float]) -> Spread:
    """Compute the mean and the deviation of a score over runs."""
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan)


def summarise_intervals(intervals: Sequence[Interval]) -> Spread:
    """Compute mean, deviation and mean interval of a score over runs."""
    bounds = np.mean([(one.low, one.high) for one in intervals], axis=0)
    return replace(summarise_runs([one.value for one in intervals]), low=float(bounds[0]), high=float(bounds[1]))


def _split(labels: Ints, probabilities: Floats) -> tuple[Floats, Floats]:
    """Return the probabilities of the patients and those of the controls."""
    patients, controls = probabilities[labels == 1], probabilities[labels == 0]
    if not (len(patients) and len(controls)):
        raise DatasetError(f"{len(patients)} patients and {len(controls)} controls; expected one or more of each")
    return patients, controls
