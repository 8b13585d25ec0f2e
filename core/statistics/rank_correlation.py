"""Spearman's rank correlation."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def compute_spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """Compute Spearman's rank correlation along the last axis; NaN where one of the two has one value only.

    Args:
        first, second: (..., k) that broadcast.
    """
    from scipy.stats import ConstantInputWarning, spearmanrho  # takes 2 seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        return np.asarray(spearmanrho(first, second, axis=-1).statistic, dtype=np.float64)
