"""PyTorch generators as generators for inference: converted for a CPU, or rendering on their GPU."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from core.precision import Precision, dtype_of
from faces.images import to_uint8
from gen.inference.generator import InferenceGenerator, InferenceNoise
from gen.inference.mapping import Floats
from gen.networks import Generator


def convert_generator(generator: Generator) -> InferenceGenerator:
    """Convert a network as it is now; later changes of its weights change nothing."""
    tensors = {name: tensor.detach().float().cpu().numpy() for name, tensor in generator.state_dict().items()}
    if generator.mapping.w_avg.device.type == "cpu":
        return InferenceGenerator({name: array.copy() for name, array in tensors.items()}, generator.config)
    return _GpuGenerator(tensors, generator)


class _GpuGenerator(InferenceGenerator):
    """A generator that maps in NumPy, so that a row has one latent on every machine, and renders on a GPU."""

    def __init__(self, tensors: dict[str, npt.NDArray[np.float32]], generator: Generator) -> None:
        super().__init__(tensors, generator.config)
        self._network = generator
        self._device = generator.mapping.w_avg.device

    def synthesize(self, ws: Floats, noise: InferenceNoise = "const", precision: Precision = "float32") -> Floats:
        images: Floats = self._compute(ws, noise, precision).cpu().numpy()
        return images

    def render(
        self, ws: Floats, noise: InferenceNoise = "const", precision: Precision = "float32"
    ) -> npt.NDArray[np.uint8]:
        return to_uint8(self._compute(ws, noise, precision))

    @torch.inference_mode()
    def _compute(self, ws: Floats, noise: InferenceNoise, precision: Precision) -> torch.Tensor:
        given = (
            noise
            if isinstance(noise, str)
            else {name: torch.from_numpy(image).to(self._device) for name, image in noise.items()}
        )
        latents = torch.from_numpy(ws).to(self._device)
        return self._network.synthesize(latents, given, dtype=dtype_of(precision))
