"""Eyes and mouth of an aligned face: weights of their pixels, and their similarity in two pictures.

They are the smallest and the most telling part of a face: without a larger weight, tuning spends its steps on hair and
background, and blurs or loses them.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from inversion.networks.encoder import resize
from inversion.similarity import SSIM_MARGIN, compute_ssim_map

_BOXES: Final = ((0.28, 0.42, 0.47, 0.52), (0.53, 0.42, 0.72, 0.52), (0.35, 0.66, 0.65, 0.82))
"""Left, top, right and bottom of both eyes and the mouth, as shares of the side.

Alignment puts them there: on 26 portraits the middles of the landmarks lie at (0.377, 0.472), (0.619, 0.473) and
(0.502, 0.740), with standard deviations of 0.007, 0.007 and 0.016. The boxes hold the landmarks and a margin.
"""

_EDGE: Final = 0.03
"""Width of the soft edge of a box."""

_COMPARED_PX: Final = 128
"""Side at which eyes and mouths are compared."""


def weigh_features(side: int, weight: float) -> Tensor:
    """Return the weights (1, 1, side, side) of the pixels of an aligned face, whose mean is 1.

    Args:
        side: of the picture, in pixels.
        weight: of a pixel of the eyes or the mouth; the others have 1, before all are scaled.
    """
    places = (torch.arange(side) + 0.5) / side
    inside = torch.zeros(1, 1, side, side)
    for left, top, right, bottom in _BOXES:
        across = _rise(places - left) * _rise(right - places)
        down = _rise(places - top) * _rise(bottom - places)
        inside = torch.maximum(inside, down[:, None] * across)
    weights = 1 + (weight - 1) * inside
    return weights / weights.mean()


def compare_features(a: Tensor, b: Tensor) -> Tensor:
    """Compare both eyes and the mouth of aligned faces, both (n, 3, h, h) in [-1, 1]; differentiable.

    Local structural similarity of the grey pictures (11-pixel window) at 128 px, where an eye is about 14 pixels wide.
    It divides by the local contrast, so that errors of a dark face count more than by their squares.

    Returns:
        (n, 3): means over the boxes of the left eye of the picture, the right eye and the mouth; 1 for equal pictures.
    """
    a, b = (resize(pictures.mean(dim=1, keepdim=True), _COMPARED_PX) for pictures in (a, b))
    means = []
    for box in _BOXES:
        left, top, right, bottom = (round(share * _COMPARED_PX) for share in box)
        rows, columns = slice(top - SSIM_MARGIN, bottom + SSIM_MARGIN), slice(left - SSIM_MARGIN, right + SSIM_MARGIN)
        means.append(compute_ssim_map(a[:, :, rows, columns], b[:, :, rows, columns]).mean(dim=(1, 2, 3)))
    return torch.stack(means, dim=1)


def compare_eyes(a: Tensor, b: Tensor) -> Tensor:
    """Return the similarity (n,) of the eye that differs more, as of `compare_features`."""
    return compare_features(a, b)[:, :2].amin(dim=1)


def _rise(depth: Tensor) -> Tensor:
    """Rise from 0 outside of an edge to 1 inside."""
    return F.hardtanh(depth / _EDGE + 0.5, 0.0, 1.0)
