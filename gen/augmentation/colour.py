"""Colour augmentation: one affine map of RGB (Karras et al. 2020, appendix B)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gen.augmentation.draws import Draws


def colour_maps(draws: Draws, chance: Callable[[str], float]) -> Tensor:
    """Make colour maps (n, 4, 4) float64 on (red, green, blue, 1), colours in [-1, 1].

    Args:
        chance: probability of a transform, in [0, 1], by the name of its strength.
    """

    def draw(name: str, values: Tensor) -> Tensor:
        return torch.where(draws.happens(name, chance(name))[:, None], values, 0.0)[:, :, None]

    one = torch.eye(3, dtype=torch.float64)
    luma = torch.full((3, 3), 1 / 3, dtype=torch.float64)  # the projection on grey, v vᵀ with v = (1, 1, 1) / √3
    chroma = one - luma
    turn = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float64) / math.sqrt(3)  # v ×

    angle = draw("hue", draws.uniform("hue") * math.pi)
    linear = (
        (luma + chroma * torch.exp2(draw("saturation", draws.normal("saturation"))))
        @ (luma + chroma * angle.cos() + turn * angle.sin())
        @ (one - 2 * luma * draw("lumaflip", draws.choice("lumaflip", 2)))
        * torch.exp2(draw("contrast", draws.normal("contrast") * 0.5))
    )
    maps = torch.eye(4, dtype=torch.float64).repeat(len(draws), 1, 1)
    maps[:, :3, :3] = linear
    maps[:, :3, 3:] = linear @ draw("brightness", draws.normal("brightness") * 0.2).expand(-1, 3, 1)
    return maps


def recolour(images: Tensor, maps: Tensor) -> Tensor:
    """Apply maps (n, 4, 4) to every pixel of images (n, 3, h, w); differentiable in the images."""
    maps = maps.to(images)
    return torch.baddbmm(maps[:, :3, 3:], maps[:, :3, :3], images.flatten(2)).view_as(images)
