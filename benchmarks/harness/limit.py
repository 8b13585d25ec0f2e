"""Arithmetic limit of the machine: the highest rate of operations, of which the speed of a network is a share.

The limit holds for direct convolution, whose operations `benchmarks.harness.flops` counts. A way with fewer operations,
such as Winograd's, may exceed it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

import torch
import torch.nn.functional as F

CONVOLUTIONS: Final = ((8, 64, 128), (8, 128, 64), (8, 256, 32), (8, 512, 16))
"""Images, maps in and out, side: 3x3, channels last, 10 GFLOP each."""

MATRIX: Final = 2048

_TRIES: Final = 4


@torch.inference_mode()
def measure_flop_per_s(dtype: torch.dtype, device: str = "cpu") -> float:
    """Measure the highest rate over a few large 3x3 convolutions and a product of square matrices."""
    return max(_measure_rate(work, flop, device) for work, flop in _make_works(dtype, device))


def _make_works(dtype: torch.dtype, device: str) -> Iterator[tuple[Callable[[], object], int]]:
    for n, maps, side in CONVOLUTIONS:
        x = torch.randn(n, maps, side, side, device=device).to(dtype, memory_format=torch.channels_last)
        kernel = torch.randn(maps, maps, 3, 3, device=device).to(dtype, memory_format=torch.channels_last)
        yield lambda x=x, kernel=kernel: F.conv2d(x, kernel, padding=1), 18 * n * maps**2 * side**2  # type: ignore[misc]
    a = torch.randn(MATRIX, MATRIX, device=device).to(dtype)
    yield lambda: a @ a, 2 * MATRIX**3


def _measure_rate(work: Callable[[], object], flop: int, device: str) -> float:
    best = 0.0
    for attempt in range(1 + _TRIES):
        began = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        if attempt:
            best = max(best, flop / (time.perf_counter() - began))
    return best
