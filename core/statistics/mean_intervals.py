"""Mean of values with Student's interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def bound_mean(values: Sequence[float] | npt.NDArray[np.float64], level: float = 0.95) -> tuple[float, float, float]:
    """Compute the mean of values and the bounds of its interval by Student's t; NaN as bounds of fewer than two."""
    from scipy.special import stdtrit

    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return mean, math.nan, math.nan
    reach = float(stdtrit(count - 1, (1 + level) / 2) * np.std(values, ddof=1)) / math.sqrt(count)
    return mean, mean - reach, mean + reach
