"""Images from random vectors, mapping and synthesis, for several sizes, batches and precisions.

Weights are random, and the noise has a strength, as after training. 256 and 512 px are the networks of the preset
`paper256`, 64 and 128 px those of `phantom` with one centre of truncation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Final

import torch
from rich.console import Console

from benchmarks.harness import flops
from benchmarks.harness.comparing import (
    MEMORY_BATCH,
    PUBLISHED,
    MeasurementPlan,
    Subject,
    Variant,
    Way,
    Work,
    compare_ways,
)
from benchmarks.harness.entries import BenchmarkEntry
from benchmarks.harness.memory import measure_peak_mb
from benchmarks.speed.published import compute_published_way
from core.precision import PRECISIONS
from gen.config import GeneratorConfig
from gen.labels import Vocabulary
from gen.networks import Generator
from gen.training.presets import paper256

SIZES: Final = (64, 128, 256, 512)
BATCHES: Final = (1, 8, 32)
QUICK: Final = ((256, 8), (128, 8))

BUDGET_S: Final = 15.0
"""Seconds for the rounds of one size and batch."""

WARM_UP: Final = 8
"""Largest number of images of a call before the measurement."""

MOST_BYTES: Final = 4e9
"""Largest memory that the published way may take; larger shapes are left out."""

MAPS_AT_ONCE: Final = 5
"""Number of feature maps of the largest size that the published way holds at a time; measured at 256 px."""

_NOISE: Final = 0.1
_GPU: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def make_config(resolution: int) -> GeneratorConfig:
    """Return the configuration of the network of a size."""
    if resolution >= 256:
        chosen = paper256(resolution).generator
        return GeneratorConfig(resolution, vocabulary=Vocabulary(), conv_clamp=chosen.conv_clamp)
    return GeneratorConfig(resolution, 128, 128, channel_base=4096, channel_max=128, vocabulary=Vocabulary())


def make_work(resolution: int, batch: int, way: Way, precision: str, device: str = "cpu") -> Work:
    """Make the function that generates one batch."""
    net = _make_network(resolution, device)
    draw = torch.Generator().manual_seed(0)
    z = torch.randn(batch, net.config.z_dim, generator=draw).to(device)
    c = torch.full((batch, net.config.c_dim), 0.2, device=device)

    @torch.inference_mode()
    def make() -> torch.Tensor:
        with _open_context(way):
            images = net.synthesize(net.map(z, c, truncation=0.6), noise="const", dtype=_GPU[precision])
        if device == "cuda":
            torch.cuda.synchronize()
        return images

    return make


def measure(plan: MeasurementPlan) -> Iterator[BenchmarkEntry]:
    for resolution, batch in QUICK if plan.quick else [(size, batch) for size in SIZES for batch in BATCHES]:
        if estimate_published_bytes(make_config(resolution), batch) > MOST_BYTES:
            Console(stderr=True).print(
                f"generate-{resolution}, batch {batch}: left out, the published way takes > 4 GB"
            )
            continue
        yield from _measure_on("cpu", resolution, batch, plan)
        if torch.cuda.is_available():
            yield from _measure_on("cuda", resolution, batch, plan)
    _make_network.cache_clear()


def estimate_published_bytes(config: GeneratorConfig, batch: int) -> int:
    """Estimate the memory that the published way takes."""
    largest = max(config.channels(size) * size**2 for size in config.block_resolutions)
    return MAPS_AT_ONCE * 4 * largest * batch


def _measure_on(device: str, resolution: int, batch: int, plan: MeasurementPlan) -> list[BenchmarkEntry]:
    on_gpu = device == "cuda"
    precisions = _GPU if on_gpu else PRECISIONS
    variants: list[Variant] = [PUBLISHED, *(("ours", precision) for precision in precisions)]
    subject = Subject(
        f"generate-{resolution}" + ("-cuda" if on_gpu else ""),
        batch,
        units=batch,
        flop=batch * flops.count_generation(make_config(resolution)),
        suffix=", GPU" if on_gpu else "",
    )

    def memory(variant: Variant) -> float | None:
        if plan.quick or on_gpu or batch != MEMORY_BATCH:
            return None
        return measure_peak_mb("generation", resolution=resolution, batch=batch, way=variant[0], precision=variant[1])

    works, first = (
        {(way, precision): make_work(resolution, size, way, precision, device) for way, precision in variants}
        for size in (batch, min(batch, WARM_UP))
    )
    return compare_ways(subject, works, plan, BUDGET_S, warm_up=first, memory=memory)


def _open_context(way: Way) -> AbstractContextManager[None]:
    return compute_published_way(per_image_kernels=True) if way == "published" else nullcontext()


@cache
def _make_network(resolution: int, device: str) -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(resolution)
        net = Generator(make_config(resolution)).eval().requires_grad_(False)
    for name, parameter in net.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(_NOISE)
    return net.to(device)
