"""Compact residual network for faces of 32 to 128 px, made for training on a few CPU cores."""

from __future__ import annotations

from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

from recognition.networks.local_blocks import LocalBlock

WIDTHS: Final = (24, 48, 96, 128)
"""Feature maps of the four stages; each stage but the first halves the side."""

REDUCED: Final = 48
"""Feature maps that remain of the last stage."""

GRID: Final = 4
"""Side of the grid that the feature maps are pooled to."""


class SmallNetwork(nn.Module):
    """Trunk that maps images (n, 3, size, size) to features (n, 768).

    A stem halves the side (twice above 96 px, so that 128 px cost little more than 64), then four residual stages with
    dense 3 x 3 kernels, which a CPU computes at a far higher rate than depthwise ones. 0.45 M parameters.

    Args:
        size: side of the images in pixels.
    """

    def __init__(self, size: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        first = widths[0]
        stem = [_build_convolution(3, first // 2 if size > 96 else first, 2), nn.ReLU(inplace=True)]
        if size > 96:
            stem += [_build_convolution(first // 2, first, 2), nn.ReLU(inplace=True)]
        self.stem = nn.Sequential(*stem)
        before = (first, *widths[:-1])
        self.stages = nn.Sequential(
            *(
                ResidualBlock(into, width, 1 if stage == 0 else 2)
                for stage, (into, width) in enumerate(zip(before, widths, strict=True))
            )
        )
        # Faces are aligned: where something is says as much as what it is, so the last maps are not merely averaged.
        self.reduced = nn.Sequential(nn.Conv2d(widths[-1], REDUCED, 1, bias=False), nn.BatchNorm2d(REDUCED), nn.ReLU())
        self.features = REDUCED * GRID**2
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @property
    def saliency_layer(self) -> nn.Module:
        return self.stages[-1]

    @property
    def blocks(self) -> tuple[LocalBlock, ...]:
        """The trunk up to its last feature maps."""
        halvings = sum(isinstance(module, nn.Conv2d) for module in self.stem.modules())
        stem = LocalBlock(self.stem, 2**halvings, 2**halvings - 1)
        stages = (LocalBlock(block, block.stride, block.stride + 1) for block in self.stages)  # type: ignore[arg-type, operator]
        return stem, *stages, LocalBlock(self.reduced, 1, 0)

    def pool(self, maps: Tensor) -> Tensor:
        """Compute the features of the last feature maps."""
        return F.adaptive_avg_pool2d(maps, GRID).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.pool(self.reduced(self.stages(self.stem(images))))


class ResidualBlock(nn.Module):
    """Two normalised 3 x 3 convolutions with a shortcut (He et al. 2016)."""

    def __init__(self, into: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.first = _build_convolution(into, width, stride)
        self.second = _build_convolution(width, width, 1)
        self.passing = nn.Identity() if (into, stride) == (width, 1) else _ReducedShortcut(into, width, stride)
        # A block that adds nothing at first trains more steadily (Goyal et al. 2017, section 5.1).
        nn.init.zeros_(self.second.get_parameter("1.weight"))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.passing(x))


class _ReducedShortcut(nn.Module):
    """Shortcut that halves the side or changes the number of feature maps."""

    def __init__(self, into: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.mix = nn.Sequential(nn.Conv2d(into, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.mix(F.avg_pool2d(x, self.stride, ceil_mode=True))
        return mixed


def _build_convolution(into: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width))
