"""dlib's face recognition network (King 2017) in PyTorch, for its feature maps and their gradients.

The weights are those of face-api (`@vladmandic/face-api`, MIT): `face_recognition_model.bin` beside its manifest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import ConfigError
from faces.measures.face_api import Arrays, read_tensors

SIDE: Final = 150
"""Side in pixels of what the network was trained on."""

STAGES: Final = (
    ("conv32_1", "conv32_2", "conv32_3"),
    ("conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    ("conv128_down", "conv128_1", "conv128_2"),
    ("conv256_down", "conv256_1", "conv256_2"),
)
"""Residual blocks up to each feature map; the maps of 150 pixels have sides 35, 17, 8 and 4."""

LAST: Final = "conv256_down_out"
_MEAN: Final = (122.782, 117.001, 104.298)


class RecognitionNetwork(nn.Module):
    """Fixed network that computes a feature map for each of STAGES.

    Args:
        tensors: weights by face-api's names.

    Raises:
        ConfigError: a tensor is missing.
    """

    def __init__(self, tensors: Arrays) -> None:
        super().__init__()
        blocks = [name for stage in STAGES for name in stage] + [LAST]
        try:
            self.stem = _Convolution(tensors, "conv32_down", 2)
            self.blocks = nn.ModuleDict({name: _ResidualBlock(tensors, name) for name in blocks})
            self.register_buffer("fc", torch.from_numpy(tensors["fc"]), persistent=False)
        except KeyError as error:
            raise ConfigError(f"the recognition network has no tensor {error}; expected face-api's") from None
        self.fc: Tensor
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.mean: Tensor

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the feature maps of faces (n, 3, h, w) in [-1, 1], as `crop_chips` cuts them."""
        x = ((images + 1) * 127.5 - self.mean) / 256
        x = F.max_pool2d(self.stem(x).relu(), 3, 2)
        maps = []
        for stage in STAGES:
            for name in stage:
                x = self.blocks[name](x)
            maps.append(x)
        return maps

    def describe(self, images: Tensor) -> Tensor:
        """Compute descriptors (n, 128), close to dlib's, of faces (n, 3, 150, 150) in [-1, 1]."""
        x: Tensor = self.blocks[LAST](self(images)[-1])
        return x.mean(dim=(2, 3)) @ self.fc

    @property
    def channels(self) -> list[int]:
        """Channels of each feature map."""
        return [len(self.blocks[stage[-1]].second.bias) for stage in STAGES]  # type: ignore[union-attr,arg-type]


def load_recognition_network(path: Path) -> RecognitionNetwork:
    """Load the network from its file, `face_recognition_model.bin`.

    Raises:
        ConfigError: the file or its manifest is missing or damaged.
    """
    return RecognitionNetwork(read_tensors(path))


class _Convolution(nn.Module):
    """Convolution with the scale of its channels multiplied into it."""

    def __init__(self, tensors: Arrays, name: str, stride: int) -> None:
        super().__init__()
        scale = tensors[f"{name}/scale/weights"]
        kernel = (tensors[f"{name}/conv/filters"] * scale).transpose(3, 2, 0, 1)
        bias = tensors[f"{name}/conv/bias"] * scale + tensors[f"{name}/scale/biases"]
        self.register_buffer("kernel", torch.from_numpy(np.ascontiguousarray(kernel)), persistent=False)
        self.register_buffer("bias", torch.from_numpy(bias), persistent=False)
        self.kernel: Tensor
        self.bias: Tensor
        self._stride = stride
        self._padding = 0 if stride == 2 else 1

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel, self.bias, self._stride, self._padding)


class _ResidualBlock(nn.Module):
    """Two convolutions and their input, which a block that halves the side averages and fills up with zeros."""

    def __init__(self, tensors: Arrays, name: str) -> None:
        super().__init__()
        self._halves = "_down" in name
        self.first = _Convolution(tensors, f"{name}/conv1", 2 if self._halves else 1)
        self.second = _Convolution(tensors, f"{name}/conv2", 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.first(x).relu())
        if self._halves:
            x = F.avg_pool2d(x, 2)
            height, width = (max(one, other) for one, other in zip(x.shape[2:], y.shape[2:], strict=True))
            x = F.pad(x, (0, width - x.shape[3], 0, height - x.shape[2], 0, y.shape[1] - x.shape[1]))
            y = F.pad(y, (0, width - y.shape[3], 0, height - y.shape[2]))
        return (x + y).relu()
