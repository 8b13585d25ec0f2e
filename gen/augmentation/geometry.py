"""Geometric augmentation: one affine map of the plane that says where every pixel comes from (Karras et al. 2020, B).

Maps are (n, 3, 3) float64 on homogeneous coordinates in pixels about the image's centre, y downwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from gen.augmentation.draws import Draws

_SHIFT: Final = 0.125
_OCTAVES: Final = 0.2


def inverse_maps(draws: Draws, chance: Callable[[str], float], height: int, width: int) -> Tensor:
    """Draw maps (n, 3, 3) from places in the augmented images to those in the originals.

    Args:
        chance: probability of a transform, in [0, 1], by the name of its strength.
    """

    def draw(name: str, values: Tensor, probability: float) -> Tensor:
        return torch.where(draws.happens(name, probability)[:, None], values, 0.0).T

    # Either or both rotations happen, together with the chance of a rotation.
    one_rotation = 1 - math.sqrt(1 - chance("rotate"))
    flip = draw("xflip", draws.choice("xflip", 2), chance("xflip"))[0]
    quarters = draw("rotate90", draws.choice("rotate90", 4), chance("rotate90"))[0]
    whole_x, whole_y = draw("xint", draws.uniform("xint") * _SHIFT, chance("xint"))
    scale = draw("scale", draws.normal("scale") * _OCTAVES, chance("scale"))[0]
    first_angle = draw("rotate_first", draws.uniform("rotate_first") * math.pi, one_rotation)[0]
    stretch = draw("aniso", draws.normal("aniso") * _OCTAVES, chance("aniso"))[0]
    last_angle = draw("rotate_last", draws.uniform("rotate_last") * math.pi, one_rotation)[0]
    x, y = draw("xfrac", draws.normal("xfrac") * _SHIFT, chance("xfrac"))
    return (
        scaling(1 - 2 * flip, torch.ones_like(flip))
        @ rotation(math.pi / 2 * quarters)
        @ translation(-(whole_x * width).round(), -(whole_y * height).round())
        @ scaling(torch.exp2(-scale), torch.exp2(-scale))
        @ rotation(first_angle)
        @ scaling(torch.exp2(-stretch), torch.exp2(stretch))
        @ rotation(last_angle)
        @ translation(-x * width, -y * height)
    )


def translation(x: Tensor, y: Tensor) -> Tensor:
    """Make maps (n, 3, 3) that add x, y (n,)."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return _maps(one, zero, x, zero, one, y)


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """Make maps (n, 3, 3) that multiply by x, y (n,)."""
    zero = torch.zeros_like(x)
    return _maps(x, zero, zero, zero, y, zero)


def rotation(angle: Tensor) -> Tensor:
    """Make maps (n, 3, 3) that turn places by `angle` (n,) from x towards y, and so a sampled picture the other way."""
    zero, cos, sin = torch.zeros_like(angle), angle.cos(), angle.sin()
    return _maps(cos, -sin, zero, sin, cos, zero)


def _maps(*upper: Tensor) -> Tensor:
    zero, one = torch.zeros_like(upper[0]), torch.ones_like(upper[0])
    return torch.stack([*upper, zero, zero, one], dim=1).reshape(-1, 3, 3)
