"""The machine that a process runs on: its devices, cores and memory."""

from __future__ import annotations

import ctypes
import resource
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4


def keep_freed_memory() -> bool:
    """Let glibc keep large blocks that were freed, for the whole process.

    By default each tensor above some hundred kilobytes is mapped anew and cleared by the kernel page by page. Where
    the C library is another, nothing happens.

    Returns:
        Whether it was done.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))


def peak_bytes(device: torch.device) -> int:
    """Return the most memory taken so far: of the GPU, or of the process."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
