"""Networks of the parity fixture, of modules or of functions and operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

DATA = Path(__file__).parents[3] / "data" / "saliency.npz"


class PlainNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.layer4 = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.fc1, self.fc2 = nn.Linear(128, 10), nn.Linear(10, 4)

    @property
    def saliency_layer(self) -> nn.Module:
        return self.layer4

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.relu(self.bn1(self.conv1(x))), 2)
        x = F.avg_pool2d(self.layer4(x), 2).flatten(1)
        out: Tensor = self.fc2(self.fc1(x).relu())
        return out


class Bottleneck(nn.Module):
    def __init__(self, into: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(into, 4, 1, stride, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.conv3, self.bn3 = nn.Conv2d(4, 16, 1, bias=False), nn.BatchNorm2d(16)
        self.downsample = (
            nn.Sequential(nn.Conv2d(into, 16, 1, stride, bias=False), nn.BatchNorm2d(16)) if stride > 1 else None
        )

    def forward(self, x: Tensor) -> Tensor:
        passing = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if self.downsample is None:
            y += passing
            return F.relu(y, inplace=True)
        return F.relu(y + passing)


class ResidualNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 7, 2, 3, bias=False), nn.BatchNorm2d(6)
        self.pool = nn.MaxPool2d(3, 2, 0, ceil_mode=True)
        self.layer4 = nn.Sequential(Bottleneck(6, 2), Bottleneck(16, 1))
        self.fc = nn.Linear(16, 4)

    @property
    def saliency_layer(self) -> nn.Module:
        return self.layer4

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer4(self.pool(F.relu(self.bn1(self.conv1(x)))))
        logits: Tensor = self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def load_fixture() -> dict[str, Any]:
    with np.load(DATA) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files if key != "versions"}


def load_network(name: str, fixture: dict[str, Any], dtype: torch.dtype) -> nn.Module:
    network = PlainNetwork() if name == "plain" else ResidualNetwork()
    prefix = f"{name}/w/"
    tensors = {key.removeprefix(prefix): tensor for key, tensor in fixture.items() if key.startswith(prefix)}
    missing, unknown = network.load_state_dict(tensors, strict=False)
    assert not unknown
    assert all(key.endswith("num_batches_tracked") for key in missing)
    return network.to(dtype).eval()
