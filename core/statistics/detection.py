"""Detection by a score that is large for those who are sought: area under the ROC curve, rates at few false ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from core.statistics.roc_area import bound_area, compute_area
from core.statistics.shares import bound_share_exactly

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RocArea:
    """Probability that a positive has a larger score than a negative, ties counted half.

    Attributes:
        area: the probability; 0.5 for scores that say nothing.
        low, high: its interval of 95 %.
        p: of the one-sided test that the area is above 0.5.
    """

    area: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class DetectionRate:
    """Share of the positives above a threshold that few negatives exceed.

    Attributes:
        false_positives: the share of negatives that was allowed.
        false_found, negatives: number of negatives above the threshold, and of all.
        rate: share of the positives above it.
        low, high: its exact interval of 95 %, at this threshold.
        positives: number of all positives.
    """

    false_positives: float
    false_found: int
    negatives: int
    rate: float
    low: float
    high: float
    positives: int


def measure_area(positives: Floats, negatives: Floats) -> RocArea:
    """Compute the area under the ROC curve of scores (m,) and (n,).

    The interval is that of `bound_area`. The test is that of Mann and Whitney in its normal approximation, with ties.

    Raises:
        ConfigError: fewer than two scores of either, or one that is not finite.
    """
    from scipy.stats import mannwhitneyu  # takes 2 seconds

    m, n = len(positives), len(negatives)
    if min(m, n) < 2 or not (np.isfinite(positives).all() and np.isfinite(negatives).all()):
        raise ConfigError(f"{m} and {n} scores; expected two or more of each, and finite numbers")
    area = compute_area(positives, negatives)
    p = 1.0
    if np.ptp(np.concatenate([positives, negatives])) > 0:
        other = mannwhitneyu(positives, negatives, alternative="greater", method="asymptotic", use_continuity=False)
        p = float(other.pvalue)
    return RocArea(area, *bound_area(positives, negatives), p)


def measure_detection(positives: Floats, negatives: Floats, false_positives: float) -> DetectionRate:
    """Compute the share of positives above the lowest threshold that at most this share of the negatives exceeds.

    Raises:
        ConfigError: no score of either, or a share outside (0, 1).
    """
    if not 0 < false_positives < 1 or not len(positives) or not len(negatives):
        raise ConfigError(
            f"{len(positives)} and {len(negatives)} scores at a share of {false_positives} false positives; expected "
            "scores of both, and a share between 0 and 1"
        )
    allowed = math.floor(false_positives * len(negatives) + 1e-9)  # 0.001 · 3000 is just below 3
    threshold = np.sort(negatives)[::-1][allowed]
    found = int((positives > threshold).sum())
    low, high = bound_share_exactly(found, len(positives))
    return DetectionRate(
        false_positives,
        int((negatives > threshold).sum()),
        len(negatives),
        found / len(positives),
        low,
        high,
        len(positives),
    )


def compute_precedence_p(sought: Floats, reference: Floats, rank: int) -> float:
    """Compute the exact p of as many of `sought` (n,) below the rank-th smallest of `reference` (m,), if both are of
    one distribution.

    That g of them come first means that at most rank - 1 of the first g + rank - 1 in the common order are of the
    reference.
    """
    from scipy.stats import hypergeom  # takes 2 seconds

    before = int((sought < np.sort(reference)[rank - 1]).sum())
    everybody = len(sought) + len(reference)
    return float(hypergeom.cdf(rank - 1, everybody, len(reference), before + rank - 1))
