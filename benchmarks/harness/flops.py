"""Number of operations that networks need by definition; a multiplication with its addition counts as two.

Convolutions, matrices and styles count; modulation, the low-pass filter, noise and activations do not: they pass over
memory. A transposed convolution of stride 2 counts at its input's size. However a network is computed, its count stays.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from gen.config import GeneratorConfig


def count_generation(config: GeneratorConfig) -> int:
    """Count the operations for one image, from its random vector."""
    return count_mapping(config) + count_synthesis(config)


def count_mapping(config: GeneratorConfig) -> int:
    """Count the operations for one latent."""
    inner, labels = config.z_dim, 0
    if config.vocabulary:
        half = config.z_dim // 2
        labels = len(config.vocabulary.conditions) * half + len(config.vocabulary.ages) * (config.z_dim - half)
        inner = 2 * config.z_dim
    layers = [inner, *[config.w_dim] * (config.mapping_layers - 1)][: config.mapping_layers]
    return 2 * (labels + sum(size * config.w_dim for size in layers))


def count_synthesis(config: GeneratorConfig) -> int:
    """Count the operations for one image, from its latents."""
    total = 0
    for resolution in config.block_resolutions:
        maps, pixels = config.channels(resolution), resolution**2
        if resolution > 4:
            before = config.channels(resolution // 2)
            total += 9 * before * maps * pixels // 4 + config.w_dim * before
        total += 9 * maps * maps * pixels + config.w_dim * maps
        total += 3 * maps * pixels + config.w_dim * maps
    return 2 * total


@torch.no_grad()
def count_flop(work: Callable[[], object]) -> int:
    """Count the operations of a function in convolutions and matrix products, low-pass filters included."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())
