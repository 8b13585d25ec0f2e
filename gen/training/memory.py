"""Memory: what a run takes, and how to keep the C library from handing it back and asking for it again every step."""

from __future__ import annotations

import ctypes
import resource
import sys
from typing import Final

import torch

from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.training.recipe import TRAINING_DTYPES, TrainingConfig

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
    """Most memory taken so far: of the GPU, or of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def estimated_bytes(
    generator: GeneratorConfig,
    discriminator: DiscriminatorConfig,
    config: TrainingConfig,
    parameters: int,
    processes: int = 1,
) -> int:
    """About what training takes beside the data: weights, and the feature maps of the step that keeps most.

    Args:
        parameters: of generator and discriminator together.
    """
    weights = 5 * 4 * parameters  # weight, gradient, two moments, and the average or a copy in low precision
    values = sum(
        network.channels(r) * r * r for network in (generator, discriminator) for r in network.block_resolutions
    )
    width = TRAINING_DTYPES[config.precision].itemsize
    return weights + _LIBRARIES + _MAPS_KEPT * values * width * (config.batch // processes)


_MAPS_KEPT: Final = 11
"""Copies of every feature map, measured with phantom networks of 64 and 128 px on a CPU."""

_LIBRARIES: Final = 100_000_000
