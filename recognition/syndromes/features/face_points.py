"""Points of the block "points": their halves of the face, and the region of the face that each lies in."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from faces.detect import LANDMARKS, MIRRORED
from faces.heads import HALVES, POINTS
from recognition.explanation.regions.masks import FACE_REGIONS, masks_from_landmarks

Ints = npt.NDArray[np.int64]

_MIDLINE: Final = [point for point in range(LANDMARKS) if MIRRORED[point] == point]
_LEFT: Final = [*range(8), *range(17, 22), 31, 32, *range(36, 42), 48, 49, 50, 58, 59, 60, 61, 67]
"""Landmarks of the half that is left in the picture."""

_SIDE_PX: Final = 256
_UNIT_PX: Final = 50
"""Size of the picture in which regions are drawn, and pixels of an eye distance in it."""


def find_halves(points: int) -> tuple[Ints, Ints]:
    """Return the points of both halves of a face; each point has its mirror image at the same place of the other half.

    The points on the midline belong to both.

    Args:
        points: number of points of a face: those of a 3D head, or 68 landmarks.

    Raises:
        ConfigError: another number.
    """
    if points == POINTS:
        return HALVES
    if points == LANDMARKS:
        left = np.array(_MIDLINE + _LEFT)
        return left, np.array(MIRRORED)[left]
    raise ConfigError(f"a face has {points} points; expected {POINTS} of a head or {LANDMARKS} landmarks")


def name_regions(points: npt.NDArray[np.floating[Any]], landmarks: npt.NDArray[np.floating[Any]]) -> list[str]:
    """Name the region of FACE_REGIONS in which each point (m, 2 or 3) lies, seen from the front.

    A point outside all regions takes the nearest one.

    Args:
        landmarks: (68, 2) in the frame of the points: the origin between the eyes, in eye distances.
    """
    masks = masks_from_landmarks(np.asarray(landmarks, np.float64) * _UNIT_PX + _SIDE_PX / 2, _SIDE_PX)
    region_of = np.full((_SIDE_PX, _SIDE_PX), -1)
    for number, region in enumerate(FACE_REGIONS):
        region_of[masks[region]] = number
    rows, columns = np.nonzero(region_of >= 0)
    names = []
    for x, y in np.asarray(points)[:, :2] * _UNIT_PX + _SIDE_PX / 2:
        nearest = np.argmin((columns - x) ** 2 + (rows - y) ** 2)
        names.append(FACE_REGIONS[region_of[rows[nearest], columns[nearest]]])
    return names
