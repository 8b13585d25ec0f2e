"""Encoders and hypernetworks compiled for inference on a CPU, each once as long as its weights stay the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import torch
from torch import Tensor

from core.precision import Precision
from gen.conversion_cache import ConversionCache
from gen.inference.engine import LARGEST_PART, Engine
from gen.torch_inference import share_tensors
from inversion.inference.encoder_graph import build_encoder
from inversion.inference.folding import Floats
from inversion.inference.hypernetwork_graph import KernelBlock, build_face_features, build_hypernetwork
from inversion.networks.encoder import WEncoder, resize
from inversion.networks.hypernetwork import Hypernetwork
from inversion.networks.trunk_encoder import TrunkEncoder

Answer: TypeAlias = Callable[[Tensor], dict[str, Tensor]]
"""Reconstructions (n, 3, h, h) -> offsets (n, out, in, 3, 3) by the name of the kernel."""

_LARGEST_ANSWER: Final = 1 << 22
"""Offsets that a core computes at a time."""


class CompiledEncoder:
    """A W encoder without gradients.

    Args:
        encoder: of either kind; later changes of its weights need a new conversion.
    """

    def __init__(self, encoder: WEncoder | TrunkEncoder) -> None:
        tensors, config = share_tensors(encoder), encoder.config
        self._side = encoder.side
        self._engine = Engine(lambda: build_encoder(tensors, config))

    def encode(self, images: Tensor, precision: Precision) -> Tensor:
        """Encode images (n, 3, h, h) to offsets (n, w_dim) from the average latent."""
        return torch.from_numpy(self._engine.run({"images": _to_array(images, self._side)}, precision))


class CompiledHypernetwork:
    """A hypernetwork without gradients.

    Args:
        network: later changes of its weights need a new conversion.
    """

    def __init__(self, network: Hypernetwork) -> None:
        tensors, config = share_tensors(network), network.config
        blocks = {name: KernelBlock(network.block_name(name), network.sizes_of(name)) for name in network.layers}
        self._side, self._layers = config.side, network.layers
        values = 9 * sum(out * inner for out, inner in (block.sizes for block in blocks.values()))
        self._of_faces = Engine(lambda: build_face_features(tensors, config))
        self._of_pictures = Engine(
            lambda: build_hypernetwork(tensors, config, blocks),
            part=max(1, min(LARGEST_PART, _LARGEST_ANSWER // values)),
        )

    def face(self, faces: Tensor, precision: Precision) -> Answer:
        """Return the function that maps reconstructions of faces (n, 3, h, h) to offsets."""
        features = self._of_faces.run({"images": _to_array(faces, self._side)}, precision)

        def answer(pictures: Tensor) -> dict[str, Tensor]:
            inputs = {"features": features, "pictures": _to_array(pictures, self._side)}
            offsets = self._of_pictures.run_all(inputs, precision)
            return dict(zip(self._layers, map(torch.from_numpy, offsets), strict=True))

        return answer


def _to_array(images: Tensor, side: int) -> Floats:
    if images.shape[2] != side:
        images = resize(images, side)
    array: Floats = images.float().contiguous().numpy()
    return array


ENCODERS: Final[ConversionCache[WEncoder | TrunkEncoder, CompiledEncoder]] = ConversionCache(CompiledEncoder)
HYPERNETWORKS: Final[ConversionCache[Hypernetwork, CompiledHypernetwork]] = ConversionCache(CompiledHypernetwork)
