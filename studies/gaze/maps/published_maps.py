"""Comparison of heat maps as published: pictures of Tobii Pro Lab, a cut, and a bootstrap of their overlap.

It repeats the published processing and its one-tailed rank; a permutation test stands beside it. Where the description
of the published steps leaves a choice, the docstrings say which one was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from studies.gaze.maps.heat_maps import Maps

CUTS: Final = {"low": 70.0, "high": 110.0}
"""Grey values above which a place counts, by their published names."""

DRAWS: Final = 1000

_NOISE: Final = 10.0
_SCALED_MEAN: Final = 0.3
_BINARY: Final = 0.3
_BOX: Final = 10
_MOST_PIXELS: Final = 4_000_000_000


@dataclass(frozen=True)
class Overlap:
    """Overlap of the maps of two groups.

    Attributes:
        iou: intersection over union of the two binary maps; 0 if both are empty.
        rank: share of bootstrap draws from the pooled groups with a larger IoU.
        p_published: the smaller of rank and 1 - rank: one tail, whichever it is, and 0 is possible.
        p: permutation of the groups, of whether they overlap less than groups by chance, (1 + extreme) / (1 + draws).
    """

    iou: float
    rank: float
    p_published: float
    p: float


def read_pictures(folder: Path) -> npt.NDArray[np.uint8]:
    """Read the PNG heat maps of a folder, (n, h, w, 4) RGBA; those with BAD in their name are left out, as published.

    Raises:
        DatasetError: no picture, one without an alpha channel, pictures of different sizes, or too many.
    """
    paths = [path for path in sorted(folder.glob("*.png")) if "BAD" not in path.name]
    if not paths:
        raise DatasetError(f"{folder} has no PNG; expected the heat maps that Tobii Pro Lab exports")
    pictures: list[npt.NDArray[np.uint8]] = []
    for path in paths:
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8:
            raise DatasetError(f"{path} is no PNG with 8 bits and an alpha channel; export the heat map alone")
        if pictures and picture.shape != pictures[0].shape:
            raise DatasetError(f"{path} is {picture.shape[:2]}; expected {pictures[0].shape[:2]}, as the others are")
        if picture.size * (len(pictures) + 1) > _MOST_PIXELS:
            raise DatasetError(f"{folder} has more pictures than fit into memory; compare fewer at once")
        pictures.append(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA), dtype=np.uint8))
    return np.stack(pictures)


def convert_pictures(groups: Sequence[npt.NDArray[np.uint8]]) -> list[Maps]:
    """Convert RGBA heat maps to grey maps (n, h, w) in [0, 255], high where people looked.

    The mean colour of all pixels of all groups is subtracted, the rest is clipped at 0, laid on white, made grey (ITU-R
    601) and inverted.
    """
    count = sum(group[..., 0].size for group in groups)
    mean = sum(group.sum(axis=(0, 1, 2), dtype=np.float64) for group in groups) / count
    converted = []
    for group in groups:
        rest = (group - mean).clip(min=0).astype(np.float32)
        alpha = rest[..., 3:] / 255
        colours = rest[..., :3] * alpha + 255 * (1 - alpha)
        converted.append(255 - colours @ np.array([0.299, 0.587, 0.114], dtype=np.float32))
    return converted


def make_binary(grey: Maps, cut: float) -> npt.NDArray[np.bool_]:
    """Make the binary map of a group from its mean grey map (h, w).

    Values of 10 or less are dropped. The rest is scaled so that its mean is 0.3, at most 1. Places whose grey value
    (before the scaling) is above the cut are kept, smoothed by a box of 10 pixels, and cut at 0.3.
    """
    kept = np.where(grey > _NOISE, grey, 0)
    if not kept.any():
        return np.zeros(grey.shape, dtype=np.bool_)
    scaled = (kept * (_SCALED_MEAN / kept[kept > 0].mean())).clip(max=1)
    smooth = cv2.blur(np.where(kept > cut, scaled, 0).astype(np.float32), (_BOX, _BOX))
    return np.asarray(smooth > _BINARY)


def compare_groups(first: Maps, second: Maps, cut: float, seed: int, draws: int = DRAWS) -> Overlap:
    """Compare the maps (n, h, w) and (m, h, w) of two groups.

    Args:
        cut: grey value, for example one of CUTS.
        seed: of the bootstrap and of the permutations.
        draws: number of each.
    """
    generator = np.random.default_rng(seed)
    pooled, size = np.concatenate([first, second]), len(first)
    observed = _overlap(first, second, cut)
    count = len(pooled)

    def draw(rows: npt.NDArray[np.int64]) -> float:
        return _overlap(pooled[rows[:size]], pooled[rows[size:]], cut)

    bootstrap = np.array([draw(generator.integers(count, size=count)) for _ in range(draws)])
    permuted = np.array([draw(generator.permutation(count)) for _ in range(draws)])
    rank = float((bootstrap > observed).mean())
    p = (1 + int((permuted <= observed).sum())) / (1 + draws)
    return Overlap(observed, rank, min(rank, 1 - rank), p)


def _overlap(first: Maps, second: Maps, cut: float) -> float:
    one, other = make_binary(first.mean(axis=0), cut), make_binary(second.mean(axis=0), cut)
    union = (one | other).sum()
    return float((one & other).sum() / union) if union else 0.0
