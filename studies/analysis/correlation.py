"""Rank correlation over faces, with a permutation test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import ConfigError
from studies.analysis.crossed_answers import Floats


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
    if len(first) != len(second):
        raise ConfigError(f"{len(first)} and {len(second)} values; expected two of each face")
    if len(first) < 4 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    a, b = _standardise(first), _standardise(second)
    generator = np.random.default_rng(seed)
    drawn = generator.permuted(np.broadcast_to(b, (permutations, b.size)), axis=1) @ a
    value = float(a @ b)
    reached = int((np.abs(drawn) >= abs(value) - 1e-12).sum())
    return Correlation(value, (1 + reached) / (1 + permutations), len(first))


def _standardise(values: Sequence[float]) -> Floats:
    """Return centred ranks of length 1; equal values share their mean rank."""
    _, places, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    centred = ranks - ranks.mean()
    return np.asarray(centred / np.linalg.norm(centred))
