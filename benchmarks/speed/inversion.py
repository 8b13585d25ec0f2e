"""Inversion of aligned faces with the shipped weights: encoder and five passes of the hypernetwork.

All passes are computed whether they improve the result or not, so that both ways do the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from typing import Final

import numpy as np
import torch

import weights
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
from benchmarks.harness.machine import has_bfloat16
from benchmarks.harness.memory import measure_peak_mb
from benchmarks.speed.published import compute_published_way
from core.precision import PRECISIONS
from faces.images import to_tensor
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from gen import checkpoint
from inversion import inverter_file
from inversion.inverter import Inverter

PASSES: Final = 5
BATCHES: Final = (1, 8)
BUDGET_S: Final = 15.0


def make_work(batch: int, way: Way, precision: str) -> Work:
    """Make the function that inverts one batch of phantoms."""
    inverter = _load_inverter()
    side = inverter.generator.config.resolution
    faces = to_tensor(np.stack([draw_phantom(nth_phantom(1, index), side).image for index in range(batch)]))
    chosen = {"precision": precision} if way == "ours" and _can_choose_precision() else {}

    def invert() -> None:
        with compute_published_way(per_image_kernels=True) if way == "published" else nullcontext():
            inverter.invert(faces, PASSES, **chosen)  # type: ignore[arg-type]

    return invert


def measure(plan: MeasurementPlan) -> Iterator[BenchmarkEntry]:
    precisions = PRECISIONS if _can_choose_precision() and has_bfloat16() else ("float32",)
    inverter = _load_inverter()
    side, each = inverter.generator.config.resolution, _count_flop(inverter)
    for batch in BATCHES:
        variants: list[Variant] = [PUBLISHED, *(("ours", precision) for precision in precisions)]

        def memory(variant: Variant, batch: int = batch) -> float | None:
            if plan.quick or batch != MEMORY_BATCH:
                return None
            return measure_peak_mb("inversion", batch=batch, way=variant[0], precision=variant[1])

        works = {(way, precision): make_work(batch, way, precision) for way, precision in variants}
        subject = Subject(f"inversion-{side}", batch, units=batch, flop=batch * each)
        yield from compare_ways(subject, works, plan, BUDGET_S, memory=memory)
    _load_inverter.cache_clear()


def _can_choose_precision() -> bool:
    return "precision" in inspect.signature(Inverter.invert).parameters


@cache
def _load_inverter() -> Inverter:
    path = weights.default()
    generator = checkpoint.load_generator(path).requires_grad_(False)
    inverter = inverter_file.load(weights.companions(path)["inverter"], generator)
    inverter.least_gain = None
    return inverter


def _count_flop(inverter: Inverter) -> int:
    """Count the operations for one face."""
    side, shown = inverter.generator.config.resolution, inverter.hypernet.config.side
    with compute_published_way(per_image_kernels=True):
        encoder = flops.count_flop(lambda: inverter.w_encoder(torch.zeros(1, 3, side, side)))
        hypernetwork = flops.count_flop(lambda: inverter.hypernet(torch.zeros(1, 6, shown, shown)))
    return encoder + PASSES * hypernetwork + (1 + PASSES) * flops.count_synthesis(inverter.generator.config)
