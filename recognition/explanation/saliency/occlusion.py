"""Occlusion: how far the logit falls when a part of the image is covered (Zeiler and Fergus 2014)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch import Tensor

from core.errors import ConfigError
from recognition.explanation.saliency.changed_patches import PatchClassifier
from recognition.explanation.saliency.explained_network import ExplainedNetwork, find_batch_size, select_logits

_PATCHES: Final = 4
"""Patches that take about as much memory as one whole image."""


def occlude(explained: ExplainedNetwork, x: Tensor, targets: Tensor, window: int = 15, stride: int = 8) -> Tensor:
    """Compute the mean fall of the targets' logits over the windows that cover a pixel.

    Args:
        explained: classifier.
        x: (n, 3, h, w) images as they are explained; a covered pixel becomes 0.
        targets: (n,) classes.
        window, stride: side of the windows and their distance, in pixels. The last ones are cut off at the border.

    Returns:
        (n, 3, h, w), signed, the same in each channel.

    Raises:
        ConfigError: the image is smaller than a window.
    """
    if min(x.shape[2:]) < window:
        raise ConfigError(f"images are {x.shape[3]} x {x.shape[2]} pixels; expected {window} or more for occlusion")
    windows = [(top, left) for top in _place(x.shape[2], window, stride) for left in _place(x.shape[3], window, stride)]
    with torch.no_grad():
        merged = explained.merge_normalizations()
        maps = [
            _occlude_image(merged, image[None], target[None], windows, window)
            for image, target in zip(x, targets, strict=True)
        ]
    return torch.stack(maps)[:, None].expand(-1, 3, -1, -1)


def _place(side: int, window: int, stride: int) -> range:
    """Return the first pixels of the windows along one side; they cover every pixel."""
    return range(0, side - window + stride, stride)


def _occlude_image(
    explained: ExplainedNetwork, x: Tensor, target: Tensor, windows: Sequence[tuple[int, int]], window: int
) -> Tensor:
    """Compute the map (h, w) of one image."""
    total, count = torch.zeros_like(x[0, 0]), torch.zeros_like(x[0, 0])
    for (top, left), fall in zip(windows, _compute_falls(explained, x, target, windows, window), strict=True):
        total[top : top + window, left : left + window] += fall
        count[top : top + window, left : left + window] += 1
    return total / count.clamp(min=1)  # windows that lie apart leave pixels between them


def _compute_falls(
    explained: ExplainedNetwork, x: Tensor, target: Tensor, windows: Sequence[tuple[int, int]], window: int
) -> Iterator[Tensor]:
    """Yield how far the logit falls for each window."""
    patches = PatchClassifier.for_image(explained, x)
    uncovered = select_logits(explained.classify(x) if patches is None else patches.classify_image(), target)
    batch = find_batch_size(x) * (1 if patches is None else _PATCHES)
    for start in range(0, len(windows), batch):
        places = windows[start : start + batch]
        covered = [_cover(x[0], top, left, window) for top, left in places]
        logits = (
            explained.classify(torch.stack(covered)) if patches is None else patches.classify(covered, places, window)
        )
        yield from uncovered - select_logits(logits, target.expand(len(places)))


def _cover(image: Tensor, top: int, left: int, window: int) -> Tensor:
    covered = image.clone()
    covered[:, top : top + window, left : left + window] = 0
    return covered
