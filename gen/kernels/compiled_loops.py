"""Compilation of loops over feature maps by numba, and their execution on as many threads as PyTorch has.

A loop is compiled when it is first called (some seconds, kept on disk for later processes). Maps are (n, h, w,
channels) arrays, float32 or bfloat16; as NumPy knows no bfloat16, those are given as their bits in uint16. All
arithmetic is float32.
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

llvmlite.binding.set_option("gestaltgen", "--runtime-memory-check-threshold=100")  # vectorise loops over many rows


def compile_loop(function: _F) -> _F:
    """Compile a function whose first two arguments are the first and the end of the parts that it computes."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
    try:
        made: _F = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # there is nowhere to keep what is compiled
        made = numba.njit(**options)(function)
    return made


def run_parts(function: Callable[..., None], parts: int, *arguments: Any) -> None:
    """Compute the parts [0, parts) of a compiled function on as many threads as PyTorch has.

    The threads are Python's, not numba's, which would wait actively beside PyTorch's and need a library of their own.
    """
    threads = min(torch.get_num_threads(), parts)
    ends = [parts * thread // threads for thread in range(threads + 1)]
    others = [_others(threads - 1).submit(function, *ends[at : at + 2], *arguments) for at in range(threads - 1)]
    function(*ends[-2:], *arguments)
    for other in others:
        other.result()


@cache
def _others(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="gestaltgen-loops")


def array(t: Tensor) -> Any:
    """View maps (n, c, h, w), channels last in memory, as the array (n, h, w, c) that loops take."""
    t = t.permute(0, 2, 3, 1)
    return t.view(torch.uint16).numpy() if t.dtype == torch.bfloat16 else t.numpy()


def widen(x: Any) -> Any:
    """Convert a stored value to float32."""


def narrow(v: Any, like: Any) -> Any:
    """Convert a float32 value to the type of `like`, rounded to nearest, ties to even."""


@overload(widen, inline="always", strict=False)
def _(x: Any) -> Any:
    if x == numba.types.uint16:
        return lambda x: np.uint32(np.uint32(x) << np.uint32(16)).view(np.float32)
    return lambda x: x


@overload(narrow, inline="always", strict=False)
def _(v: Any, like: Any) -> Any:
    if like == numba.types.uint16:

        def round_half_even(v: Any, like: Any) -> Any:
            bits = np.float32(v).view(np.uint32)
            even = (bits >> np.uint32(16)) & np.uint32(1)
            return np.uint16(np.uint32(bits + np.uint32(0x7FFF) + even) >> np.uint32(16))

        return round_half_even
    return lambda v, like: v
