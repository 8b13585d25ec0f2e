"""Descriptors of people: their length, and Euclidean distances between them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Descriptors: TypeAlias = npt.NDArray[np.floating[Any]]
"""(n, p), one row for each person."""


def scale_to_unit_length(descriptors: Descriptors) -> npt.NDArray[np.float64]:
    """Scale the descriptors (n, p) of people to length 1."""
    values = descriptors.astype(np.float64)
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))


def measure_distances(first: Descriptors, second: Descriptors) -> npt.NDArray[np.float64]:
    """Measure the distances of people, (n, m).

    Args:
        first: (n, p).
        second: (m, p).
    """
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(first, second))
