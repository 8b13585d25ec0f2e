"""Area under the ROC curve with its interval: how often a positive has a larger score than a negative."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from core.statistics.shares import bound_share, bound_share_exactly

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ROUNDING: Final = 1e-12
"""Variances below are 0 but for rounding."""


def compute_area(positives: Floats, negatives: Floats) -> float:
    """Compute the probability that a positive has a larger score than a negative; ties count half.

    Args:
        positives, negatives: scores (m,) and (n,), one or more of each.
    """
    return float(_rank_among(positives, negatives).mean())


def bound_area(positives: Floats, negatives: Floats, clusters: tuple[Ints, Ints] | None = None) -> tuple[float, float]:
    """Compute the interval of 95 % of the area under the ROC curve.

    The variance is DeLong's (1988), for clusters that of Obuchowski (1997). The interval is symmetric on the scale of
    log-odds, with Student's quantile. For an area of 0 or 1, which leaves no variance, the open end is that of Clopper
    and Pearson for the smaller number of positives and negatives. Other areas without variance, such as that of equal
    scores for everybody, have the interval of a share of that number (Wilson's, with Student's quantile), whose
    variance is the largest that such an area can have (Birnbaum and Klose 1957).

    Args:
        positives, negatives: scores (m,) and (n,), one or more of each.
        clusters: number of the cluster of each positive (m,) and of each negative (n,), such as that of the pair to
            which both belong; None if all are independent.
    """
    from scipy.special import expit, logit, stdtrit

    area, smaller = compute_area(positives, negatives), min(len(positives), len(negatives))
    if area in (0, 1):
        return bound_share_exactly(smaller if area else 0, smaller)
    if smaller < 2:
        return 0.0, 1.0
    above = (_rank_among(positives, negatives) - area) / len(positives)
    below = (1 - _rank_among(negatives, positives) - area) / len(negatives)
    if clusters is None:
        variance = sum(float((part**2).sum()) * len(part) / (len(part) - 1) for part in (above, below))
    else:
        numbers = np.unique(np.concatenate(clusters), return_inverse=True)[1]
        sums = np.bincount(numbers, np.concatenate([above, below]))
        variance = float((sums**2).sum()) * sums.size / (sums.size - 1)
    quantile = float(stdtrit(smaller - 1, 0.975))
    if variance < _ROUNDING:
        return bound_share(area, smaller, quantile)
    reach = quantile * math.sqrt(variance) / (area * (1 - area))
    return float(expit(logit(area) - reach)), float(expit(logit(area) + reach))


def _rank_among(scores: Floats, others: Floats) -> Floats:
    """Compute for each score the share of others that are smaller, and half of those that are equal."""
    ordered = np.sort(others)
    ranks: Floats = (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")) / 2
    return ranks / len(others)
