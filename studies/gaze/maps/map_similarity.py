"""Similarity of heat maps to saliency maps of a classifier: overlap (IoU) and symmetric Kullback-Leibler divergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from core.errors import ConfigError, DatasetError
from core.statistics.mean_intervals import bound_mean
from studies.gaze.maps.heat_maps import Maps
from studies.gaze.paired_differences import Bools
from studies.gaze.recordings.delimited_files import Floats

SHARES: Final = (0.05, 0.1, 0.2)
"""Shares of a map's cells that are compared by IoU: its highest 5, 10 and 20 %."""

EPSILON: Final = 1e-7
"""Added to each cell of maps of sum 1 before their divergence, which is infinite where one is 0."""

PERMUTATIONS: Final = 9999


@dataclass(frozen=True)
class Similarity:
    """Similarity of the heat maps of images to their saliency maps.

    Attributes:
        measure: "IoU" or "symmetric KL".
        share: of the cells that IoU compares; None for KL.
        images: their number.
        mean: over images.
        low, high: interval of the mean over images, by Student's t.
        mismatched: mean over all pairs of a heat map and the saliency map of another image.
        p: permutation test of whether a heat map is more similar to the saliency map of its own image than to those of
            others. All faces are alike in where eyes and mouth are, so a high mean alone says little.
    """

    measure: str
    share: float | None
    images: int
    mean: float
    low: float
    high: float
    mismatched: float
    p: float


def compute_iou(first: Maps, second: Maps, share: float) -> float:
    """Compute intersection over union of the highest cells of two maps (h, w).

    Args:
        share: of the cells that are taken, in (0, 1). Cells of 0 are never taken. Of equal cells those further up and
            left are.
    """
    one, other = _take_highest(first.ravel()[None], share)[0], _take_highest(second.ravel()[None], share)[0]
    return float((one & other).sum() / max(1, (one | other).sum()))


def compute_symmetric_kl(first: Maps, second: Maps) -> float:
    """Compute KL(first, second) + KL(second, first) in nats of two maps (h, w), scaled to the sum 1."""
    one, other = _normalise(np.stack([first.ravel(), second.ravel()]), EPSILON)
    return float(((one - other) * np.log(one / other)).sum())


def compare_with_saliency(
    heat_maps: Mapping[str, Maps],
    saliency: Mapping[str, Maps],
    seed: int,
    shares: Sequence[float] = SHARES,
    permutations: int = PERMUTATIONS,
) -> list[Similarity]:
    """Compare the maps of all images that have both.

    Args:
        heat_maps: by the code of the image, (cells, cells).
        saliency: by the code of the image, of any size; they are reduced to cells by averaging.

    Raises:
        ConfigError: a share outside (0, 1).
        DatasetError: fewer than three images have both maps.
    """
    if wrong := [share for share in shares if not 0 < share < 1]:
        raise ConfigError(f"share {wrong[0]}; expected a number between 0 and 1")
    images = sorted(heat_maps.keys() & saliency.keys())
    if len(images) < 3:
        raise DatasetError(
            f"{len(images)} images have a heat map and a saliency map; expected three or more. Saliency maps are named "
            "by the code of the image, as the key has it"
        )
    gaze = np.stack([heat_maps[image] for image in images]).astype(np.float64)
    cells = gaze.shape[1]
    shown = np.stack([_reduce(saliency[image], cells) for image in images]).astype(np.float64)
    gaze, shown = gaze.reshape(len(images), -1), shown.reshape(len(images), -1)
    rows = []
    for share in shares:
        one, other = (_take_highest(maps, share).astype(np.float64) for maps in (gaze, shown))
        common = one @ other.T
        union = one.sum(axis=1)[:, None] + other.sum(axis=1)[None] - common
        rows.append(_test("IoU", share, common / union.clip(min=1), permutations, seed))
    one, other = _normalise(gaze, EPSILON), _normalise(shown, EPSILON)
    own = (one * np.log(one)).sum(axis=1)[:, None] + (other * np.log(other)).sum(axis=1)[None]
    rows.append(_test("symmetric KL", None, own - one @ np.log(other).T - np.log(one) @ other.T, permutations, seed))
    return rows


def _test(
    measure: str,
    share: float | None,
    pairs: Floats,
    permutations: int,
    seed: int,
) -> Similarity:
    """Test the diagonal of a matrix of all pairs against permutations of it."""
    generator = np.random.default_rng(seed)
    own = np.diagonal(pairs)
    count, better = len(own), -1.0 if share is None else 1.0
    rows = np.arange(count)
    means = np.array([pairs[rows, generator.permutation(count)].mean() for _ in range(permutations)])
    extreme = int((better * means >= better * own.mean() - 1e-12).sum())
    mismatched = float((pairs.sum() - own.sum()) / (count * (count - 1)))
    return Similarity(measure, share, count, *bound_mean(own), mismatched, (extreme + 1) / (permutations + 1))


def _take_highest(maps: Maps | Floats, share: float) -> Bools:
    """Return which cells of maps (n, cells) are the highest share, as bool."""
    taken = max(1, round(share * maps.shape[1]))
    highest = np.argsort(-maps, axis=1, kind="stable")[:, :taken]
    chosen = np.zeros(maps.shape, dtype=np.bool_)
    np.put_along_axis(chosen, highest, True, axis=1)
    return chosen & (maps > 0)


def _normalise(maps: Maps | Floats, epsilon: float) -> Floats:
    shares = maps / maps.sum(axis=1, keepdims=True, dtype=np.float64) + epsilon
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float64)


def _reduce(saliency: Maps, cells: int) -> Maps:
    return np.asarray(cv2.resize(saliency.astype(np.float32), (cells, cells), interpolation=cv2.INTER_AREA))
