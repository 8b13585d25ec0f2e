"""Encoders and hypernetworks compiled for inference on a CPU, each once as long as its weights stay the same."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final, TypeAlias

import torch
from openvino import Model
from torch import Tensor

from core.precision import Precision
from gen.conversion_cache import ConversionCache
from gen.inference.engine import Engine
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


class _Engines:
    """Engines of one model, by precision."""

    def __init__(self, build: Callable[[], Model], largest_part: int = 4) -> None:
        self._build = build
        self._largest_part = largest_part
        self._lock = Lock()
        self._engines: dict[Precision, Engine] = {}

    def get(self, precision: Precision) -> Engine:
        with self._lock:
            if precision not in self._engines:
                self._engines[precision] = Engine(self._build, precision, largest_part=self._largest_part)
            return self._engines[precision]


class CompiledEncoder:
    """A W encoder without gradients.

    Args:
        encoder: of either kind; later changes of its weights need a new conversion.
    """

    def __init__(self, encoder: WEncoder | TrunkEncoder) -> None:
        tensors, config = share_tensors(encoder), encoder.config
        self._side = encoder.side
        self._engines = _Engines(lambda: build_encoder(tensors, config))

    def encode(self, images: Tensor, precision: Precision) -> Tensor:
        """Encode images (n, 3, h, h) to offsets (n, w_dim) from the average latent."""
        return torch.from_numpy(self._engines.get(precision).run({"images": _to_array(images, self._side)}))


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
        self._of_faces = _Engines(lambda: build_face_features(tensors, config))
        self._of_pictures = _Engines(
            lambda: build_hypernetwork(tensors, config, blocks), max(1, min(4, _LARGEST_ANSWER // values))
        )

    def face(self, faces: Tensor, precision: Precision) -> Answer:
        """Return the function that maps reconstructions of faces (n, 3, h, h) to offsets."""
        features = self._of_faces.get(precision).run({"images": _to_array(faces, self._side)})
        engine = self._of_pictures.get(precision)

        def answer(pictures: Tensor) -> dict[str, Tensor]:
            offsets = engine.run_all({"features": features, "pictures": _to_array(pictures, self._side)})
            return dict(zip(self._layers, map(torch.from_numpy, offsets), strict=True))

        return answer


def _to_array(images: Tensor, side: int) -> Floats:
    if images.shape[2] != side:
        images = resize(images, side)
    array: Floats = images.float().contiguous().numpy()
    return array


ENCODERS: Final[ConversionCache[WEncoder | TrunkEncoder, CompiledEncoder]] = ConversionCache(CompiledEncoder)
HYPERNETWORKS: Final[ConversionCache[Hypernetwork, CompiledHypernetwork]] = ConversionCache(CompiledHypernetwork)
