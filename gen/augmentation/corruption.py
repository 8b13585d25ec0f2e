"""Corruption of images: noise and cutout (Karras et al. 2020, appendix B)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from gen.augmentation.draws import Draws

_SIGMA: Final = 0.1
_CUTOUT: Final = 0.5


def add_noise(images: Tensor, draws: Draws, chance: float) -> Tensor:
    """Add normal noise to each of images (n, c, h, w) with probability `chance`; its strength is drawn from |N(0,
    0.1²)|."""
    happens = draws.happens("noise", chance).nonzero()[:, 0].tolist()
    if not happens:
        return images
    sigma = draws.normal("noise")[:, 0].abs() * _SIGMA
    noise = torch.zeros(images.shape)
    for row in happens:
        noise[row] = draws.normal_pixels("noise_pixels", row, images.shape[1:]) * sigma[row]
    return images + noise.to(images)


def cut_out(images: Tensor, draws: Draws, chance: float) -> Tensor:
    """Set a square of half the side to 0 (grey) in each of images (n, c, h, w) with probability `chance`.

    The centre of the square is uniform over the image.
    """
    happens = draws.happens("cutout", chance)
    if not happens.any():
        return images
    across, down = (
        ((torch.arange(side) + 0.5) / side - centre[:, None]).abs() < _CUTOUT / 2
        for side, centre in zip((images.shape[3], images.shape[2]), draws.percentile("cutout").T, strict=True)
    )
    cut = happens[:, None, None] & down[:, :, None] & across[:, None, :]
    return images.masked_fill(cut[:, None].to(images.device), 0)
