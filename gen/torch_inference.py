"""PyTorch generators as generators for inference: converted for a CPU, or rendering on their GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.precision import Precision, dtype_of
from faces.images import to_uint8
from gen.conversion_cache import ConversionCache
from gen.inference.generator import InferenceGenerator, InferenceNoise
from gen.inference.mapping import Floats
from gen.networks import Generator


def convert_generator(generator: Generator) -> InferenceGenerator:
    """Convert a network as it is now; later changes of its weights change nothing."""
    tensors = share_tensors(generator)
    if generator.mapping.w_avg.device.type == "cpu":
        return InferenceGenerator({name: array.copy() for name, array in tensors.items()}, generator.config)
    return _GpuGenerator(tensors, generator)


class _GpuGenerator(InferenceGenerator):
    """A generator that maps in NumPy, so that a row has one latent on every machine, and renders on a GPU."""

    def __init__(self, tensors: dict[str, npt.NDArray[np.float32]], generator: Generator) -> None:
        super().__init__(tensors, generator.config)
        self._network = generator
        self._device = generator.mapping.w_avg.device

    def synthesize(
        self,
        ws: Floats,
        noise: InferenceNoise = "const",
        precision: Precision = "float32",
        offsets: Mapping[str, Floats] | None = None,
    ) -> Floats:
        images: Floats = self._compute(ws, noise, precision, offsets).cpu().numpy()
        return images

    def render(
        self, ws: Floats, noise: InferenceNoise = "const", precision: Precision = "float32"
    ) -> npt.NDArray[np.uint8]:
        return to_uint8(self._compute(ws, noise, precision))

    @torch.inference_mode()
    def _compute(
        self, ws: Floats, noise: InferenceNoise, precision: Precision, offsets: Mapping[str, Floats] | None = None
    ) -> torch.Tensor:
        given = noise if isinstance(noise, str) else self._to_device(noise)
        latents = torch.from_numpy(ws).to(self._device)
        moved = self._to_device(offsets or {})
        return self._network.synthesize(latents, given, dtype=dtype_of(precision), offsets=moved)

    def _to_device(self, arrays: Mapping[str, Floats]) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(array).to(self._device) for name, array in arrays.items()}


_conversions: Final[ConversionCache[Generator, InferenceGenerator]] = ConversionCache(
    lambda generator: InferenceGenerator(share_tensors(generator), generator.config)
)


@torch.no_grad()
def synthesize_images(
    generator: Generator, w: Tensor, precision: Precision = "float32", offsets: Mapping[str, Tensor] | None = None
) -> Tensor:
    """Synthesize images (n, 3, h, h) with the stored noise and without gradients.

    A frozen network on the CPU is converted when it is first used, and shared by all callers.

    Args:
        generator: of the latents.
        w: (n, num_ws, w_dim).
        precision: of the convolutions.
        offsets: of kernels, as in `Generator.synthesize`.

    Raises:
        ConfigError: as `Generator.synthesize`.
    """
    offsets = offsets or {}
    generator.check_latents(w, offsets)
    converted = _conversions.find(generator)
    if converted is None or w.device.type != "cpu":
        return generator.synthesize(w, dtype=dtype_of(precision), offsets=offsets)
    arrays = {name: offset.float().numpy() for name, offset in offsets.items()}
    return torch.from_numpy(converted.synthesize(w.float().numpy(), "const", precision, arrays))


def share_tensors(network: nn.Module) -> dict[str, npt.NDArray[np.float32]]:
    """Return the tensors of a network as arrays, which share its memory where they are float32 on the CPU."""
    return {name: tensor.detach().float().cpu().numpy() for name, tensor in network.state_dict().items()}
