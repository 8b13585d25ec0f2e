"""Networks trained on photographs, for users who have their weights: AlexNet for LPIPS, IR-SE-50 for identity.

Both are read from files, tensors only; see `docs/inversion.md` for which ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import CheckpointError
from gen.published.importing import read_tensors
from gen.strict_loading import load_strict
from inversion.config import EncoderConfig
from inversion.networks.encoder import WEncoder, resize

_MEAN: Final = (-0.030, -0.088, -0.188)
_DEVIATION: Final = (0.458, 0.448, 0.450)
_CROP: Final = (slice(35, 223), slice(32, 220))
"""Rows and columns of a 256-px face that the identity network sees (FACTS, HyperStyle)."""

_LAYERS: Final = (0, 3, 6, 8, 10)
"""Places of AlexNet's convolutions in its published weights."""


class AlexNetDistance(nn.Module):
    """LPIPS on AlexNet (Zhang et al. 2018): learnt weights on squared differences of unit-length features.

    Args:
        alexnet: file of AlexNet's weights as torchvision names them, `features.0.weight`, …
        weights: file of the learnt weights of LPIPS 0.1, `lin0.model.1.weight`, …

    Raises:
        CheckpointError: files without these tensors.
    """

    def __init__(self, alexnet: Path, weights: Path) -> None:
        super().__init__()
        channels = (3, 64, 192, 384, 256, 256)
        kernels = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
        self.convs = nn.ModuleList(
            nn.Conv2d(channels[i], channels[i + 1], kernel, stride, padding)
            for i, (kernel, stride, padding) in enumerate(kernels)
        )
        self.lins = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for width in channels[1:])
        features, learnt = read_tensors(alexnet), read_tensors(weights)
        state = {
            f"convs.{i}.{part}": _take(features, f"features.{at}.{part}", alexnet)
            for i, at in enumerate(_LAYERS)
            for part in ("weight", "bias")
        }
        state |= {f"lins.{i}.weight": _take(learnt, f"lin{i}.model.1.weight", weights) for i in range(len(_LAYERS))}
        load_strict(self, state)
        self.eval().requires_grad_(False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance (n,) of pictures (n, 3, h, h) in [-1, 1]."""
        return self.measure_from(b)(a)

    def measure_from(self, target: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the distance from a target, whose features are computed once."""
        with torch.no_grad():
            theirs = list(self._features(target))

        def measure(images: Tensor) -> Tensor:
            layers = zip(self._features(images), theirs, self.lins, strict=True)
            return torch.stack([lin((x - y).square()).mean(dim=(1, 2, 3)) for x, y, lin in layers]).sum(dim=0)

        return measure

    def _features(self, images: Tensor) -> Iterator[Tensor]:
        mean, deviation = (images.new_tensor(v)[:, None, None] for v in (_MEAN, _DEVIATION))
        x = (images - mean) / deviation
        for place, conv in enumerate(self.convs):
            if place in (1, 2):
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(conv(x))
            yield F.normalize(x, dim=1, eps=1e-10)


class IdentityNetwork(nn.Module):
    """ArcFace features of an IR-SE-50 (Deng et al. 2019): pictures (n, 3, h, h) in [-1, 1] -> (n, 512), unit length.

    Args:
        weights: file of a whole network, `input_layer.*`, `body.*`, `output_layer.*`.

    Raises:
        CheckpointError: a file without these tensors.
    """

    def __init__(self, weights: Path) -> None:
        super().__init__()
        trunk = WEncoder(EncoderConfig(), w_dim=1)
        self.input_layer, self.body = trunk.input_layer, trunk.body
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512), nn.Dropout(), nn.Flatten(), nn.Linear(512 * 7 * 7, 512), nn.BatchNorm1d(512)
        )
        counters = {name: value for name, value in self.state_dict().items() if name.endswith("num_batches_tracked")}
        load_strict(self, counters | read_tensors(weights))
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        rows, columns = _CROP
        seen = F.adaptive_avg_pool2d(resize(images, 256)[:, :, rows, columns], 112)
        return F.normalize(self.output_layer(self.body(self.input_layer(seen))), dim=1)


def _take(tensors: Mapping[str, Tensor], name: str, path: Path) -> Tensor:
    if name not in tensors:
        raise CheckpointError(f"{path} has no tensor {name}; expected the weights that docs/inversion.md names")
    return tensors[name]
