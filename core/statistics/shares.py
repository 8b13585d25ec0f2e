"""Intervals of a share."""

from __future__ import annotations

import math
from typing import Final

NORMAL_QUANTILE: Final = 1.959963984540054
"""Of the normal distribution, for intervals of 95 %."""


def bound_share(share: float, count: float, quantile: float = NORMAL_QUANTILE) -> tuple[float, float]:
    """Compute the bounds of Wilson's interval of a share; from 0 to 1 without observations.

    Args:
        count: independent observations; it need not be whole.
        quantile: of the distribution of the standardised share, such as Student's.
    """
    if not count:
        return 0.0, 1.0
    squared = quantile**2 / count
    middle = (share + squared / 2) / (1 + squared)
    half = math.sqrt(squared * (share * (1 - share) + squared / 4)) / (1 + squared)
    return max(0.0, middle - half), min(1.0, middle + half)


def bound_share_exactly(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Compute the bounds of the exact interval of a share (Clopper and Pearson 1934); from 0 to 1 without observations.

    Args:
        hits: observations that count, of all.
    """
    from scipy.stats import binomtest  # takes 2 seconds

    if not count:
        return 0.0, 1.0
    interval = binomtest(hits, count).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)
