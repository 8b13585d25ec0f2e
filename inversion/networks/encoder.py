"""W encoder: a residual network with squeeze and excitation (IR-SE) from a face to one latent.

Tensors are named as in the published checkpoints (pSp, e4e, HyperStyle).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gen.layers import FullyConnected
from inversion.config import EncoderConfig

_REDUCTION = 16
"""Factor by which the squeeze reduces the number of feature maps."""


class SqueezeExcitation(nn.Module):
    """Weigh each map of x (n, c, h, w) by what all of them show (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // _REDUCTION, 1)
        self.fc1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.fc2 = nn.Conv2d(inner, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.fc2(F.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True))))
        return x * weights.sigmoid()


class Bottleneck(nn.Module):
    """One residual unit of IR-SE (Deng et al. 2019): (n, in, h, w) -> (n, out, h / stride, w / stride)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer = (
            nn.MaxPool2d(1, stride)
            if in_channels == out_channels
            else nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False),
            nn.PReLU(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            SqueezeExcitation(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.shortcut_layer(x) + self.res_layer(x)
        return y


class WEncoder(nn.Module):
    """Maps images (n, 3, h, h) in [-1, 1] to offsets (n, w_dim) from the average latent."""

    def __init__(self, config: EncoderConfig, w_dim: int) -> None:
        super().__init__()
        self.config = config
        first = config.widths[0]
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first), nn.PReLU(first)
        )
        stages = zip((first, *config.widths[:-1]), config.widths, config.units, strict=True)
        self.body = nn.Sequential(
            *(
                Bottleneck(before if unit == 0 else width, width, stride=2 if unit == 0 else 1)
                for before, width, units in stages
                for unit in range(units)
            )
        )
        self.linear = FullyConnected(config.widths[-1], w_dim)

    @property
    def side(self) -> int:
        """Side of the images that it sees, in pixels."""
        return self.config.side

    def forward(self, images: Tensor) -> Tensor:
        x = self.body(self.input_layer(resize(images, self.config.side)))
        w: Tensor = self.linear(x.mean(dim=(2, 3)))
        return w


def resize(images: Tensor, side: int) -> Tensor:
    """Resize images (n, c, h, h) to (n, c, side, side), channels last: averaged down, as published, or bilinear up."""
    if images.shape[2] > side:
        images = F.adaptive_avg_pool2d(images, side)
    elif images.shape[2] < side:
        images = F.interpolate(images, (side, side), mode="bilinear", align_corners=False)
    return images.contiguous(memory_format=torch.channels_last)
