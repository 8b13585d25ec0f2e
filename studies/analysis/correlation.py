"""Rank correlation over faces, with a permutation test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import ConfigError


@dataclass(frozen=True)
class Correlation:
    """Spearman's correlation.

    Attributes:
        value: in [-1, 1].
        p: two-sided, by permutation of the faces.
        faces: number of them.
    """

    value: float
    p: float
    faces: int


def correlate_ranks(
    first: Sequence[float], second: Sequence[float], *, permutations: int = 2000, seed: int = 0
) -> Correlation | None:
    """Correlate two values of each face; None if there are fewer than four faces, or one value is always the same.

    Raises:
        ConfigError: the numbers of values differ.
    """
    from scipy.stats import PermutationMethod, spearmanrho  # takes 2 seconds

    if len(first) != len(second):
        raise ConfigError(f"{len(first)} and {len(second)} values; expected two of each face")
    if len(first) < 4 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    method = PermutationMethod(n_resamples=permutations, rng=np.random.default_rng(seed))
    found = spearmanrho(first, second, method=method)
    return Correlation(float(found.statistic), float(found.pvalue), len(first))
