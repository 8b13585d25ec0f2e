"""W+ encoder: an IR-SE network with a head for each layer of the generator (pSp, e4e and ReStyle).

Richardson et al. 2021 (pSp), Tov et al. 2021 (e4e), Alaluf et al. 2021 (ReStyle). Tensors are named as in the
published checkpoints.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gen.layers import FullyConnected
from inversion.config import LayerEncoderConfig
from inversion.networks.encoder import Bottleneck, resize

COARSE, MIDDLE = 3, 7
"""Of a pyramid, the rows before the first number read the smallest maps, those before the second the middle ones, and
the rest the largest."""

_SLOPE = 0.01


class RowHead(nn.Module):
    """Maps (n, c, side, side), a power of two on each side, to one row (n, w_dim) of the latent."""

    def __init__(self, channels: int, w_dim: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(max(int(math.log2(side)), 1)):
            layers += [nn.Conv2d(w_dim if number else channels, w_dim, 3, 2, 1), nn.LeakyReLU(_SLOPE)]
        self.convs = nn.Sequential(*layers)
        self.linear = FullyConnected(w_dim, w_dim)

    def forward(self, x: Tensor) -> Tensor:
        row: Tensor = self.linear(self.convs(x).flatten(start_dim=1))
        return row


class LayerEncoder(nn.Module):
    """Maps images (n, 3 or 6, h, h) in [-1, 1] to latents (n, rows, w_dim), relative to the average latent.

    Args:
        config: see LayerEncoderConfig; with passes the input is an image and its reconstruction, 6 channels.
        w_dim: size of a row.
    """

    def __init__(self, config: LayerEncoderConfig, w_dim: int) -> None:
        super().__init__()
        self.config = config
        first, second, third, last = config.widths
        self.input_layer = nn.Sequential(
            nn.Conv2d(6 if config.passes else 3, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first), nn.PReLU(first)
        )
        stages = zip((first, *config.widths[:-1]), config.widths, config.units, strict=True)
        self.body = nn.Sequential(
            *(
                Bottleneck(before if unit == 0 else width, width, stride=2 if unit == 0 else 1)
                for before, width, units in stages
                for unit in range(units)
            )
        )
        side = config.side // 16
        sides = [side if row < COARSE else 2 * side if row < MIDDLE else 4 * side for row in range(config.rows)]
        self.styles = nn.ModuleList(RowHead(last, w_dim, each if config.pyramid else side) for each in sides)
        if config.pyramid:
            self.latlayer1 = nn.Conv2d(third, last, 1)
            self.latlayer2 = nn.Conv2d(second, last, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.input_layer(resize(images, self.config.side))
        ends, maps = [sum(self.config.units[: stage + 1]) - 1 for stage in range(4)], []
        for place, unit in enumerate(self.body):
            x = unit(x)
            if place in ends[1:]:
                maps.append(x)
        if self.config.pyramid:
            large, middle, small = maps
            middle = _add_upsampled(small, self.latlayer1(middle))
            large = _add_upsampled(middle, self.latlayer2(large))
            seen = [small if row < COARSE else middle if row < MIDDLE else large for row in range(self.config.rows)]
        else:
            seen = [x] * self.config.rows
        rows = torch.stack([head(each) for head, each in zip(self.styles, seen, strict=True)], dim=1)
        return torch.cat([rows[:, :1], rows[:, :1] + rows[:, 1:]], dim=1) if self.config.relative else rows


def _add_upsampled(small: Tensor, large: Tensor) -> Tensor:
    """Add maps to larger ones, upsampled so that the corners coincide, as published."""
    return F.interpolate(small, large.shape[2:], mode="bilinear", align_corners=True) + large
