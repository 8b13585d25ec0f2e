"""Sampler, the only place where a generator renders the rows of an image set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from core.precision import Precision
from faces.image_set_request import ImageSetRequest
from gen.imagesets import Row
from gen.inference.generator import InferenceGenerator, InferenceNoise
from gen.inference.mapping import Floats

if TYPE_CHECKING:
    from gen.networks import Generator

AVERAGED: Final = 10_000
"""Random vectors behind an average portrait."""


class Sampler:
    """Renders rows with a generator.

    A row's image depends on the row and the request alone: random vector and noise come from the row's own seed. In
    other batches it differs by rounding only: at most 1/255 in float32 and 4/255 in bfloat16.

    Args:
        generator: with a vocabulary. A PyTorch network on the CPU is converted for inference as it is now; a network on
            a GPU renders there.
        precision: of the convolutions.
        batch: images rendered at a time.
    """

    def __init__(
        self, generator: Generator | InferenceGenerator, *, precision: Precision = "float32", batch: int = 32
    ) -> None:
        if isinstance(generator, InferenceGenerator):
            self._generator = generator
        else:
            from gen.torch_inference import convert_generator

            self._generator = convert_generator(generator)
        self.batch = batch
        self._precision: Precision = precision

    def render(
        self, rows: Sequence[Row], request: ImageSetRequest, shift: Floats | float = 0.0
    ) -> npt.NDArray[np.uint8]:
        """Render rows of one request as images (n, h, h, 3) uint8 RGB, in their order.

        Args:
            shift: added to all latents, (w_dim,) or (num_ws, w_dim).
        """
        side = self._generator.config.resolution
        images = np.empty((len(rows), side, side, 3), dtype=np.uint8)
        for start in range(0, len(rows), self.batch):
            part = rows[start : start + self.batch]
            noise = self._draw_noise(part) if request.noise == "random" else request.noise
            images[start : start + len(part)] = self._generator.render(
                self.latents(part, request) + shift, noise, self._precision
            )
        return images

    def latents(self, rows: Sequence[Row], request: ImageSetRequest) -> Floats:
        """Compute the truncated latents (n, num_ws, w_dim) of rows of one request."""
        mapping = self._generator.mapping
        c = np.array([row.c for row in rows], np.float32)
        if request.kind == "average":
            w = np.concatenate([self._average_w(row) for row in rows])
        else:
            w = mapping(np.concatenate([random_vectors(row.seed, 1, self._generator.config.z_dim) for row in rows]), c)
        return self._generator.truncate(w, c, request.psi)

    def _draw_noise(self, rows: Sequence[Row]) -> InferenceNoise:
        convolutions = self._generator.config.convolutions
        images = [dict(_draw_noise_images(row.seed, convolutions)) for row in rows]
        return {name: np.stack([image[name] for image in images]) for name in convolutions}

    def _average_w(self, row: Row) -> Floats:
        z = random_vectors(row.seed, AVERAGED, self._generator.config.z_dim)
        c = np.repeat(np.array([row.c], np.float32), AVERAGED, axis=0)
        average: Floats = self._generator.mapping(z, c).mean(axis=0, keepdims=True)
        return average


def random_vectors(seed: int, n: int, z_dim: int) -> Floats:
    """Draw standard normal z (n, z_dim) float32 of a seed in [0, 2^63 - 1].

    NumPy draws them: PyTorch's CPU generator uses 32 bits of its seed only and would give two persons one face.
    """
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((n, z_dim), dtype=np.float32)


def _draw_noise_images(seed: int, convolutions: dict[str, int]) -> Iterator[tuple[str, Floats]]:
    rng = np.random.Generator(np.random.PCG64([seed, 1]))  # other numbers than those of the random vector
    for name, side in convolutions.items():
        yield name, rng.standard_normal((1, side, side), dtype=np.float32)
