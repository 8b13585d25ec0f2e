"""3x3 convolutions in float32 with a quarter of the multiplications (Winograd 1980; Lavin and Gray 2016, F(4x4, 3x3)).

A tile of 6x6 pixels and the kernel are each transformed to 36 points, multiplied there as 36 matrices, and what comes
out is transformed back to 4x4 pixels. The result differs from the direct convolution by rounding: at most some 1e-5 of
its size. A few tiles are worked on at a time, so that what lies between the transforms stays in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numba
import numpy as np
import torch
from torch import Tensor

from gen.kernels.compiled_loops import array, compiled, shared_out

TILE: Final = 4
"""Pixels of the result along a tile's side."""

_POINTS: Final = 36
_CHANNELS: Final = 64
"""Transformed at a time; convolutions have multiples of 16 channels."""

_KERNEL_TRANSFORM = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)

_VALUES_AT_ONCE: Final = 1 << 21

_FROM_CHANNELS: Final = 64
_FROM_SIDE: Final = 16


def pays(kernel: Tensor, side: int) -> bool:
    """Whether maps of this side are convolved with a kernel (out, in, 3, 3) faster so, in float32 and steps of one."""
    return min(kernel.shape[:2]) >= _FROM_CHANNELS and side >= _FROM_SIDE and side % TILE == 0


def transformed(kernel: Tensor) -> Tensor:
    """Kernels (out, in, 3, 3) at the 36 points, (36, in, out)."""
    points = _KERNEL_TRANSFORM @ kernel.double() @ _KERNEL_TRANSFORM.T
    return points.permute(2, 3, 1, 0).reshape(_POINTS, *kernel.shape[1::-1]).float().contiguous()


def convolved(x: Tensor, points: Tensor, y: Tensor) -> Iterator[tuple[int, int]]:
    """Convolve x (n, in, h, w) with `transformed` kernels into y (n, out, h, w), some rows at a time.

    h and w are multiples of 4, maps are channels last.

    Yields:
        Ranges of rows, of n·h, that are done.
    """
    maps, answer = array(x), array(y)
    n, h, w, inner = maps.shape
    out = answer.shape[3]
    tiles = w // TILE
    rows = max(1, _VALUES_AT_ONCE // (_POINTS * tiles * (inner + out)))
    total = n * h // TILE
    v = torch.empty(_POINTS * rows * tiles * inner)
    m = torch.empty(_POINTS * rows * tiles * out)
    for start in range(0, total, rows):
        stop = min(start + rows, total)
        count = (stop - start) * tiles
        before = v[: _POINTS * count * inner].view(_POINTS, count, inner)
        after = m[: _POINTS * count * out].view(_POINTS, count, out)
        shared_out(_to_points, stop - start, maps, start, before.numpy())
        torch.bmm(before, points, out=after)
        shared_out(_from_points, stop - start, after.numpy(), start, answer)
        yield start * TILE, stop * TILE


@compiled
def _to_points(start: int, stop: int, x: Any, base: int, v: Any) -> None:
    """Transform the tiles of rows of tiles [start, stop) after row base, of all images, to v (36, tiles, in)."""
    _, h, w, c = x.shape
    across, down = w // 4, h // 4
    for row in range(base + start, base + stop):
        i, top = row // down, row % down * 4 - 1
        zeros = np.zeros(_CHANNELS, np.float32)
        t = np.empty((6, 6, _CHANNELS), np.float32)
        for q in range(across):
            tile = (row - base) * across + q
            for k0 in range(0, c, _CHANNELS):
                k1 = min(k0 + _CHANNELS, c)
                for column in range(6):
                    z = 4 * q - 1 + column
                    inside = 0 <= z < w
                    x0 = x[i, top, z, k0:k1] if inside and top >= 0 else zeros
                    x1 = x[i, top + 1, z, k0:k1] if inside else zeros
                    x2 = x[i, top + 2, z, k0:k1] if inside else zeros
                    x3 = x[i, top + 3, z, k0:k1] if inside else zeros
                    x4 = x[i, top + 4, z, k0:k1] if inside else zeros
                    x5 = x[i, top + 5, z, k0:k1] if inside and top + 5 < h else zeros
                    for k in range(k1 - k0):
                        a, b, d, e, f, g = _six(x0[k], x1[k], x2[k], x3[k], x4[k], x5[k])
                        t[0, column, k], t[1, column, k], t[2, column, k] = a, b, d
                        t[3, column, k], t[4, column, k], t[5, column, k] = e, f, g
                for r in range(6):
                    o0, o1, o2 = v[6 * r, tile, k0:k1], v[6 * r + 1, tile, k0:k1], v[6 * r + 2, tile, k0:k1]
                    o3, o4, o5 = v[6 * r + 3, tile, k0:k1], v[6 * r + 4, tile, k0:k1], v[6 * r + 5, tile, k0:k1]
                    for k in range(k1 - k0):
                        o0[k], o1[k], o2[k], o3[k], o4[k], o5[k] = _six(
                            t[r, 0, k], t[r, 1, k], t[r, 2, k], t[r, 3, k], t[r, 4, k], t[r, 5, k]
                        )


@numba.njit(inline="always")
def _six(a: Any, b: Any, d: Any, e: Any, f: Any, g: Any) -> Any:
    """Six pixels in a row at the six points."""
    p, s = e - np.float32(4) * b, f - np.float32(4) * d
    m, z = np.float32(2) * (e - b), f - d
    first = np.float32(4) * a - np.float32(5) * d + f
    last = np.float32(4) * b - np.float32(5) * e + g
    return first, s + p, s - p, z + m, z - m, last


@numba.njit(inline="always")
def _four(a: Any, b: Any, d: Any, e: Any, f: Any, g: Any) -> Any:
    """Six points as the four pixels that they stand for."""
    p, s = b + d, b - d
    u, z = e + f, e - f
    return a + p + u, s + np.float32(2) * z, p + np.float32(4) * u, s + np.float32(8) * z + g


@compiled
def _from_points(start: int, stop: int, m: Any, base: int, y: Any) -> None:
    """Transform m (36, tiles, out) back to the pixels of rows of tiles [start, stop) after row base."""
    _, h, w, c = y.shape
    across, down = w // 4, h // 4
    for row in range(base + start, base + stop):
        i, top = row // down, row % down * 4
        t = np.empty((4, 6, _CHANNELS), np.float32)
        for q in range(across):
            tile = (row - base) * across + q
            for k0 in range(0, c, _CHANNELS):
                k1 = min(k0 + _CHANNELS, c)
                for column in range(6):
                    m0, m1, m2 = m[column, tile, k0:k1], m[6 + column, tile, k0:k1], m[12 + column, tile, k0:k1]
                    m3, m4, m5 = m[18 + column, tile, k0:k1], m[24 + column, tile, k0:k1], m[30 + column, tile, k0:k1]
                    for k in range(k1 - k0):
                        t[0, column, k], t[1, column, k], t[2, column, k], t[3, column, k] = _four(
                            m0[k], m1[k], m2[k], m3[k], m4[k], m5[k]
                        )
                for r in range(4):
                    y0, y1 = y[i, top + r, 4 * q, k0:k1], y[i, top + r, 4 * q + 1, k0:k1]
                    y2, y3 = y[i, top + r, 4 * q + 2, k0:k1], y[i, top + r, 4 * q + 3, k0:k1]
                    for k in range(k1 - k0):
                        y0[k], y1[k], y2[k], y3[k] = _four(
                            t[r, 0, k], t[r, 1, k], t[r, 2, k], t[r, 3, k], t[r, 4, k], t[r, 5, k]
                        )
