"""Inception-v3 (Szegedy et al. 2016) as the Fréchet inception distance uses it (Heusel et al. 2017).

The weights are not shipped. This module reads `pt_inception-2015-12-05-6726825d.pth`, the state dict that the program
`pytorch-fid` publishes, converted from the network of the original distance. It differs from other Inception-v3: 1008
classes, average pools that do not count their padding, and a maximum pool in the last block.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import CheckpointError
from faces.images import Pixels, to_tensor
from faces.measures.distances import Features

SIDE: Final = 299
"""Side in pixels that the network sees; pictures are resized bilinearly, without antialiasing, as for the original."""

SIZE: Final = 2048
"""Number of features: the last layer's maps, averaged over the picture."""

_CLASSES: Final = 1008
_BATCH: Final = 32

_Kernel: TypeAlias = int | tuple[int, int]
_Conv: TypeAlias = tuple[str, int, _Kernel]
_Pool: TypeAlias = Literal["average", "maximum", "halve"]
_Branch: TypeAlias = Sequence[_Conv | tuple[_Conv, ...] | _Pool]
"""Layers in order: a convolution (name, features, kernel), parallel ones that are concatenated, or a pool."""

_WIDE, _TALL = (1, 7), (7, 1)


def _block_a(pooled: int) -> list[_Branch]:
    return [
        [("branch1x1", 64, 1)],
        [("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)],
        [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)],
        ["average", ("branch_pool", pooled, 1)],
    ]


def _block_c(narrow: int) -> list[_Branch]:
    return [
        [("branch1x1", 192, 1)],
        [("branch7x7_1", narrow, 1), ("branch7x7_2", narrow, _WIDE), ("branch7x7_3", 192, _TALL)],
        [
            ("branch7x7dbl_1", narrow, 1),
            ("branch7x7dbl_2", narrow, _TALL),
            ("branch7x7dbl_3", narrow, _WIDE),
            ("branch7x7dbl_4", narrow, _TALL),
            ("branch7x7dbl_5", 192, _WIDE),
        ],
        ["average", ("branch_pool", 192, 1)],
    ]


def _block_e(pool: _Pool) -> list[_Branch]:
    return [
        [("branch1x1", 320, 1)],
        [("branch3x3_1", 384, 1), (("branch3x3_2a", 384, (1, 3)), ("branch3x3_2b", 384, (3, 1)))],
        [
            ("branch3x3dbl_1", 448, 1),
            ("branch3x3dbl_2", 384, 3),
            (("branch3x3dbl_3a", 384, (1, 3)), ("branch3x3dbl_3b", 384, (3, 1))),
        ],
        [pool, ("branch_pool", 192, 1)],
    ]


_HALVING_B: Final[list[_Branch]] = [
    [("branch3x3", 384, 3)],
    [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)],
    ["halve"],
]
_HALVING_D: Final[list[_Branch]] = [
    [("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3)],
    [
        ("branch7x7x3_1", 192, 1),
        ("branch7x7x3_2", 192, _WIDE),
        ("branch7x7x3_3", 192, _TALL),
        ("branch7x7x3_4", 192, 3),
    ],
    ["halve"],
]


class _Layer(nn.Module):
    """Convolution, normalisation, ReLU. With stride 1 the size stays, with stride 2 there is no padding."""

    def __init__(self, before: int, after: int, kernel: _Kernel, stride: int = 1, padded: bool = True) -> None:
        super().__init__()
        high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (high // 2, wide // 2) if padded and stride == 1 else (0, 0)
        self.conv = nn.Conv2d(before, after, (high, wide), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Block(nn.Module):
    """Branches side by side, their features concatenated; `halving` gives each branch's last layer stride 2."""

    def __init__(self, before: int, branches: Sequence[_Branch], *, halving: bool = False) -> None:
        super().__init__()
        self.branches, self.out = branches, 0
        for branch in branches:
            width = before
            for place, layer in enumerate(branch):
                if isinstance(layer, str):
                    continue
                stride = 2 if halving and place == len(branch) - 1 else 1
                convs = _parallel(layer)
                for name, features, kernel in convs:
                    self.add_module(name, _Layer(width, features, kernel, stride))
                width = sum(features for _, features, _ in convs)
            self.out += width

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._through(branch, x) for branch in self.branches], dim=1)

    def _through(self, branch: _Branch, x: Tensor) -> Tensor:
        for layer in branch:
            if layer == "average":
                x = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
            elif layer == "maximum":
                x = F.max_pool2d(x, 3, stride=1, padding=1)
            elif layer == "halve":
                x = F.max_pool2d(x, 3, stride=2)
            elif not isinstance(layer, str):
                x = torch.cat([self.get_submodule(name)(x) for name, _, _ in _parallel(layer)], dim=1)
        return x


def _parallel(layer: _Conv | tuple[_Conv, ...]) -> tuple[_Conv, ...]:
    return (layer,) if isinstance(layer[0], str) else layer


class Inception(nn.Module):
    """Images (n, 3, h, h) in [-1, 1] -> features (n, 2048).

    Tensors are named as in the published file, whose last layer `fc` is loaded and not used.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Layer(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Layer(32, 32, 3, padded=False)
        self.Conv2d_2b_3x3 = _Layer(32, 64, 3)
        self.Conv2d_3b_1x1 = _Layer(64, 80, 1)
        self.Conv2d_4a_3x3 = _Layer(80, 192, 3, padded=False)
        blocks = {
            "5b": (_block_a(32), False),
            "5c": (_block_a(64), False),
            "5d": (_block_a(64), False),
            "6a": (_HALVING_B, True),
            "6b": (_block_c(128), False),
            "6c": (_block_c(160), False),
            "6d": (_block_c(160), False),
            "6e": (_block_c(192), False),
            "7a": (_HALVING_D, True),
            "7b": (_block_e("average"), False),
            "7c": (_block_e("maximum"), False),
        }
        self._names, width = [f"Mixed_{name}" for name in blocks], 192
        for name, (branches, halving) in blocks.items():
            block = _Block(width, branches, halving=halving)
            self.add_module(f"Mixed_{name}", block)
            width = block.out
        self.fc = nn.Linear(width, _CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        x = F.interpolate(images, (SIDE, SIDE), mode="bilinear", align_corners=False)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, stride=2)))
        x = F.max_pool2d(x, 3, stride=2)
        for name in self._names:
            x = self.get_submodule(name)(x)
        return x.mean(dim=(2, 3))

    @torch.inference_mode()
    def features(self, images: Pixels) -> Features:
        """Compute features (n, 2048) float64 of uint8 (n, h, h, 3)."""
        device = self.fc.weight.device
        parts = [to_tensor(images[at : at + _BATCH]).to(device) for at in range(0, len(images), _BATCH)]
        return torch.cat([self(part).cpu() for part in parts]).double().numpy()


def load(path: Path) -> Inception:
    """Load the network of the published state dict, in evaluation mode, on the CPU. Nothing in the file is executed.

    Raises:
        CheckpointError: no such file, not a state dict, or tensors that are missing, left over or of another shape.
    """
    remedy = "expected pytorch-fid's pt_inception-2015-12-05-6726825d.pth"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}; {remedy}") from None
    except Exception as error:  # torch may raise nearly any exception on hostile bytes
        raise CheckpointError(f"{path} cannot be read ({_first_line(error)}); {remedy}") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} is not a state dict of tensors; {remedy}")
    with torch.device("meta"):  # the file has every tensor
        net = Inception()
    counters = {name: torch.tensor(0) for name in net.state_dict() if name.endswith("num_batches_tracked")}
    try:
        net.load_state_dict(counters | state, assign=True)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit; {remedy}. {error}") from None
    return net.eval().requires_grad_(False)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
