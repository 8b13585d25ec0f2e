"""Region of a generator's latents: pivots are kept in it, and an edit that leaves it is noticed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from core.errors import DirectionError
from gen.networks import Generator

SHARE: Final = 0.999
"""Share of the latents that lie within the region."""


@dataclass(frozen=True)
class LatentRegion:
    """Ellipsoid around a generator's latents.

    Attributes:
        centre: (d,) their mean.
        whitening: (d, d), to unit variance in every direction.
        limit: distance from the centre, after whitening, within which 99.9 % of them lie.
    """

    centre: Tensor
    whitening: Tensor
    limit: float

    @classmethod
    def of(cls, w: Tensor) -> Self:
        """Compute the region of latents (n, d); n must be ten times d or more.

        Raises:
            DirectionError: fewer.
        """
        count, size = w.shape
        if count < 10 * size:
            raise DirectionError(f"{count} latents of {size} dimensions; expected {10 * size} or more")
        x = w.double()
        centre = x.mean(dim=0)
        values, vectors = torch.linalg.eigh(torch.cov(x.T))
        whitening = vectors / values.clamp_min(values.max() * 1e-6).sqrt()
        region = cls(centre.float(), whitening.float(), 0.0)
        return cls(region.centre, region.whitening, region.distance(w).quantile(SHARE).item())

    def distance(self, w: Tensor) -> Tensor:
        """Return the distance (n,) of latents (n, d) from the centre, in standard deviations."""
        distances: Tensor = self.to_deviations(w).norm(dim=1)
        return distances

    def to_deviations(self, w: Tensor) -> Tensor:
        """Convert latents (..., d) to coordinates from the centre in which they have unit variance."""
        return (w.float() - self.centre.to(w.device)) @ self.whitening.to(w.device)

    def from_deviations(self, deviations: Tensor) -> Tensor:
        """Convert coordinates of `to_deviations` to latents."""
        back: Tensor = torch.linalg.inv(self.whitening).to(deviations.device)
        return self.centre.to(deviations.device) + deviations @ back


@torch.no_grad()
def sample_latents(generator: Generator, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Sample latents (count, w_dim) over all labels in turn; return them and the labels' places (count,), numbered
    as every condition in every age; all 0 without labels."""
    draw = torch.Generator().manual_seed(seed)
    z = torch.randn(count, generator.config.z_dim, generator=draw)
    vocabulary = generator.config.vocabulary
    if vocabulary is None:
        return generator.map(z, None)[:, 0], torch.zeros(count, dtype=torch.int64)
    cells = vocabulary.every_label()
    place = torch.arange(count) % len(cells)
    return generator.map(z, cells[place])[:, 0], place
