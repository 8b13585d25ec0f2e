"""Masks of the regions of a face: drawn from 68 landmarks, or read from PNG files that a table lists."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import DatasetError, ImageError
from faces.align import Points, find_anchors
from faces.images import read_image

Masks: TypeAlias = dict[str, npt.NDArray[np.bool_]]
"""Name of each region -> (h, w), True inside."""

FACE_REGIONS: Final = ("forehead", "cheeks", "chin", "mouth", "eyes", "nose", "brows")
"""Regions that landmarks tell, back to front: where two overlap, the later one counts. The names are those of the
regions of phantoms (`faces.phantoms.regions`), which have hair and ears too."""

OUTSIDE: Final = "outside"
"""Name of everything that belongs to no region."""

EVERY_FILE: Final = "*"
"""File of a row of a mask table that holds for every face without rows of its own."""

_COLUMNS: Final = ("file", "region", "mask")
_OVERSAMPLING: Final = 4


def masks_from_landmarks(landmarks: Points, size: int) -> Masks:
    """Draw the regions of a face as its landmarks tell them.

    The hairline is no landmark: the forehead reaches as far above the brows as is usual. The area between the eyes
    belongs to the nose (Sümer et al. 2023).

    Args:
        landmarks: (68, 2) in pixels of a square picture, iBUG order; the first pixel has its centre at (0, 0).
        size: side of the picture.

    Returns:
        Masks of FACE_REGIONS; no pixel belongs to two. A region that lies outside the picture is empty.

    Raises:
        ImageError: landmarks of another shape, or not finite.
    """
    if np.shape(landmarks) != (68, 2) or not np.isfinite(landmarks).all():
        raise ImageError(f"landmarks are {np.shape(landmarks)}; expected 68 finite points (68, 2) in iBUG order")
    left, right, *_ = find_anchors(landmarks)
    across = right - left
    if not np.hypot(*across) > 0:
        raise ImageError("both eyes lie on one point; expected landmarks of a face")
    axes = np.stack([across, [-across[1], across[0]]])  # to the right, and downwards
    middle = 0.5 * (left + right)
    numbers = np.zeros((size, size), np.uint8)
    for region, outline in _draw_outlines((landmarks - middle) @ np.linalg.inv(axes)):
        numbers[_fill(outline @ axes + middle, size)] = FACE_REGIONS.index(region) + 1
    return {region: numbers == number for number, region in enumerate(FACE_REGIONS, 1)}


def _draw_outlines(points: Points) -> Iterator[tuple[str, Points]]:
    """Yield the parts of all regions in the order of FACE_REGIONS.

    Args:
        points: landmarks relative to the middle between the eyes, in distances between the eyes, y downwards.
    """
    jaw, brows, bridge, base = points[:17], points[17:27], points[27], points[33]
    lip_top, lip_low, corners = points[51], points[57], points[[48, 54]]
    brow_y, chin_y = float(brows[:, 1].mean()), float(jaw[8, 1])
    lid_y = min(points[37:39, 1].min(), points[43:45, 1].min()) - 0.03
    side = 0.5 * float(np.ptp(jaw[:, 0]))
    turn = np.linspace(0, np.pi, 25)
    top = brow_y - 0.4 * (chin_y - brow_y)
    temples = 0.5 * (jaw[0, 0] + jaw[16, 0]) - 0.97 * side * np.cos(turn)
    yield "forehead", np.stack([temples, lid_y - (lid_y - top) * np.sin(turn) ** 0.6], axis=1)

    yield "cheeks", np.concatenate([jaw[1:16], [[jaw[16, 0], lid_y], [jaw[0, 0], lid_y]]])

    under_lip = lip_low[1] + 0.03
    chin = np.concatenate([jaw[5:12] * [1.05, 1] + [0, 0.10], [[corners[1, 0], under_lip], [corners[0, 0], under_lip]]])
    yield "chin", chin

    between = 0.5 * (base[1] + lip_top[1])
    low = lip_low[1] + 0.10
    half = (
        [[-0.18 + lip_top[0], between], corners[0] + [-0.07, -0.08], corners[0] + [-0.08, 0.04]],
        [[lip_low[0] - 0.2, low], [lip_low[0] + 0.2, low]],
        [corners[1] + [0.08, 0.04], corners[1] + [0.07, -0.08], [0.18 + lip_top[0], between]],
    )
    yield "mouth", np.concatenate(half)

    for eye in (points[36:42], points[42:48]):
        yield "eyes", _draw_ellipse(eye, 0.11, 0.13)

    inner = 0.38 * (points[42, 0] - points[39, 0])
    left, right = points[31], points[35]
    waist = 0.5 * (bridge[1] + base[1])
    half_nose = np.array([[inner, bridge[1] - 0.08], [inner, waist]])
    column = np.concatenate([np.add(half_nose, (bridge[0], 0)), np.add(right, [[0.08, -0.1], [0.08, 0.02]])])
    tip = [[base[0] + 0.1, between], [base[0] - 0.1, between]]
    back = np.concatenate(
        [np.add(left, [[-0.08, 0.02], [-0.08, -0.1]]), np.add(half_nose[::-1] * [-1, 1], (bridge[0], 0))]
    )
    yield "nose", np.concatenate([column, tip, back])

    for brow in (brows[:5], brows[5:]):
        yield "brows", np.concatenate([np.subtract(brow, (0, 0.09)), np.add(brow[::-1], (0, 0.10))])


def _draw_ellipse(points: Points, beside: float, above: float) -> Points:
    """Draw an ellipse around points, with a margin on both sides and above and below."""
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    half = 0.5 * np.ptp(points, axis=0) + [beside, above]
    ellipse: Points = 0.5 * (points.min(axis=0) + points.max(axis=0)) + half * np.stack([np.cos(turn), np.sin(turn)], 1)
    return ellipse


def _fill(outline: Points, size: int) -> npt.NDArray[np.bool_]:
    """Mark the pixels of which the outline covers a half or more."""
    fine = np.zeros((_OVERSAMPLING * size, _OVERSAMPLING * size), np.uint8)
    corners = np.rint((outline + 0.5) * _OVERSAMPLING - 0.5)
    # OpenCV takes 32-bit integers; points far outside are moved to a distance that changes nothing.
    cv2.fillPoly(fine, [np.clip(corners, -8 * len(fine), 8 * len(fine)).astype(np.int32)], 255)
    covered: npt.NDArray[np.bool_] = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA) >= 128
    return covered


def reduce_mask(mask: npt.NDArray[np.bool_], size: int) -> npt.NDArray[np.bool_]:
    """Reduce the mask of a picture to a side; a pixel belongs to the region that covers half of it or more."""
    covered = cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(covered >= 0.5, dtype=np.bool_)


def add_outside(masks: Masks) -> Masks:
    """Return the masks and one more, OUTSIDE, of everything that belongs to none of them."""
    return {**masks, OUTSIDE: ~np.any([*masks.values()], axis=0)}


@dataclass(frozen=True)
class MaskTable:
    """Files of the masks that a user brings; made by `read_mask_table`.

    Attributes:
        files: file of each face, or EVERY_FILE -> name of each region -> PNG file.
    """

    files: Mapping[str, Mapping[str, Path]]

    def load(self, file: str) -> Masks:
        """Load the masks of a face; a pixel belongs to the region where it is not black.

        Raises:
            DatasetError: no mask for this face, an empty mask, or masks of several sizes.
            UnreadableImageError: a file that is missing or no picture.
        """
        files = self.files.get(file) or self.files.get(EVERY_FILE)
        if files is None:
            raise DatasetError(
                f"no mask for {file}; expected rows of that file, or of the file {EVERY_FILE} for all faces"
            )
        masks = {region: _read_mask(path) for region, path in files.items()}
        if len(sizes := {mask.shape for mask in masks.values()}) > 1:
            raise DatasetError(f"masks of {file} have the sizes {sorted(sizes)} (rows, columns); expected one size")
        return masks


def read_mask_table(path: Path) -> MaskTable:
    """Read a CSV table with the columns file, region, mask: face, region's name, and PNG relative to the table.

    Raises:
        DatasetError: it cannot be read, has other columns, an empty cell, a region twice, or no row.
    """
    try:
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); expected a CSV table of masks") from error
    if not rows or set(rows[0]) != set(_COLUMNS):
        columns = ", ".join(str(name) for name in rows[0]) if rows else "no rows"
        raise DatasetError(f"{path} has {columns}; expected rows with the columns {', '.join(_COLUMNS)}")
    files: dict[str, dict[str, Path]] = {}
    for line, row in enumerate(rows, 2):
        file, region, mask = ((row[column] or "").strip() for column in _COLUMNS)
        if not (file and region and mask):
            raise DatasetError(f"{path}, line {line}: an empty cell; expected {', '.join(_COLUMNS)}")
        if region in files.setdefault(file, {}):
            raise DatasetError(f"{path}, line {line}: a second mask of {region} for {file}; expected one")
        files[file][region] = path.parent / mask
    return MaskTable(files)


def _read_mask(path: Path) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_] = read_image(path).max(axis=2) > 0
    if not mask.any():
        raise DatasetError(f"the mask {path} is empty; expected pixels that are not black inside the region")
    return mask
