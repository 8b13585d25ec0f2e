"""Region of an expression on a picture of a face: the eyes and all of the face below them, with a soft edge."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from faces.align import Points, find_anchors

_JAW: Final = slice(1, 16)
_EYES: Final = slice(36, 48)
_NOSE: Final = 33

_WIDER: Final = 1.1
"""Enlargement of the jaw's outline about the nose, since a jaw moves and cheeks widen."""

_ABOVE_EYES: Final = 0.2
"""Height of the region above the landmarks of the eyes, in distances between the eyes: below the brows."""

_EDGE: Final = 0.12
"""Standard deviation of the soft edge, in distances between the eyes."""


def draw_expression_region(landmarks: Points, side: int) -> npt.NDArray[np.float32]:
    """Draw the region of an expression, (side, side) from 0 outside to 1 inside.

    Args:
        landmarks: (68, 2) in pixels of a square picture.

    Raises:
        ImageError: they are of another shape, or not finite.
    """
    left, right, *_ = find_anchors(landmarks)
    across = right - left
    up = np.array([across[1], -across[0]])
    nose = landmarks[_NOSE]
    outline = np.concatenate([nose + _WIDER * (landmarks[_JAW] - nose), landmarks[_EYES] + _ABOVE_EYES * up])
    mask = np.zeros((side, side), dtype=np.float32)
    cv2.fillConvexPoly(mask, np.rint(cv2.convexHull(outline.astype(np.float32))).astype(np.int32), 1.0)
    edge = max(_EDGE * float(np.hypot(*across)), 0.5)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), edge), dtype=np.float32)
