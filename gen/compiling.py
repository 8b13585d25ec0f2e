"""Compile ahead what is compiled when it is first used."""

from __future__ import annotations

from functools import cache

import torch

from core.precision import PRECISIONS, dtype_of
from gen.config import GeneratorConfig
from gen.networks import Generator


@cache
@torch.no_grad()
def compile_passes() -> None:
    """Compile what `Generator.synthesize` uses on a CPU, in both precisions: some ten seconds the first time on a
    machine, and a fraction of one later."""
    tiny = Generator(GeneratorConfig(16, 8, 8, 1, channel_base=1024, channel_max=64, vocabulary=None))
    for dtype in map(dtype_of, PRECISIONS):
        tiny.synthesize(torch.zeros(1, tiny.config.num_ws, tiny.config.w_dim), dtype=dtype)
