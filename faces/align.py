"""FFHQ alignment: it maps a photograph and its landmarks to the upright square that networks see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from core.errors import ImageError
from faces.images import Pixels

Points = npt.NDArray[np.float64]

ANCHORS: Final = ("left_eye", "right_eye", "mouth_left", "mouth_right")
"""Points that define the alignment: the centres of the eyes and the corners of the mouth, left and right as seen."""

_OVERSAMPLING: Final = 4
"""The square is warped at this multiple of its size and then reduced, which avoids aliasing."""

_BLUR: Final = 0.02
"""Standard deviation of the blur outside the picture, as a share of the square's side."""

_RAMP: Final = 0.1
"""Distance outside the border, as a share of the side, over which that blur sets in."""

_FADE: Final = 0.3
"""Distance outside the border, as a share of the side, over which the reflection fades to the picture's
median colour, so that a mirrored eye or mouth is not taken for a real one."""


@dataclass(frozen=True)
class Aligned:
    """A face in the FFHQ frame.

    Attributes:
        image: uint8 (size, size, 3) RGB.
        quad: (4, 2) float64, the square's corners in the photograph, as `ffhq_quad` returns them.
        padded: share of the square that lies outside the photograph and is reflected, in [0, 1].
    """

    image: Pixels
    quad: Points
    padded: float

    def to_aligned(self, points: npt.NDArray[np.floating]) -> Points:
        """Map (n, 2) points of the photograph into the aligned image; both in pixels, centres at integers."""
        aligned: Points = (points - self.quad[0]) @ np.linalg.inv(_edges(self.quad)) * len(self.image) - 0.5
        return aligned

    def to_photograph(self, points: npt.NDArray[np.floating]) -> Points:
        """Map points of the aligned image into the photograph; the inverse of `to_aligned`."""
        original: Points = (points + 0.5) / len(self.image) @ _edges(self.quad) + self.quad[0]
        return original


def ffhq_quad(landmarks: npt.NDArray[np.number]) -> Points:
    """Compute the corners of the square that FFHQ cuts out around a face.

    Centre = midpoint of the eyes + 0.1 (eyes to mouth); half-side = max(2.0 eye distance, 1.8 eye-to-mouth
    distance) along (eye to eye) - rot90(eyes to mouth). Karras et al. 2018, appendix C.

    Args:
        landmarks: (68, 2) x, y in pixels, iBUG order; only those of the eyes and the corners of the mouth are used.

    Returns:
        (4, 2) float64: top-left, bottom-left, bottom-right, top-right.

    Raises:
        ImageError: another shape, not finite, or points that coincide, so that the square is undefined.
    """
    left_eye, right_eye, *corners = find_anchors(landmarks)
    eyes, mouth = (left_eye + right_eye) / 2, (corners[0] + corners[1]) / 2
    across, down = right_eye - left_eye, mouth - eyes
    direction = across - _rot90(down)
    half_side = max(2.0 * np.hypot(*across), 1.8 * np.hypot(*down))
    length = np.hypot(*direction)
    if length < 1e-3 * half_side or half_side < 1:
        raise ImageError(
            f"landmarks give no alignment: the eyes are {np.hypot(*across):.3g} pixels apart, the mouth "
            f"{np.hypot(*down):.3g} from them; expected a face of several pixels, seen from the front"
        )
    x = direction / length * half_side
    y = _rot90(x)
    centre = eyes + 0.1 * down
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def find_anchors(landmarks: npt.NDArray[np.number]) -> Points:
    """Return the ANCHORS (4, 2) of landmarks (68, 2).

    Raises:
        ImageError: another shape, or one of the points used is not finite.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape == (68, 2):
        anchors = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0), points[48], points[54]])
        if np.isfinite(anchors).all():
            return anchors
    raise ImageError(f"landmarks of shape {points.shape}; expected (68, 2) finite coordinates in pixels, iBUG order")


def spread_anchors(anchors: npt.NDArray[np.number]) -> Points:
    """Return landmarks (68, 2) with these ANCHORS (4, 2), every point of an eye at its centre, and NaN elsewhere."""
    points = np.full((68, 2), np.nan)
    points[36:42], points[42:48], points[48], points[54] = anchors
    return points


def align(image: Pixels, landmarks: npt.NDArray[np.number], size: int) -> Aligned:
    """Cut the FFHQ square out of a photograph: shrink, crop, pad, warp, reduce.

    Outside the photograph the picture is reflected, blurred, and fades to its median colour.

    Args:
        image: uint8 (h, w, 3) RGB.
        landmarks: (68, 2) in pixels of the image.
        size: side of the result in pixels.

    Raises:
        ImageError: landmarks without an alignment, or a square mostly outside the photograph.
    """
    quad = ffhq_quad(landmarks)
    padded = _share_outside(quad, image.shape[0], image.shape[1])
    if padded > 0.9:
        raise ImageError(
            f"{padded:.0%} of the aligned square lies outside the picture; expected landmarks in pixels of "
            "this very picture, and a face within it"
        )
    corners = quad + 0.5  # from here on the picture spans [0, width] x [0, height]
    image, corners = _shrink(image, corners, size)
    image, corners = _crop(image, corners)
    image, corners = _pad(image, corners)
    side = size * _OVERSAMPLING
    warped = Image.fromarray(image).transform(
        (side, side), Image.Transform.QUAD, tuple(corners.ravel()), Image.Resampling.BILINEAR
    )
    reduced = warped.resize((size, size), Image.Resampling.LANCZOS)
    return Aligned(np.array(reduced), quad, padded)


def _rot90(vector: Points) -> Points:
    """Turn a vector by a quarter turn from x (right) to y (down)."""
    return np.array([-vector[1], vector[0]])


def _edges(quad: Points) -> Points:
    """Compute the square's upper and left edge, as vectors in the photograph, one a row."""
    return np.stack([quad[3] - quad[0], quad[1] - quad[0]])


def _side(corners: Points) -> float:
    return float(np.hypot(*(corners[3] - corners[0])))


def _share_outside(quad: Points, height: int, width: int, samples: int = 128) -> float:
    steps = (np.arange(samples) + 0.5) / samples
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    x, y = (grid @ _edges(quad) + quad[0] + 0.5).T
    return float(1 - np.mean((x >= 0) & (x <= width) & (y >= 0) & (y <= height)))


def _shrink(image: Pixels, corners: Points, size: int) -> tuple[Pixels, Points]:
    """Shrink the picture by a whole factor, to no less than twice the requested resolution."""
    factor = int(_side(corners) / size / 2)
    if factor <= 1:
        return image, corners
    height, width = image.shape[:2]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    reduced = Image.fromarray(image).resize(small, Image.Resampling.LANCZOS)
    return np.array(reduced), corners * (np.array(small) / (width, height))


def _crop(image: Pixels, corners: Points) -> tuple[Pixels, Points]:
    """Crop the picture to the square and a margin for the filters. This only saves work."""
    margin = max(3, round(0.1 * _side(corners)))
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - margin, 0)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + margin
    return image[top:bottom, left:right], corners - np.array([left, top])


def _pad(image: Pixels, corners: Points) -> tuple[Pixels, Points]:
    """Pad the picture by reflection as far as the square needs it; blur the padding and let it fade towards the
    border."""
    height, width = image.shape[:2]
    left, top = np.maximum(np.ceil(2 - corners.min(axis=0)).astype(int), 0)
    right, bottom = np.maximum(np.ceil(corners.max(axis=0) + 2 - (width, height)).astype(int), 0)
    if left == top == right == bottom == 0:
        return image, corners
    picture = np.pad(image, ((top, bottom), (left, right), (0, 0)), mode="reflect").astype(np.float32)
    y, x = np.ogrid[-top : height + bottom, -left : width + right]
    outside = np.maximum(np.maximum(-y, y - height + 1), np.maximum(-x, x - width + 1))
    distance = np.maximum(outside / _side(corners), 0).astype(np.float32)[..., None]
    blurred = cv2.GaussianBlur(picture, (0, 0), _BLUR * _side(corners), borderType=cv2.BORDER_REFLECT)
    median = np.median(image, axis=(0, 1)).astype(np.float32)
    picture += np.minimum(distance / _RAMP, 1) * (blurred - picture)
    picture += np.minimum(distance / _FADE, 1) * (median - picture)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), corners + np.array([left, top])
