"""Shape of a face from its 68 landmarks: the landmarks in a frame of the face, and the distances between them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.errors import ImageError

Floats = npt.NDArray[np.float64]

SMALLEST_EYES_PX: Final = 12.0
"""Least distance between the centres of the eyes. dlib's landmarks of smaller faces are not accurate to the pixel."""

_FIRST, _SECOND = np.triu_indices(68, k=1)


def locate_eyes(landmarks: npt.NDArray[np.floating[Any]]) -> Floats:
    """Return the centres of both eyes, (2, 2), the left one of the picture first.

    Raises:
        ImageError: landmarks that are not finite, or eyes that are too close together.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise ImageError(f"landmarks are {points.shape}; expected (68, 2) finite coordinates, iBUG order")
    eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
    apart = float(np.hypot(*(eyes[1] - eyes[0])))
    if apart < SMALLEST_EYES_PX:
        raise ImageError(
            f"the face is too small: its eyes are {apart:.1f} pixels apart; expected {SMALLEST_EYES_PX:g} or more"
        )
    return eyes


def normalise_landmarks(landmarks: npt.NDArray[np.floating[Any]]) -> Floats:
    """Return landmarks (68, 2) in the frame of the face: the origin between the eyes, x from eye to eye, y down.

    The unit is the distance between the eyes. The errors are those of `locate_eyes`.
    """
    eyes = locate_eyes(landmarks)
    across = eyes[1] - eyes[0]
    axes = np.stack([across, [-across[1], across[0]]]) / (across @ across)
    normalised: Floats = (np.asarray(landmarks, np.float64) - eyes.mean(axis=0)) @ axes.T
    return normalised


def measure_distances(landmarks: Floats) -> Floats:
    """Compute the 2,278 distances between landmarks (68, 2), in their unit."""
    distances: Floats = np.linalg.norm(landmarks[_FIRST] - landmarks[_SECOND], axis=1)
    return distances
