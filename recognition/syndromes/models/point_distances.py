"""Distances between the points of each half of a face."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recognition.syndromes.features.face_points import Ints, find_halves
from recognition.syndromes.models.estimator import Matrix


def list_pairs(points: int) -> Ints:
    """List the pairs of points (2 k, 2) whose distances are measured, k of each half; mirror images are k apart.

    For the 510 points of a head, k is 36,315. A pair on the midline is listed in both halves, as in the thesis.
    """
    first, second = np.triu_indices(len(find_halves(points)[0]), k=1)
    return np.concatenate([np.column_stack([half[first], half[second]]) for half in find_halves(points)])


def measure_all(points: npt.NDArray[np.floating[Any]]) -> Matrix:
    """Measure the distances (n, 2 k) of all pairs, in the order of `list_pairs`, of points (n, m, 3)."""
    halves = find_halves(points.shape[1])
    size = len(halves[0])
    distances = np.empty((len(points), size * (size - 1)), np.float32)
    place = 0
    for half in halves:
        axes = np.ascontiguousarray(points[:, half].transpose(2, 0, 1), dtype=np.float32)
        for point in range(size - 1):
            count = size - 1 - point
            distances[:, place : place + count] = _norm(axes[:, :, point + 1 :] - axes[:, :, point, None])
            place += count
    return distances


def measure_pairs(points: npt.NDArray[np.floating[Any]], pairs: Ints) -> Matrix:
    """Measure the distances (n, k) of some pairs (k, 2), to the last bit as `measure_all` does."""
    axes = points.transpose(2, 0, 1).astype(np.float32)
    return _norm(axes[:, :, pairs[:, 1]] - axes[:, :, pairs[:, 0]])


def _norm(differences: Matrix) -> Matrix:
    x, y, z = differences * differences
    norm: Matrix = np.sqrt(x + y + z)
    return norm
