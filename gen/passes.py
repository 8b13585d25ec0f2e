"""What lies between two convolutions of a generator, in one pass over memory, for CPUs.

Each function is compiled by numba when it is first called (some seconds, kept on disk for later processes) and works
with as many threads as PyTorch does. Maps are (n, h, w, channels) arrays, float32 or bfloat16; as NumPy knows no
bfloat16, those come as their bits in uint16. All arithmetic is float32.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import llvmlite.binding
import numba
import numpy as np
import torch
from numba.extending import overload
from torch import Tensor

_F = TypeVar("_F", bound=Callable[..., Any])

_SLOPE = np.float32(0.2)
_THREE = np.float32(3)

llvmlite.binding.set_option("gestaltgen", "--runtime-memory-check-threshold=100")  # vectorise loops over many rows


def compiled(function: _F) -> _F:
    """Compile a function of the parts that it is to do, first and end, and of what it does them on."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
    try:
        made: _F = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # there is nowhere to keep what is compiled
        made = numba.njit(**options)(function)
    return made


def shared_out(function: Callable[..., None], parts: int, *arguments: Any) -> None:
    """Have as many threads as PyTorch has do a compiled function's parts, [0, parts).

    They are ours, not numba's, whose threads wait busily beside PyTorch's, or are not there at all.
    """
    threads = min(torch.get_num_threads(), parts)
    ends = [parts * thread // threads for thread in range(threads + 1)]
    others = [_others(threads - 1).submit(function, *ends[at : at + 2], *arguments) for at in range(threads - 1)]
    function(*ends[-2:], *arguments)
    for other in others:
        other.result()


@cache
def _others(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="gestaltgen-passes")


def array(t: Tensor) -> Any:
    """Maps (n, c, h, w), channels last in memory, as the array (n, h, w, c) that the passes take; nothing is copied."""
    t = t.permute(0, 2, 3, 1)
    return t.view(torch.uint16).numpy() if t.dtype == torch.bfloat16 else t.numpy()


def wide(x: Any) -> Any:
    """A stored value in float32."""


def narrow(v: Any, like: Any) -> Any:
    """A float32 value as it is stored beside `like`, rounded to nearest, ties to even."""


@overload(wide, inline="always", strict=False)
def _(x: Any) -> Any:
    if x == numba.types.uint16:
        return lambda x: np.uint32(np.uint32(x) << np.uint32(16)).view(np.float32)
    return lambda x: x


@overload(narrow, inline="always", strict=False)
def _(v: Any, like: Any) -> Any:
    if like == numba.types.uint16:

        def rounded(v: Any, like: Any) -> Any:
            bits = np.float32(v).view(np.uint32)
            even = (bits >> np.uint32(16)) & np.uint32(1)
            return np.uint16(np.uint32(bits + np.uint32(0x7FFF) + even) >> np.uint32(16))

        return rounded
    return lambda v, like: v


@compiled
def finish(
    start: int,
    stop: int,
    y: Any,
    base: int,
    p: Any,
    noise: Any,
    strength: Any,
    limit: Any,
    keep: bool,
    rgb_bias: Any,
    below: Any,
    rgb: Any,
) -> None:
    """Turn a convolution's answer into the next one's input, in place, and add what it shows to the picture.

    Args:
        start, stop: rows after row base, of all images, of n·h.
        y: (n, h, w, c).
        p: (n, 6, c): demodulation, bias, the next convolution's style, the kernels of red, green and blue.
        noise: (n or 1, h, w), times strength.
        limit: of the clamp; infinite for none.
        keep: write the next input; without it y is left in an unknown state.
        rgb_bias: (3,).
        below: (n, 3, h / 2, w / 2), the picture so far, which is doubled in size; h = 0 for none.
        rgb: (n, 3, h, w), the new picture.
    """
    _, h, w, c = y.shape
    for row in range(base + start, base + stop):
        i, r = row // h, row % h
        scale, bias, style, red, green, blue = p[i, 0], p[i, 1], p[i, 2], p[i, 3], p[i, 4], p[i, 5]
        draws = noise[i % noise.shape[0], r]
        for q in range(w):
            e = draws[q] * strength
            pixel = y[i, r, q]
            a, b, d = np.float32(0), np.float32(0), np.float32(0)
            if keep:
                for k in range(c):
                    v = wide(pixel[k]) * scale[k] + bias[k] + e
                    v = min(max(max(v, _SLOPE * v), -limit), limit)
                    a += v * red[k]
                    b += v * green[k]
                    d += v * blue[k]
                    pixel[k] = narrow(v * style[k], pixel[k])
            else:
                for k in range(c):
                    v = wide(pixel[k]) * scale[k] + bias[k] + e
                    v = min(max(max(v, _SLOPE * v), -limit), limit)
                    a += v * red[k]
                    b += v * green[k]
                    d += v * blue[k]
            rgb[i, 0, r, q] = min(max(a + rgb_bias[0], -limit), limit)
            rgb[i, 1, r, q] = min(max(b + rgb_bias[1], -limit), limit)
            rgb[i, 2, r, q] = min(max(d + rgb_bias[2], -limit), limit)
        if below.shape[2]:
            _add_doubled(below[i], rgb[i], r)


@numba.njit(inline="always")
def _add_doubled(below: Any, rgb: Any, r: int) -> None:
    """Add row r of the picture `below` (3, h / 2, w / 2), doubled with the low-pass filter, to rgb (3, h, w)."""
    h, w = below.shape[1:]
    near, far = r // 2, r // 2 + (1 if r % 2 else -1)
    for colour in range(3):
        for q in range(2 * w):
            left, right = q // 2, q // 2 + (1 if q % 2 else -1)
            v = np.float32(0.5625) * below[colour, near, left]
            if 0 <= right < w:
                v += np.float32(0.1875) * below[colour, near, right]
            if 0 <= far < h:
                v += np.float32(0.1875) * below[colour, far, left]
                if 0 <= right < w:
                    v += np.float32(0.0625) * below[colour, far, right]
            rgb[colour, r, q] += v


@compiled
def filter_and_finish(start: int, stop: int, y: Any, x: Any, p: Any, noise: Any, strength: Any, limit: Any) -> None:
    """Turn the answer y (n, h + 1, w + 1, c) of a transposed convolution into the next one's input x (n, h, w, c).

    As `finish`, for rows [start, stop) of n·h, after the low-pass filter of a doubled resolution; p is (n, 3, c), the
    gain of the filter, 1/16, is in its demodulation, and nothing is shown.
    """
    _, h, w, c = x.shape
    lines = np.empty((4, w, c), np.float32)  # of y, filtered along the row; row r of x looks at r - 1 to r + 2
    done = start
    while done < stop:
        i, first = done // h, done % h
        last = min(h, first + stop - done)
        done += last - first
        scale, bias, style = p[i, 0], p[i, 1], p[i, 2]
        for r in range(first - 1, last + 2):
            line = lines[r % 4]
            if r < 0 or r > h:
                line[:] = np.float32(0)
            else:
                _filter_row(y[i, r], line)
            if r < first + 2:
                continue
            above, upper, lower, beneath = lines[(r - 3) % 4], lines[(r - 2) % 4], lines[(r - 1) % 4], lines[r % 4]
            draws = noise[i % noise.shape[0], r - 2]
            for q in range(w):
                e = draws[q] * strength
                s, t, u, v4, pixel = above[q], upper[q], lower[q], beneath[q], x[i, r - 2, q]
                for k in range(c):
                    v = (s[k] + v4[k] + _THREE * (t[k] + u[k])) * scale[k] + bias[k] + e
                    v = min(max(max(v, _SLOPE * v), -limit), limit)
                    pixel[k] = narrow(v * style[k], pixel[k])


@numba.njit(inline="always")
def _filter_row(row: Any, line: Any) -> None:
    """Filter row (w + 1, c) by 1, 3, 3, 1 into line (w, c), beyond the borders with zeros."""
    w, c = line.shape
    for q in range(w):
        o, near, next_ = line[q], row[q], row[q + 1]
        if 0 < q < w - 1:
            before, after = row[q - 1], row[q + 2]
            for k in range(c):
                o[k] = wide(before[k]) + wide(after[k]) + _THREE * (wide(near[k]) + wide(next_[k]))
        else:
            outer = row[q + 2] if q == 0 else row[q - 1]
            for k in range(c):
                o[k] = wide(outer[k]) + _THREE * (wide(near[k]) + wide(next_[k]))
