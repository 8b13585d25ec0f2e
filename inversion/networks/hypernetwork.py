"""Hypernetwork of HyperStyle (Alaluf et al. 2022): a face and its reconstruction -> offsets of the kernels.

A ResNet looks at both; from its last maps a block for each kernel derives the offsets (n, out, in, 3, 3), in one of
three ways:

- *shared*: 3x3 kernels between as many maps as there are at most, the largest ones, take their last two matrices in
  common;
- *separable*: a matrix over the input maps and one over the output maps for each tap, and their outer product;
- *plain*: one number for each pair of maps, the same for all taps.

Every size follows from the generator's kernels. Tensors are named as in the published checkpoint, whose blocks are
numbered by the decoder's layers, toRGB included.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import ConfigError
from gen.layers import FullyConnected
from inversion.config import Head, HypernetworkConfig
from inversion.networks.encoder import resize

TAPS = 9
SLOPE = 0.01


class BasicBlock(nn.Module):
    """Residual unit of ResNet-18 and -34 (He et al. 2016)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = (
            None
            if stride == 1 and in_channels == out_channels
            else nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def _convolutions(channels: list[int], strides: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for (before, after), stride in zip(pairwise(channels), strides, strict=True):
        layers += [nn.Conv2d(before, after, 3, stride, 1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


class SharedHead(nn.Module):
    """Two matrices that the largest kernels have in common: (n, features) -> (n, maps, maps, 3, 3)."""

    def __init__(self, features: int, maps: int) -> None:
        super().__init__()
        self.features, self.maps = features, maps
        self.w1 = nn.Parameter(torch.zeros(features, maps * TAPS))
        self.b1 = nn.Parameter(torch.zeros(maps * TAPS))
        self.w2 = nn.Parameter(torch.randn(features, maps * features) / 40)
        self.b2 = nn.Parameter(torch.randn(maps * features) / 40)

    def forward(self, x: Tensor) -> Tensor:
        rows = (x @ self.w2 + self.b2).reshape(len(x), self.maps, self.features)
        return (rows @ self.w1 + self.b1).reshape(len(x), self.maps, self.maps, 3, 3)


class SharedBlock(nn.Module):
    """Features for the shared head, (n, features)."""

    def __init__(self, config: HypernetworkConfig) -> None:
        super().__init__()
        inner = [config.shared_width] * config.halvings
        strides = [1] + [2] * config.halvings
        self.convs = _convolutions([config.features, *inner, config.features], strides)
        self.linear = FullyConnected(config.features, config.features)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(self.convs(x).flatten(start_dim=1))
        return y


class SeparableKernel(nn.Module):
    """(n, features) -> (n, out, in, 3, 3), for each tap the outer product of two vectors, mixed over both sides."""

    def __init__(self, features: int, out_channels: int, in_channels: int) -> None:
        super().__init__()
        self.sizes = out_channels, in_channels
        self.make_kernel_in = nn.Linear(features, TAPS * in_channels)
        self.make_kernel_out = nn.Linear(features, TAPS * out_channels)
        self.kernel_linear_in = nn.Linear(in_channels, in_channels)
        self.kernel_linear_out = nn.Linear(out_channels, out_channels)
        nn.init.zeros_(self.kernel_linear_out.weight)
        nn.init.zeros_(self.kernel_linear_out.bias)

    def forward(self, x: Tensor) -> Tensor:
        out, inner = self.sizes
        rows = self.make_kernel_in(x).reshape(len(x), TAPS, 1, inner)
        columns = self.make_kernel_out(x).reshape(len(x), TAPS, out, 1)
        kernel: Tensor = self.kernel_linear_in(columns * rows)  # (n, taps, out, in)
        kernel = self.kernel_linear_out(kernel.transpose(2, 3))  # (n, taps, in, out)
        return kernel.permute(0, 3, 2, 1).reshape(len(x), out, inner, 3, 3)


class SeparableBlock(nn.Module):
    """Maps of the ResNet -> offsets (n, out, in, 3, 3)."""

    def __init__(self, config: HypernetworkConfig, out_channels: int, in_channels: int) -> None:
        super().__init__()
        inner = [config.other_width] * (config.halvings - 1)
        self.convs = _convolutions([config.features, *inner, config.features], [2] * config.halvings)
        self.output = nn.Sequential(SeparableKernel(config.features, out_channels, in_channels))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.output(self.convs(x).flatten(start_dim=1))
        return y


class PlainBlock(nn.Module):
    """Maps of the ResNet -> offsets (n, out, in, 3, 3), the same for all taps."""

    def __init__(self, config: HypernetworkConfig, out_channels: int, in_channels: int) -> None:
        super().__init__()
        self.sizes = out_channels, in_channels
        inner = [config.other_width] * 2
        self.convs = _convolutions([config.features, *inner, config.features], [2] * 3)
        self.output = nn.Conv2d(config.features, out_channels * in_channels, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.output(self.convs(x).mean(dim=(2, 3), keepdim=True))
        return y.reshape(len(x), *self.sizes, 1, 1).expand(-1, -1, -1, 3, 3)


class Hypernetwork(nn.Module):
    """A face and its reconstruction (n, 6, h, h), both in [-1, 1] -> offsets by the name of the kernel.

    Args:
        config: see HypernetworkConfig.
        kernels: `Generator.kernel_shapes`.

    Raises:
        ConfigError: layers that the generator does not have.
    """

    def __init__(self, config: HypernetworkConfig, kernels: Mapping[str, tuple[int, int, int, int]]) -> None:
        super().__init__()
        self.config = config
        chosen = tuple(kernels) if config.layers is None else config.layers
        if strange := [name for name in chosen if name not in kernels]:
            raise ConfigError(
                f"layers {', '.join(strange)} are not the generator's; expected some of {', '.join(kernels)}"
            )
        first = config.widths[0]
        self.conv1 = nn.Conv2d(6, first, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.relu = nn.PReLU(first)
        stages = zip((first, *config.widths[:-1]), config.widths, config.units, strict=True)
        self.body = nn.Sequential(
            *(
                BasicBlock(before if unit == 0 else width, width, stride=2 if unit == 0 and stage > 0 else 1)
                for stage, (before, width, units) in enumerate(stages)
                for unit in range(units)
            )
        )
        self._numbers = dict(zip(kernels, layer_numbers(len(kernels)), strict=True))
        self._kernels = dict(kernels)
        most = max(max(shape[:2]) for shape in kernels.values())
        self._shared = tuple(name for name in chosen if kernels[name][:2] == (most, most))
        self.shared_weight_hypernet = SharedHead(config.features, most) if self._shared else None
        self.refinement_blocks = nn.ModuleDict(
            {str(self._numbers[name]): self._block(name, kernels[name]) for name in chosen}
        )
        self.layers = chosen

    def head_of(self, name: str) -> Head:
        """Return how the kernel of this name is emitted."""
        return "shared" if name in self._shared else self.config.other_head

    def block_name(self, name: str) -> str:
        """Return the name of the module that emits the kernel of this name."""
        return f"refinement_blocks.{self._numbers[name]}"

    def sizes_of(self, name: str) -> tuple[int, int]:
        """Return the numbers of maps (out, in) of the kernel of this name."""
        return self._kernels[name][:2]

    def _block(self, name: str, shape: tuple[int, ...]) -> nn.Module:
        if self.head_of(name) == "shared":
            return SharedBlock(self.config)
        block = SeparableBlock if self.config.other_head == "separable" else PlainBlock
        return block(self.config, *shape[:2])

    def forward(self, pairs: Tensor) -> dict[str, Tensor]:
        x = self.body(self.relu(self.bn1(self.conv1(resize(pairs, self.config.side)))))
        offsets = {}
        for name in self.layers:
            y = self.refinement_blocks[str(self._numbers[name])](x)
            if name in self._shared and self.shared_weight_hypernet is not None:
                y = self.shared_weight_hypernet(y)
            offsets[name] = y
        return offsets


def layer_numbers(kernels: int) -> list[int]:
    """Return the numbers of the 3x3 kernels among the decoder's layers, of which 1, 4, 7, … are toRGB: 0, 2, 3, 5, …"""
    return [number for number in range(2 * kernels) if number % 3 != 1][:kernels]
