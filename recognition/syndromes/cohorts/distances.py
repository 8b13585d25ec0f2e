"""Euclidean distances between the descriptors of people."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Descriptors: TypeAlias = npt.NDArray[np.floating[Any]]
"""(n, p), one row for each person."""


def measure_distances(first: Descriptors, second: Descriptors) -> npt.NDArray[np.float64]:
    """Measure the distances of people, (n, m).

    Args:
        first: (n, p).
        second: (m, p).
    """
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(first, second))
