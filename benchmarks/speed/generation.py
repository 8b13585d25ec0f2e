"""Images from random vectors, mapping and synthesis, for several sizes, batches and precisions.

Ours is `gen.inference`, which commands and service use on CPUs; on a GPU it is the layers. `shipped` is the default
checkpoint. The other networks have random weights, and their noise has a strength, as after training: 256 and 512 px
are the networks of the preset `paper256`, 64 and 128 px those of `phantom` with one centre of truncation. The network
of 128 px has more maps than the shipped one. Peers (`benchmarks.speed.peers`) take their latents from our mapping.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from typing import Final

import numpy as np
import torch
from rich.console import Console

import weights
from benchmarks.harness import flops
from benchmarks.harness.comparing import (
    MEMORY_BATCH,
    OURS,
    PUBLISHED,
    PUBLISHED_WAY,
    MeasurementPlan,
    Subject,
    Variant,
    Way,
    Work,
    compare_ways,
)
from benchmarks.harness.entries import BenchmarkEntry
from benchmarks.harness.machine import has_bfloat16
from benchmarks.harness.memory import measure_peak_mb
from benchmarks.speed.peers import Floats, Peer, Synthesis, list_peers
from benchmarks.speed.published import compute_published_way
from core.precision import PRECISIONS, Precision
from gen import checkpoint
from gen.config import GeneratorConfig
from gen.inference.generator import InferenceGenerator
from gen.labels import Vocabulary
from gen.networks import Generator
from gen.torch_inference import convert_generator
from gen.training.presets import paper256

SHIPPED: Final = "shipped"
"""Size of the default checkpoint, as an option and in the names of entries."""

SIZES: Final = ("64", "128", SHIPPED, "256", "512")
BATCHES: Final = (1, 8, 32)
QUICK: Final = (("256", 8), ("128", 8), (SHIPPED, 8))

BUDGET_S: Final = 15.0
"""Seconds for the rounds of one size and batch."""

TRUNCATION: Final = 0.6

WARM_UP: Final = 8
"""Largest number of images of a call before the measurement."""

MOST_BYTES: Final = 4e9
"""Largest memory that the published way may take; larger shapes are left out."""

MAPS_AT_ONCE: Final = 5
"""Number of feature maps of the largest size that the published way holds at a time; measured at 256 px."""

_NOISE: Final = 0.1
_GPU: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def make_config(size: str) -> GeneratorConfig:
    """Return the configuration of the network of a size."""
    if size == SHIPPED:
        return checkpoint.load_arrays(weights.default())[1]
    if int(size) >= 256:
        chosen = paper256(int(size)).generator
        return GeneratorConfig(int(size), vocabulary=Vocabulary(), conv_clamp=chosen.conv_clamp)
    return GeneratorConfig(int(size), 128, 128, channel_base=4096, channel_max=128, vocabulary=Vocabulary())


def make_work(size: str, batch: int, way: Way, precision: str, device: str = "cpu") -> Work:
    """Make the function that generates one batch; what it needs to compile is compiled."""
    if way == PUBLISHED_WAY or device == "cuda":
        return _make_torch_work(size, batch, way, precision, device)
    z, c = _draw_inputs(size, batch)
    net, chosen = _make_inference(size), _read_precision(precision)
    if way == OURS:
        net.synthesize(net.map(z[:2], c[:2], TRUNCATION), precision=chosen)
        return lambda: net.synthesize(net.map(z, c, TRUNCATION), precision=chosen)
    synthesize = _make_peer(size, way, chosen)
    synthesize(net.map(z, c, TRUNCATION))
    return lambda: synthesize(net.map(z, c, TRUNCATION))


def measure(plan: MeasurementPlan) -> Iterator[BenchmarkEntry]:
    for line in list_left_out(plan):
        _print_line(line)
    for size, batch in choose_shapes(plan):
        if estimate_published_bytes(make_config(size), batch) > MOST_BYTES:
            _print_line(f"generate-{size}, batch {batch}: left out, the published way takes > 4 GB")
            continue
        yield from _measure_on("cpu", size, batch, plan)
        if torch.cuda.is_available():
            yield from _measure_on("cuda", size, batch, plan)
        for cached in (_make_network, _make_inference, _make_peer):
            cached.cache_clear()


def choose_shapes(plan: MeasurementPlan) -> list[tuple[str, int]]:
    """Return the sizes and batches to measure."""
    every = QUICK if plan.quick else [(size, batch) for size in SIZES for batch in BATCHES]
    return [
        (size, batch)
        for size, batch in every
        if (not plan.sizes or size in plan.sizes) and (not plan.batches or batch in plan.batches)
    ]


def choose_peers(plan: MeasurementPlan) -> list[tuple[str, Precision]]:
    """Return the peers to measure, each in its precisions."""
    return [
        (peer.name, precision)
        for peer in list_peers()
        if not _explain_absence(peer, plan)
        for precision in peer.precisions
        if precision in _list_precisions()
    ]


def _explain_absence(peer: Peer, plan: MeasurementPlan) -> str:
    """Return the reason why a peer is not measured; empty if it is."""
    if peer.name in plan.without:
        return "as --without says"
    return peer.missing or ("as --quick says: it compiles for a minute" if plan.quick and peer.compiles else "")


def list_left_out(plan: MeasurementPlan) -> Iterator[str]:
    """Yield a line for each peer and precision that is not measured."""
    if not has_bfloat16():
        yield "bfloat16: left out on the CPU, which has no instructions for it"
    for peer in list_peers():
        if reason := _explain_absence(peer, plan):
            yield f"{peer.name}: left out, {reason}"


def _list_precisions() -> tuple[Precision, ...]:
    return PRECISIONS if has_bfloat16() else ("float32",)


def estimate_published_bytes(config: GeneratorConfig, batch: int) -> int:
    """Estimate the memory that the published way takes."""
    largest = max(config.channels(size) * size**2 for size in config.block_resolutions)
    return MAPS_AT_ONCE * 4 * largest * batch


def _measure_on(device: str, size: str, batch: int, plan: MeasurementPlan) -> list[BenchmarkEntry]:
    on_gpu = device == "cuda"
    variants: list[Variant] = [
        PUBLISHED,
        *((OURS, precision) for precision in (_GPU if on_gpu else _list_precisions())),
        *([] if on_gpu else choose_peers(plan)),
    ]
    subject = Subject(
        f"generate-{size}" + ("-cuda" if on_gpu else ""),
        batch,
        units=batch,
        flop=batch * flops.count_generation(make_config(size)),
        suffix=", GPU" if on_gpu else "",
    )

    def memory(variant: Variant) -> float | None:
        if plan.quick or plan.sizes or on_gpu or batch != MEMORY_BATCH:
            return None
        return measure_peak_mb("generation", size=size, batch=batch, way=variant[0], precision=variant[1])

    works = {variant: make_work(size, batch, *variant, device) for variant in variants}
    first = {
        variant: make_work(size, min(batch, WARM_UP), *variant, device)
        if on_gpu or variant[0] in (OURS, PUBLISHED_WAY)
        else lambda: None  # `make_work` has called it already
        for variant in variants
    }
    return compare_ways(subject, works, plan, BUDGET_S, warm_up=first, memory=memory)


def _make_torch_work(size: str, batch: int, way: Way, precision: str, device: str) -> Work:
    net = _make_network(size, device)
    z, c = (torch.from_numpy(array).to(device) for array in _draw_inputs(size, batch))

    @torch.inference_mode()
    def make() -> torch.Tensor:
        with compute_published_way(per_image_kernels=True) if way == PUBLISHED_WAY else nullcontext():
            images = net.synthesize(net.map(z, c, TRUNCATION), noise="const", dtype=_GPU[precision])
        if device == "cuda":
            torch.cuda.synchronize()
        return images

    return make


def _draw_inputs(size: str, batch: int) -> tuple[Floats, Floats]:
    """Return random vectors and labels, which are mixed."""
    config = make_config(size)
    z = np.random.default_rng(0).standard_normal((batch, config.z_dim)).astype(np.float32)
    return z, np.full((batch, config.c_dim), 0.2, np.float32)


def _read_precision(name: str) -> Precision:
    return next(precision for precision in PRECISIONS if precision == name)


@cache
def _make_network(size: str, device: str) -> Generator:
    if size == SHIPPED:
        return checkpoint.load_generator(weights.default()).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(size))
        net = Generator(make_config(size)).eval().requires_grad_(False)
    for name, parameter in net.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(_NOISE)
    return net.to(device)


@cache
def _make_inference(size: str) -> InferenceGenerator:
    return convert_generator(_make_network(size, "cpu"))


@cache
def _make_peer(size: str, name: str, precision: Precision) -> Synthesis:
    peer = next(peer for peer in list_peers() if peer.name == name)
    net = _make_network(size, "cpu")
    tensors = {key: tensor.numpy() for key, tensor in net.state_dict().items()}
    return peer.make(tensors, net.config, precision)


def _print_line(line: str) -> None:
    Console(stderr=True).print(line)
