"""Framing of a photograph: the aligned square around its largest face, with remarks on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from core.errors import ImageError
from faces.align import Points, align
from faces.detect import CLEAR_SCORE, FaceDetector, place_by_hand
from faces.images import Pixels

LEAST_SHARE: Final = 0.5
"""Least side of the face's square in the photograph, as a share of the side that is wanted."""

_MUCH_PADDED: Final = 0.1
"""Share of the square outside the photograph that is worth a note."""


@dataclass(frozen=True)
class FramedFace:
    """Aligned face of a photograph.

    Attributes:
        face: uint8 (h, h, 3) RGB, aligned.
        quad: (4, 2) float64, its corners in the photograph, as of `faces.align.ffhq_quad`.
        notes: remarks on the face and its position, in words.
    """

    face: Pixels
    quad: Points
    notes: tuple[str, ...] = ()


def frame_face(
    photograph: Pixels,
    side: int,
    detector: FaceDetector,
    *,
    aligned: bool = False,
    landmarks: Points | None = None,
) -> FramedFace:
    """Find and align the largest face of a photograph (`faces.align`).

    Args:
        photograph: uint8 (h, w, 3) RGB.
        side: of the square, in pixels: the generator's.
        aligned: it is an aligned square already, of any size, and taken as it is.
        landmarks: (68, 2) of the face, set by hand (`faces.landmark_table`); None finds the face.

    Raises:
        NoFaceError: none is found.
        ImageError: the face is too small, an aligned picture is no square, or a landmark lies outside the photograph.
    """
    if aligned:
        height, width = photograph.shape[:2]
        if height != width:
            raise ImageError(f"{width} x {height} pixels; expected an aligned square")
        low, high = -0.5, width - 0.5
        return FramedFace(photograph, np.array([[low, low], [low, high], [high, high], [high, low]]))
    found = detector.find_in_photograph(photograph) if landmarks is None else place_by_hand(landmarks, photograph)
    square = align(photograph, found.landmarks, side)
    wide = float(np.linalg.norm(square.quad[3] - square.quad[0]))
    least = side * LEAST_SHARE
    if wide < least:
        raise ImageError(
            f"the face is too small: its square is {wide:.0f} pixels wide; expected {least:.0f} or more, take a "
            "photograph of higher resolution"
        )
    notes = []
    if found.by == "hand":
        notes.append("landmarks set by hand")
    elif found.by == "convolutional":
        notes.append(f"found by the second detector only, score {found.face.score:.2f}: check its position")
    elif found.face.score < CLEAR_SCORE:
        notes.append(f"found with a score of only {found.face.score:.2f}: check its position")
    if found.faces_found > 1:
        notes.append(f"{found.faces_found} faces found, the largest taken")
    if found.cut:
        notes.append("the face is cut by the border")
    if square.padded > _MUCH_PADDED:
        notes.append(f"{square.padded:.0%} of the square lies outside the photograph")
    return FramedFace(square.image, square.quad, tuple(notes))
