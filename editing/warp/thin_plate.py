"""Thin-plate splines: the smoothest map of a plane that takes given points to given points (Bookstein 1989)."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from faces.align import Points
from faces.expression import Floats

_SPACING_PX: Final = 2
"""Distance of the pixels at which a spline is evaluated; between them it is interpolated."""

_BORDER_POINTS: Final = 5
"""Points on each side of the picture that stay where they are."""

_SMOOTHING: Final = 1e-3
"""Smoothing that keeps the equations solvable where points coincide."""


def map_backwards(
    sources: Points, targets: Points, side: int, *, smoothing: float = _SMOOTHING, border: bool = True
) -> Floats:
    """Return for each pixel of a warped picture the place that it shows in the picture before, (side, side, 2).

    Args:
        sources: (n, 2), x then y in pixels of the picture before.
        targets: (n, 2): where these points are in the warped picture.
        side: of the warped picture, in pixels.
        smoothing: how far the map may miss the points, in square pixels.
        border: the border of the picture stays where it is.
    """
    fixed = _border_points(side) if border else np.empty((0, 2))
    known, shown = np.concatenate([targets, fixed]), np.concatenate([sources, fixed])
    count = len(known)
    equations = np.zeros((count + 3, count + 3))
    equations[:count, :count] = _kernel(known, known) + smoothing * np.eye(count)
    equations[:count, count:] = np.column_stack([np.ones(count), known])
    equations[count:, :count] = equations[:count, count:].T
    solution = np.linalg.solve(equations, np.concatenate([shown, np.zeros((3, 2))]))
    coarse = np.arange(0, side + _SPACING_PX, _SPACING_PX, dtype=np.float64)
    grid = np.stack(np.meshgrid(coarse, coarse), axis=-1).reshape(-1, 2)
    values = _kernel(grid, known) @ solution[:count] + solution[count] + grid @ solution[count + 1 :]
    values = values.reshape(len(coarse), len(coarse), 2).astype(np.float32)
    fine = np.arange(side, dtype=np.float32) / _SPACING_PX
    return np.asarray(cv2.remap(values, *np.meshgrid(fine, fine), cv2.INTER_LINEAR), dtype=np.float64)


def _kernel(first: Points, second: Points) -> Floats:
    squares: Floats = ((first[:, None] - second[None]) ** 2).sum(axis=-1)
    return np.asarray(squares * np.log(np.maximum(squares, 1e-12)), dtype=np.float64)


def _border_points(side: int) -> Points:
    along = np.linspace(0, side - 1, _BORDER_POINTS)
    x, y = (values.ravel() for values in np.meshgrid(along, along))
    outside = (x == 0) | (x == side - 1) | (y == 0) | (y == side - 1)
    return np.asarray(np.column_stack([x, y])[outside], dtype=np.float64)
