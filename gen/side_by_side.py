"""Images side by side on the cores: each thread computes some of them alone, and none waits for another before the end.

PyTorch's operations, shared out over all cores one by one, wait for each other after each; small ones do little else.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

_T = TypeVar("_T")


def parts_of(n: int) -> list[slice]:
    """n images in as many parts as PyTorch has threads, or fewer."""
    count = min(torch.get_num_threads(), n)
    ends = [n * part // count for part in range(count + 1)]
    return [slice(*ends[part : part + 2]) for part in range(count)]


def side_by_side(function: Callable[[slice], _T], parts: list[slice]) -> list[_T]:
    """What a function makes of each part, without gradients, on as many threads as PyTorch has."""
    if len(parts) == 1 or torch.get_num_threads() == 1:
        return [function(part) for part in parts]
    return list(_workers(torch.get_num_threads()).map(torch.no_grad()(function), parts))


@cache
def _workers(threads: int) -> ThreadPoolExecutor:
    """Threads that compute alone: no operation of theirs is shared out further."""
    return ThreadPoolExecutor(
        threads, thread_name_prefix="gestaltgen-images", initializer=torch.set_num_threads, initargs=(1,)
    )
