"""Sampler, the only place where a generator renders the rows of an image set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.precision import Precision, dtype_of
from faces.image_set_request import ImageSetRequest
from faces.images import to_uint8
from gen.imagesets import Row
from gen.networks import Generator

AVERAGED = 10_000
"""Number of random vectors whose mean latent an average portrait shows."""


class Sampler:
    """Renders rows with a generator.

    The image of a row depends only on the row and the request: random vector and noise come from the row's own seed, on
    the CPU. In other batches it differs by rounding only: at most 1/255 in float32 and 4/255 in bfloat16.

    Args:
        generator: with a vocabulary.
        precision: of the convolutions.
        batch: images rendered at a time.
    """

    def __init__(self, generator: Generator, *, precision: Precision = "float32", batch: int = 32) -> None:
        self.generator = generator
        self.batch = batch
        self._dtype = dtype_of(precision)
        self._device = generator.mapping.w_avg.device

    @torch.inference_mode()
    def render(self, rows: Sequence[Row], request: ImageSetRequest) -> npt.NDArray[np.uint8]:
        """Render rows of one request, in their order, as images (n, h, h, 3) uint8 RGB."""
        side = self.generator.config.resolution
        images = np.empty((len(rows), side, side, 3), dtype=np.uint8)
        for start in range(0, len(rows), self.batch):
            part = rows[start : start + self.batch]
            images[start : start + len(part)] = to_uint8(self._synthesize(part, request).cpu())
        return images

    @torch.no_grad()
    def latents(self, rows: Sequence[Row], request: ImageSetRequest) -> Tensor:
        """Compute truncated latents (n, num_ws, w_dim) of rows of one request."""
        c = torch.tensor([row.c for row in rows], device=self._device)
        if request.kind == "average":
            w = torch.cat([self._average_w(row) for row in rows])
        else:
            z = torch.cat([random_vectors(row.seed, 1, self.generator.config.z_dim) for row in rows])
            w = self.generator.mapping(z.to(self._device), c)
        return self.generator.truncate(w, c, request.psi)[:, None].repeat(1, self.generator.config.num_ws, 1)

    def _synthesize(self, rows: Sequence[Row], request: ImageSetRequest) -> Tensor:
        noise_draws = [torch.Generator().manual_seed(row.seed) for row in rows]
        return self.generator.synthesize(self.latents(rows, request), request.noise, noise_draws, self._dtype)

    def _average_w(self, row: Row) -> Tensor:
        z = random_vectors(row.seed, AVERAGED, self.generator.config.z_dim).to(self._device)
        c = torch.tensor([row.c], device=self._device).expand(AVERAGED, -1)
        average: Tensor = self.generator.mapping(z, c).mean(dim=0, keepdim=True)
        return average


def random_vectors(seed: int, n: int, z_dim: int) -> Tensor:
    """Draw n standard normal rows z (n, z_dim) float32 from a seed in [0, 2^63 - 1].

    NumPy draws them. PyTorch's CPU generator uses only 32 bits of its seed, so two persons could get the same face.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    return torch.from_numpy(rng.standard_normal((n, z_dim), dtype=np.float32))
