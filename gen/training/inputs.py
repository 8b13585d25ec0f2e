"""Inputs of a step: real images, labels and everything random, as this process's share of the batch.

All of it is a function of (seed, iteration, part of the step), drawn for the whole batch in every process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gen.augmentation.draws import Draws
from gen.training.batches import Batches
from gen.training.data import TrainingImages
from gen.training.distributed import Processes
from gen.training.recipe import TrainingConfig


@dataclass(frozen=True)
class RealBatch:
    """Images (n, 3, h, h) in [-1, 1], labels (n, c_dim), and identities (n, k) if the data has them."""

    images: Tensor
    labels: Tensor
    identity: Tensor | None


@dataclass(frozen=True)
class Inputs:
    """Source of all inputs of a step.

    Args:
        data: training data on the CPU.
        batches: choice of the shown images.
        config: the recipe.
        device: device of the inputs.
        processes: processes that share a batch, in groups of `group` images that are compared with each other.
    """

    data: TrainingImages
    batches: Batches
    config: TrainingConfig
    device: torch.device
    processes: Processes
    group: int

    def real_batch(self, iteration: int) -> RealBatch:
        """Return this process's share of the real images of an iteration."""
        flips = torch.rand(self.config.batch, generator=self._draw(iteration, "reals"))
        share = self.processes.share(self.config.batch, self.group)
        mirrored = flips[share] < (0.5 if self.config.mirror else 0)
        chosen = self.batches.real(iteration)[share]
        images, labels = self.data.batch(chosen, mirrored)
        identity = None if self.data.identity is None else self.data.identity[chosen].to(self.device)
        return RealBatch(images.to(self.device), labels.to(self.device), identity)

    def draw_share(self, iteration: int, name: str, shrink: int = 1) -> BatchShare:
        """Draw the random numbers of a part of a step, for batch / shrink images."""
        n = self.config.batch // shrink
        return BatchShare(
            self, n, self.processes.share(n, self.group if shrink == 1 else 1), self._draw(iteration, name)
        )

    def _draw(self, iteration: int, name: str) -> torch.Generator:
        # Hashed, because torch's generator uses only 32 bits of its seed.
        seed = np.random.SeedSequence([self.config.seed, iteration, *name.encode()]).generate_state(1)
        return torch.Generator().manual_seed(int(seed[0]))


@dataclass(frozen=True)
class BatchShare:
    """Random numbers of one part of a step. They depend on the order of the calls.

    Args:
        inputs: source of the inputs.
        n: number of images in the whole batch.
        share: indices (k,) of this process's images.
        draw: generator of the whole batch's random numbers.
    """

    inputs: Inputs
    n: int
    share: Tensor
    draw: torch.Generator

    def labels(self) -> Tensor:
        """Draw labels (k, c_dim) of images by the sampling rule."""
        data = self.inputs.data.labels
        return data[self.inputs.batches.random(self.n, self.draw)[self.share]].to(self.inputs.device)

    def styles(self, z_dim: int, num_ws: int, *, paired: bool = False) -> tuple[Tensor, Tensor]:
        """Draw two random vectors an image, (2, k, z_dim), and the layers that use the second, (k, num_ws) bool.

        paired: images 2i and 2i + 1 have the same vectors and layers.
        """
        share = self.share // 2 * 2 if paired else self.share
        z = torch.randn(2, self.n, z_dim, generator=self.draw)[:, share]
        cut = torch.randint(1, num_ws, (self.n, 1), generator=self.draw)
        mixed = torch.rand(self.n, 1, generator=self.draw) < self.inputs.config.style_mixing
        second = (mixed & (torch.arange(num_ws) >= cut))[share]
        return z.to(self.inputs.device), second.to(self.inputs.device)

    def noise(self) -> list[torch.Generator]:
        """Make a generator of image noise for each image."""
        seeds = torch.randint(2**31, (self.n,), generator=self.draw)[self.share]
        return [torch.Generator().manual_seed(seed) for seed in seeds.tolist()]

    def normal(self, *shape: int) -> Tensor:
        """Draw (k, *shape) standard normal."""
        return torch.randn(self.n, *shape, generator=self.draw)[self.share].to(self.inputs.device)

    def augmentation(self) -> Draws:
        """Draw the augmentations of k images."""
        return Draws.random(self.n, self.draw).rows(self.share)
