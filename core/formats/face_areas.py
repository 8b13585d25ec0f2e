"""Areas of interest on a face for eye tracking: rectangles around its parts, from its landmarks."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Area: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; all four belong to the area."""

_PARTS: Final = {"mouth": (slice(48, 68), 0.25), "eyes": (slice(36, 48), 0.12), "nose": (slice(28, 36), 0.25)}
"""Landmarks of each part, and the margin around them as a share of the part's width."""

_FACE_MARGIN: Final = 0.05
_FOREHEAD: Final = 0.4
"""Height of the forehead above the brows, as a share of the distance from brows to chin; no landmark tells it."""

AREAS: Final = (*_PARTS, "face")
"""Names of the areas. The whole face contains the others; where two others overlap, the first in this order counts."""


def find_areas(landmarks: npt.NDArray[np.floating[Any]]) -> dict[str, Area]:
    """Find the areas AREAS of a face.

    Args:
        landmarks: (68, 2) in pixels, in the order of iBUG 300-W.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    areas = {name: _enclose(points[part], margin) for name, (part, margin) in _PARTS.items()}
    brow_y, chin_y = points[17:27, 1].mean(), points[8, 1]
    forehead = [points[27, 0], brow_y - _FOREHEAD * (chin_y - brow_y)]
    return areas | {"face": _enclose(np.vstack([points, forehead]), _FACE_MARGIN)}


def unite_areas(first: Area, second: Area, width: int, height: int) -> Area:
    """Return the smallest area around two, cut to a picture of the given size."""
    left, top = max(min(first[0], second[0]), 0), max(min(first[1], second[1]), 0)
    return left, top, min(max(first[2], second[2]), width - 1), min(max(first[3], second[3]), height - 1)


def _enclose(points: npt.NDArray[np.float64], margin: float) -> Area:
    low, high = points.min(axis=0), points.max(axis=0)
    around = margin * (high[0] - low[0])
    left, top = np.floor(low - around).astype(int).tolist()
    right, bottom = np.ceil(high + around).astype(int).tolist()
    return left, top, right, bottom
