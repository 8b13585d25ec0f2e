"""Scores of predictions: area under the ROC curve, sensitivity and specificity, with intervals and over runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from core.statistics.shares import bound_share
from recognition.statistics import Interval

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

THRESHOLD: Final = 0.5
"""A face is called affected if its probability is above."""

_ROUNDING: Final = 1e-12
"""Variances below are 0 but for rounding."""


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
    """Compute the area under the ROC curve by the ranks of the patients among the controls.

    Args:
        labels, probabilities: see `measure_scores`; patients and controls are both there.
    """
    patients, controls = probabilities[labels == 1], np.sort(probabilities[labels == 0])
    below = np.searchsorted(controls, patients, "left") + np.searchsorted(controls, patients, "right")
    return float(below.mean()) / (2 * len(controls))


def bound_auc(labels: Ints, probabilities: Floats, pairs: Ints | None = None) -> Interval:
    """Compute the area under the ROC curve with its interval of 95 %.

    The variance is DeLong's (1988), for clusters of the patient and the control of a pair (Obuchowski 1997). The
    interval is symmetric on the scale of log-odds, with Student's quantile. For an area of 0 or 1, which leaves no
    variance, the open end is that of Clopper and Pearson for the smaller number of patients and controls. Other areas
    without variance, such as that of equal answers for everybody, have the interval of a share of that number
    (Wilson's, with Student's quantile), whose variance is the largest that such an area can have (Birnbaum and Klose
    1957).

    Args:
        labels, probabilities, pairs: see `measure_scores`.

    Raises:
        DatasetError: no patient, or no control.
    """
    from scipy.special import expit, logit, stdtrit

    patients, controls = _split(labels, probabilities)
    area = compute_auc(labels, probabilities)
    smaller = min(len(patients), len(controls))
    if area in (0, 1):
        bound = 0.025 ** (1 / smaller)
        return Interval(area, bound, 1.0) if area else Interval(area, 0.0, 1 - bound)
    wins = (np.sign(patients[:, None] - controls) + 1) / 2
    deviations = np.empty(len(labels))
    deviations[labels == 1] = (wins.mean(axis=1) - area) / len(patients)
    deviations[labels == 0] = (wins.mean(axis=0) - area) / len(controls)
    if smaller < 2:
        return Interval(area, 0.0, 1.0)
    if pairs is None:
        variance = sum(
            float((deviations[labels == label] ** 2).sum()) * count / (count - 1)
            for label, count in ((1, len(patients)), (0, len(controls)))
        )
    else:
        sums = np.bincount(np.unique(pairs, return_inverse=True)[1], deviations)
        variance = float((sums**2).sum()) * sums.size / (sums.size - 1)
    quantile = float(stdtrit(smaller - 1, 0.975))
    if variance < _ROUNDING:
        return Interval(area, *bound_share(area, smaller, quantile))
    reach = quantile * math.sqrt(variance) / (area * (1 - area))
    return Interval(area, float(expit(logit(area) - reach)), float(expit(logit(area) + reach)))


def trace_roc(labels: Ints, probabilities: Floats) -> RocCurve:
    """Trace the ROC curve of predictions.

    Args:
        labels, probabilities: see `measure_scores`.

    Raises:
        DatasetError: no patient, or no control.
    """
    patients, controls = _split(labels, probabilities)
    thresholds = np.concatenate([[np.inf], np.unique(probabilities)[::-1]])
    true, false = ((group[:, None] >= thresholds).mean(axis=0) for group in (patients, controls))
    return RocCurve(false, true, thresholds)


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
