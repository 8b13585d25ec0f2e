"""Resampling of images through affine maps, without aliasing (Karras et al. 2020, appendix B).

The image is continued by reflection, upsampled, sampled bilinearly and downsampled through the sym6 low-pass filter.
The filter is orthonormal, so an image that is moved by whole pixels stays the same. It is not quite symmetric: as
published, a flip or turn shifts fine detail by up to a tenth of a pixel.

Resampling is linear in the image, so its gradient is the adjoint, and the gradient of the adjoint is the resampling.
Written in this way it can be differentiated any number of times, unlike `torch.nn.functional.grid_sample`. The paper
convolves the padded batch; here each image is computed alone, as products with banded matrices, and only the part of
it that is visible. The numbers are the same, and the memory fits into a cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from gen.augmentation.geometry import scaling, translation

SYM6: Final = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
"""Low-pass of the symlet with six vanishing moments, as in decomposition; sums to sqrt(2) (Daubechies 1992)."""

_TAPS: Final = len(SYM6)
_BLOCK: Final = 64
"""Rows of a banded matrix that are multiplied at once."""


def resample(images: Tensor, maps: Tensor) -> Tensor:
    """Resample images (n, c, h, w) by maps (n, 3, 3) from places of the result to places of the image.

    The image is continued by its reflection up to its side less one pixel, and by black beyond. The result is
    differentiable in the images any number of times, and not in the maps.
    """
    seen: Tensor = _ResamplingFunction.apply(images, _Resampling(images, maps))  # type: ignore[no-untyped-call]
    return seen


class _ResamplingFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, resampling: _Resampling) -> Tensor:
        ctx.resampling = resampling
        return resampling.apply(images)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _AdjointFunction.apply(gradients[0], ctx.resampling), None  # type: ignore[no-untyped-call]


class _AdjointFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, resampling: _Resampling) -> Tensor:
        ctx.resampling = resampling
        return resampling.apply_adjoint(images)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _ResamplingFunction.apply(gradients[0], ctx.resampling), None  # type: ignore[no-untyped-call]


class _Resampling:
    """A linear map of images (n, c, h, w), and its adjoint."""

    def __init__(self, like: Tensor, maps: Tensor) -> None:
        height, width = like.shape[2:]
        self._up = _Separable(_upsampling(height).to(like), _upsampling(width).to(like))
        self._down = _Separable(_downsampling(height).to(like), _downsampling(width).to(like))
        self._windows, grids = _windows(maps, height, width)
        self._grids = grids.to(like)

    def apply(self, images: Tensor) -> Tensor:
        result = torch.empty_like(images, memory_format=torch.contiguous_format)
        for index, image in enumerate(images):
            large = self._up.window(*self._windows[index]).apply(image)
            result[index] = self._down.apply(F.grid_sample(large[None], self._grid(index), align_corners=False)[0])
        return result

    def apply_adjoint(self, images: Tensor) -> Tensor:
        result = torch.empty_like(images, memory_format=torch.contiguous_format)
        for index, image in enumerate(images):
            up = self._up.window(*self._windows[index])
            sampled = self._down.apply_adjoint(image)[None].contiguous()
            large = sampled.new_zeros(()).expand(1, len(image), len(up.rows.matrix), len(up.columns.matrix))
            spread, _ = torch.ops.aten.grid_sampler_2d_backward(
                sampled,
                large,  # only the shape of the image matters
                self._grid(index),
                *(0, 0, False),  # bilinear, zeros outside, corners not aligned
                [True, False],
            )
            result[index] = up.apply_adjoint(spread[0])
        return result

    def _grid(self, index: int) -> Tensor:
        """Make the grid (1, rows, columns, 2) in [-1, 1] of places in its window at which an image is sampled."""
        size = [1, 1, self._down.rows.matrix.shape[1], self._down.columns.matrix.shape[1]]
        return F.affine_grid(self._grids[index : index + 1], size, align_corners=False)


@dataclass(frozen=True)
class _Banded:
    """A matrix (r, c) whose neighbouring rows use few columns.

    Args:
        blocks: (first row, last row, first column, last column), the last ones excluded, that hold all but zeros.
    """

    matrix: Tensor
    blocks: tuple[tuple[int, int, int, int], ...]

    @classmethod
    def of(cls, matrix: Tensor) -> _Banded:
        blocks = []
        for first in range(0, len(matrix), _BLOCK):
            last = min(first + _BLOCK, len(matrix))
            used = matrix[first:last].any(dim=0).nonzero()
            blocks.append((first, last, int(used.min()), int(used.max()) + 1))
        return cls(matrix, tuple(blocks))

    def to(self, like: Tensor) -> _Banded:
        return _Banded(self.matrix.to(like), self.blocks)

    def part(self, first: int, last: int) -> _Banded:
        """Select rows first to last - 1."""
        blocks = tuple(
            (max(top, first) - first, min(bottom, last) - first, left, right)
            for top, bottom, left, right in self.blocks
            if top < last and first < bottom
        )
        return _Banded(self.matrix[first:last], blocks)

    def multiply_left(self, x: Tensor) -> Tensor:
        """Compute the product matrix @ x of x (c, m): (r, m)."""
        result = x.new_empty(len(self.matrix), x.shape[1])
        for top, bottom, left, right in self.blocks:
            torch.mm(self.matrix[top:bottom, left:right], x[left:right], out=result[top:bottom])
        return result

    def multiply_right(self, x: Tensor) -> Tensor:
        """Compute the product x @ matrix.T of x (m, c): (m, r)."""
        result = x.new_empty(len(x), len(self.matrix))
        for top, bottom, left, right in self.blocks:
            torch.mm(x[:, left:right], self.matrix[top:bottom, left:right].T, out=result[:, top:bottom])
        return result

    def multiply_left_adjoint(self, x: Tensor) -> Tensor:
        """Compute the product matrix.T @ x of x (r, m): (c, m)."""
        result = x.new_zeros(self.matrix.shape[1], x.shape[1])
        for top, bottom, left, right in self.blocks:
            result[left:right].addmm_(self.matrix[top:bottom, left:right].T, x[top:bottom])
        return result

    def multiply_right_adjoint(self, x: Tensor) -> Tensor:
        """Compute the product x @ matrix of x (m, r): (m, c)."""
        result = x.new_zeros(len(x), self.matrix.shape[1])
        for top, bottom, left, right in self.blocks:
            result[:, left:right].addmm_(x[:, top:bottom], self.matrix[top:bottom, left:right])
        return result


@dataclass(frozen=True)
class _Separable:
    """A linear map of an image's columns, and one of its rows: (c, h, w) -> (c, rows, columns)."""

    rows: _Banded
    columns: _Banded

    def window(self, top: int, bottom: int, left: int, right: int) -> _Separable:
        """Compute one part of the result only."""
        return _Separable(self.rows.part(top, bottom), self.columns.part(left, right))

    def apply(self, image: Tensor) -> Tensor:
        channels, height, _ = image.shape
        wide = self.columns.multiply_right(image.flatten(0, 1)).reshape(channels, height, -1)
        tall = self.rows.multiply_left(wide.transpose(0, 1).flatten(1))
        return tall.reshape(len(tall), channels, -1).transpose(0, 1)

    def apply_adjoint(self, image: Tensor) -> Tensor:
        channels, height, _ = image.shape
        narrow = self.columns.multiply_right_adjoint(image.flatten(0, 1)).reshape(channels, height, -1)
        low = self.rows.multiply_left_adjoint(narrow.transpose(0, 1).flatten(1))
        return low.reshape(len(low), channels, -1).transpose(0, 1)


def _lowpass() -> Tensor:
    taps = torch.tensor(SYM6, dtype=torch.float64)
    return taps / taps.sum()


def _upsampling(side: int) -> _Banded:
    """Make the matrix (6·side - 4, side) that continues `side` pixels by side - 1 reflected ones at either end and
    doubles the size.

    It puts zeros between the pixels, and applies the low-pass filter as a true convolution that starts half its length
    earlier.
    """
    reach = torch.arange(-(side - 1), 2 * side - 1)
    source = side - 1 - (side - 1 - reach.abs()).abs()
    pixel = torch.arange(len(reach))
    matrix = torch.zeros(2 * len(reach), side, dtype=torch.float64)
    for tap, weight in enumerate(_lowpass()):
        row = 2 * pixel + tap - (_TAPS // 2 - 1)
        inside = (row >= 0) & (row < len(matrix))
        matrix.index_put_((row[inside], source[inside]), 2 * weight, accumulate=True)
    return _Banded.of(matrix)


def _downsampling(side: int) -> _Banded:
    """Make the matrix (side, 2·side + 10) that applies the reversed low-pass filter at every second place of a row,
    which is sampled beyond both its ends."""
    matrix = torch.zeros(side, 2 * side + _TAPS - 2, dtype=torch.float64)
    pixel = torch.arange(side)
    for tap, weight in enumerate(_lowpass()):
        matrix[pixel, 2 * pixel + tap] = weight
    return _Banded.of(matrix)


def _windows(maps: Tensor, height: int, width: int) -> tuple[list[list[int]], Tensor]:
    """Compute the part of the upsampled image that each map reads, and the map into that part.

    Returns (top, bottom, left, right) for each image and (n, 2, 3), from the sampled picture to that window, both as
    the square [-1, 1]².
    """
    to_large = _double_resolution(maps)
    sampled = torch.tensor([2 * width + _TAPS - 2, 2 * height + _TAPS - 2], dtype=torch.float64)
    large = torch.tensor([6 * width - 4, 6 * height - 4], dtype=torch.float64)
    signs = torch.tensor([[-1, -1, 1, 1], [-1, 1, -1, 1]], dtype=torch.float64)
    corners = (
        to_large[:, :2, :2] @ (signs * (sampled[:, None] - 1) / 2) + to_large[:, :2, 2:] + (large[:, None] - 1) / 2
    )
    # At least a pixel wide, even if nothing of the image is visible, and a pixel more for rounding.
    first = (corners.amin(dim=2).floor() - 1).clamp(min=0).minimum(large - 1)
    last = (corners.amax(dim=2).floor() + 3).minimum(large).maximum(first + 1)
    size = last - first
    theta = to_large[:, :2].clone()
    theta[:, :, :2] *= sampled / 2
    theta[:, :, 2] += (large - first - last) / 2
    theta *= (2 / size)[:, :, None]
    return torch.stack([first[:, 1], last[:, 1], first[:, 0], last[:, 0]], dim=1).int().tolist(), theta


def _double_resolution(maps: Tensor) -> Tensor:
    """Convert maps to pictures of twice the resolution, in which the first half of a pixel takes its place."""
    half = torch.full((1,), 0.5, dtype=torch.float64)
    return (
        translation(-half, -half) @ scaling(1 / half, 1 / half) @ maps @ scaling(half, half) @ translation(half, half)
    )
