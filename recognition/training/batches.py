"""Order, batches and augmentation of training images, as functions of seed and step, so no state is stored."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recognition.config import ClassifierTrainingConfig


def make_generator(*numbers: int) -> torch.Generator:
    """Make a random stream on the CPU; every sequence of numbers has a stream of its own."""
    return torch.Generator().manual_seed(derive_seed(*numbers))


def derive_seed(*numbers: int) -> int:
    """Derive a seed of 63 bits from a sequence of numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def draw_epoch_order(config: ClassifierTrainingConfig, count: int, weights: Tensor | None, epoch: int) -> Tensor:
    """Draw the indices of the images of an epoch, int64.

    Args:
        config: gives the images of an epoch and the seed.
        count: number of all images.
        weights: (count,) relative frequency of each image; None for a shuffle, which continues where the last epoch
            ended.
        epoch: number of the epoch, from 0.
    """
    wanted = config.images_per_epoch or count
    if weights is not None:
        return torch.multinomial(weights, wanted, replacement=True, generator=make_generator(config.seed, 1, epoch))
    first, last = epoch * wanted // count, ((epoch + 1) * wanted - 1) // count
    shuffles = [
        torch.randperm(count, generator=make_generator(config.seed, 2, turn)) for turn in range(first, last + 1)
    ]
    begin = epoch * wanted - first * count
    return torch.cat(shuffles)[begin : begin + wanted]


def split_into_batches(order: Tensor, batch: int) -> list[Tensor]:
    """Split an epoch into nearly equal batches of about `batch`, so that none is too small for batch normalisation."""
    return list(torch.tensor_split(order, max(1, round(len(order) / batch))))


def augment_images(pixels: Tensor, places: Tensor, config: ClassifierTrainingConfig, stream: torch.Generator) -> Tensor:
    """Flip, shift and recolour images, each at random.

    Flips and shifts are one gather of pixels, which repeats those at the border; nothing is interpolated.

    Args:
        pixels: (n, size, size, 3) uint8, on any device.
        places: (batch,) int64, indices of the images.
        config: gives the strength of the augmentation.
        stream: random stream on the CPU, so that every device draws the same.

    Returns:
        (batch, 3, size, size) float32 in about [-1, 1], channels last in memory.
    """
    n, side, device = len(places), pixels.shape[1], pixels.device
    reach = round(config.shift * side)
    at = torch.arange(side)
    moved = torch.randint(-reach, reach + 1, (2, n, 1), generator=stream)
    rows, columns = (at + moved[0]).clamp(0, side - 1), (at + moved[1]).clamp(0, side - 1)
    flipped = torch.rand(n, 1, generator=stream) < 0.5
    if config.mirror:
        columns = torch.where(flipped, columns.flip(1), columns)
    gain = torch.exp(config.colour * torch.randn(n, 1, 1, 3, generator=stream))
    offset = config.colour * torch.randn(n, 1, 1, 3, generator=stream)
    chosen = pixels[places.to(device)[:, None, None], rows.to(device)[:, :, None], columns.to(device)[:, None, :]]
    x = chosen.float().div_(127.5).sub_(1)
    if config.colour:
        x.mul_(gain.to(device)).add_(offset.to(device))
    return x.permute(0, 3, 1, 2)
