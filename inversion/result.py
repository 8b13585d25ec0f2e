"""What an inversion is: latents, offsets, the picture they make, and how good it is; one safetensors file each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

Offsets: TypeAlias = Mapping[str, Tensor]
"""Offsets (n, out, in, 3, 3) of kernels by their names in `Generator.kernel_shapes`."""


@dataclass(frozen=True)
class Inversion:
    w: Tensor
    offsets: Offsets
    reconstruction: Tensor
    passes: tuple[int, ...]
    quality: tuple[float, ...]

    @staticmethod
    def of(w, offsets, reconstruction, target, passes):
        return Inversion(w, offsets, reconstruction, passes, tuple(mean_square(reconstruction, target).tolist()))


def mean_square(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of each image, (n,)."""
    return (a - b).square().mean(dim=(1, 2, 3))
