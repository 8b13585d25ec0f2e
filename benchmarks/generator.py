"""The bare generator: batch sizes and precisions."""

from __future__ import annotations

import torch

import weights
from benchmarks.timing import images_per_s, show
from gen import checkpoint
from gen.precision import DTYPES


@torch.inference_mode()
def main() -> None:
    net = checkpoint.load_generator(weights.default())

    def make(batch: int, precision: str) -> int:
        z = torch.randn(batch, net.config.z_dim)
        c = torch.full((batch, net.config.c_dim), 0.2)
        net.synthesize(net.map(z, c, truncation=0.6), dtype=DTYPES[precision])
        return batch

    rates = images_per_s(
        {
            f"{precision}, batch {batch}": lambda batch=batch, precision=precision: make(batch, precision)  # type: ignore[misc]
            for precision in DTYPES
            for batch in (1, 8, 32)
        }
    )
    show(f"generator, {net.config.resolution} px, {torch.get_num_threads()} threads", rates)
