"""Low-pass filter for changes of resolution, [1, 3, 3, 1] along both axes, differentiable any number of times.

There are four forms, all with zeros around the maps. Each is linear and the adjoint of another form, which is therefore
its gradient. Autograd would use the general gradient of a convolution, and spread the gradient of every other pixel
over zeros first: on a CPU this needs three times the memory traffic of the filter.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import numba
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gen.kernels.compiled_loops import array, compile_loop, narrow, run_parts, widen

FIR = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
LOW_PASS: Final = torch.outer(FIR, FIR)
"""The filter, (4, 4), with sum 1."""

_THREE = np.float32(3)


class Way(Enum):
    """Change of the side of a map by the low-pass filter."""

    SHORTEN = "r -> r - 1"
    LENGTHEN = "r -> r + 1"
    HALVE = "2r -> r"
    DOUBLE = "r -> 2r"

    @property
    def adjoint(self) -> Way:
        return {
            Way.SHORTEN: Way.LENGTHEN,
            Way.LENGTHEN: Way.SHORTEN,
            Way.HALVE: Way.DOUBLE,
            Way.DOUBLE: Way.HALVE,
        }[self]


def low_pass(x: Tensor, way: Way, fir: Tensor) -> Tensor:
    """Filter every map of x (n, c, h, w).

    Args:
        fir: (4, 4), a multiple of LOW_PASS, on the device of x.
    """
    filtered: Tensor = _LowPass.apply(x, way, fir)  # type: ignore[no-untyped-call]
    return filtered


class _LowPass(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, way: Way, fir: Tensor) -> Tensor:
        ctx.way, ctx.fir = way, fir
        if x.device.type == "cpu" and x.dtype == torch.bfloat16 and way is not Way.HALVE:
            return _filter_in_passes(x, way, fir)
        return _convolve(x, way, fir)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return low_pass(gradients[0], ctx.way.adjoint, ctx.fir), None, None


def _convolve(x: Tensor, way: Way, fir: Tensor) -> Tensor:
    """Filter every map by a convolution of its own."""
    channels = x.shape[1]
    kernels = fir.to(x.dtype).expand(channels, 1, 4, 4)
    if way is Way.DOUBLE:
        return F.conv_transpose2d(x, kernels, stride=2, padding=1, groups=channels)
    stride, padding = 2 if way is Way.HALVE else 1, 2 if way is Way.LENGTHEN else 1
    return F.conv2d(x, kernels, stride=stride, padding=padding, groups=channels)


def _filter_in_passes(x: Tensor, way: Way, fir: Tensor) -> Tensor:
    x = x.detach().contiguous(memory_format=torch.channels_last)
    n, c, h, w = x.shape
    unit = np.float32(fir[0, 0].item())
    padding = 2 if way is Way.LENGTHEN else 1
    size = (2 * h, 2 * w) if way is Way.DOUBLE else (h + 2 * padding - 3, w + 2 * padding - 3)
    y = torch.empty((n, c, *size), dtype=x.dtype, memory_format=torch.channels_last)
    if way is Way.DOUBLE:
        run_parts(_double, 2 * n * h, array(x), array(y), unit)
    else:
        run_parts(_filter, n * size[0], array(x), array(y), padding, unit)
    return y


@compile_loop
def _filter(start: int, stop: int, x: Any, y: Any, padding: int, unit: Any) -> None:
    """Filter x (n, h, w, c) to y (n, h + 2·padding - 3, w + 2·padding - 3, c); unit: the filter's outermost value."""
    _, h, w, c = x.shape
    rows = y.shape[1]
    for part in range(start, stop):
        i, r = part // rows, part % rows
        line = np.zeros((w + 2 * padding) * c, np.float32)  # four rows of x, filtered down the columns
        middle = line[padding * c : (padding + w) * c]
        first = r - padding
        if first >= 0 and first + 3 < h:
            s, t, u, v = _flat(x[i, first]), _flat(x[i, first + 1]), _flat(x[i, first + 2]), _flat(x[i, first + 3])
            for k in range(w * c):
                middle[k] = (widen(s[k]) + widen(v[k]) + _THREE * (widen(t[k]) + widen(u[k]))) * unit
        else:
            for tap in range(4):
                if 0 <= first + tap < h:
                    weight = _THREE * unit if 0 < tap < 3 else unit
                    s = _flat(x[i, first + tap])
                    for k in range(w * c):
                        middle[k] += weight * widen(s[k])
        o = _flat(y[i, r])
        here, near, next_, after = line[: o.size], line[c : c + o.size], line[2 * c : 2 * c + o.size], line[3 * c :]
        for k in range(o.size):
            o[k] = narrow(here[k] + after[k] + _THREE * (near[k] + next_[k]), o[k])


@compile_loop
def _double(start: int, stop: int, x: Any, y: Any, unit: Any) -> None:
    """Filter x (n, h, w, c) with zeros between its pixels, as `_filter` would, to y (n, 2h, 2w, c)."""
    _, h, w, c = x.shape
    for part in range(start, stop):
        i, r = part // (2 * h), part % (2 * h)
        near, far = r // 2, r // 2 + (1 if r % 2 else -1)
        line = np.zeros((w + 2) * c, np.float32)  # two rows of x, filtered down the columns
        middle = line[c : (w + 1) * c]
        s, t = _flat(x[i, near]), _flat(x[i, max(0, min(far, h - 1))])
        less = unit if 0 <= far < h else np.float32(0)
        for k in range(w * c):
            middle[k] = _THREE * unit * widen(s[k]) + less * widen(t[k])
        pairs = y[i, r].reshape((w, 2, c))
        even, odd = pairs[:, 0], pairs[:, 1]
        left, here, right = line[: w * c].reshape((w, c)), middle.reshape((w, c)), line[2 * c :].reshape((w, c))
        for q in range(w):
            for k in range(c):
                v = _THREE * here[q, k]
                even[q, k] = narrow(v + left[q, k], even[q, k])
                odd[q, k] = narrow(v + right[q, k], odd[q, k])


@numba.njit(inline="always")
def _flat(row: Any) -> Any:
    return row.reshape(-1)
