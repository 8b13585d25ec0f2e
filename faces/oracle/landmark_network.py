"""The landmarks of drawings: a small network that finds in aligned phantoms what dlib's model finds in photographs.

dlib's model was made for photographs, and a mouth of drawn lips misleads it. This one has seen phantoms, whose
landmarks are known, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core import tensor_files
from core.errors import CheckpointError, ImageError
from faces.detect import LANDMARKS
from faces.images import Pixels, to_tensor
from faces.oracle.attribute_network import SIDE, convolutions, resize, state_to_store

_WIDTHS: Final = (32, 64, 128, 192)
_FEATURES: Final = 256
_BATCH: Final = 128
_KIND: Final = "landmarks"


class LandmarkNetwork(nn.Module):
    """Images (n, 3, 128, 128) in [-1, 1] -> landmarks (n, 68, 2) in pixels, x then y, in iBUG order.

    Convolutions as the oracle has them, and two dense layers that say how far each landmark lies from its mean place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = convolutions(_WIDTHS)
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(_WIDTHS[-1] * 16, _FEATURES, bias=False),
            nn.BatchNorm1d(_FEATURES),
            nn.ReLU(),
            nn.Linear(_FEATURES, 2 * LANDMARKS),
        )
        self.register_buffer("mean", torch.zeros(LANDMARKS, 2))
        self.mean: Tensor

    def forward(self, images: Tensor) -> Tensor:
        offsets: Tensor = self.dense(self.convolutions(images.contiguous(memory_format=torch.channels_last)))
        return self.mean + offsets.reshape(-1, LANDMARKS, 2)

    @torch.inference_mode()
    def find(self, images: Pixels) -> npt.NDArray[np.float64]:
        """Find landmarks (n, 68, 2) of uint8 (n, h, h, 3) aligned drawings, in pixels of the picture.

        Raises:
            ImageError: another shape.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or images.shape[1] != images.shape[2]:
            raise ImageError(f"images are {images.dtype} {images.shape}; expected uint8 (n, h, h, 3)")
        parts = (images[at : at + _BATCH] for at in range(0, len(images), _BATCH))
        found = [self(resize(to_tensor(part))).double().numpy() for part in parts]
        at_128 = np.concatenate([np.empty((0, LANDMARKS, 2)), *found])
        return np.asarray((at_128 + 0.5) * (images.shape[1] / SIDE) - 0.5)


@dataclass(frozen=True)
class LandmarkInfo:
    """Description of a landmark network that its file holds.

    Attributes:
        figures: what it reaches on unseen phantoms, by name.
        origin: data, seeds and training.
        licence: SPDX name.
    """

    figures: Mapping[str, Any]
    origin: str
    licence: str


def save(
    path: Path, network: LandmarkNetwork, *, figures: Mapping[str, Any], origin: str, licence: str = "Apache-2.0"
) -> None:
    """Write a network; the file appears whole or not at all. Matrices and kernels are stored in float16."""
    header = {"network": _KIND, "figures": dict(figures), "origin": origin, "licence": licence}
    tensor_files.write(path, state_to_store(network), header)


def load(path: Path) -> tuple[LandmarkNetwork, LandmarkInfo]:
    """Load a network in evaluation mode on the CPU, and the metadata of its file.

    Raises:
        CheckpointError: no such file, a damaged one, or not a landmark network.
    """
    tensors, header = tensor_files.read(path)
    if header.get("network") != _KIND:
        raise CheckpointError(f"{path} holds {header.get('network', 'no network')}; expected landmarks")
    with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten below
        network = LandmarkNetwork()
    try:
        network.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in tensors.items()})
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not hold the tensors of a landmark network: {error}") from None
    return network.eval().requires_grad_(False), LandmarkInfo(header["figures"], header["origin"], header["licence"])
