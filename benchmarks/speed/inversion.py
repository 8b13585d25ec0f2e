"""Inversion of aligned faces with the shipped weights: encoder and five passes of the hypernetwork.

All passes are made whatever they bring, so that both ways do the same.
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
from benchmarks.harness.comparing import MEMORY_BATCH, PUBLISHED, Plan, Subject, Variant, Way, Work, compare
from benchmarks.harness.entries import Entry
from benchmarks.harness.memory import peak_mb
from benchmarks.speed.published import published_way
from faces.images import to_tensor
from faces.phantoms.drawing import draw
from faces.phantoms.phantom_dataset import nth_phantom
from gen import checkpoint
from gen.precision import DTYPES
from inversion import inverter_file
from inversion.inverter import Inverter

PASSES: Final = 5
BATCHES: Final = (1, 8)
BUDGET_S: Final = 15.0


def work(batch: int, way: Way, precision: str) -> Work:
    """What inverts one batch of phantoms."""
    inverter = _inverter()
    side = inverter.generator.config.resolution
    faces = to_tensor(np.stack([draw(nth_phantom(1, index), side).image for index in range(batch)]))
    chosen = {"precision": precision} if way == "ours" and _takes_precision() else {}

    def invert() -> None:
        with published_way(per_image_kernels=True) if way == "published" else nullcontext():
            inverter.invert(faces, PASSES, **chosen)  # type: ignore[arg-type]

    return invert


def measure(plan: Plan) -> Iterator[Entry]:
    precisions = list(DTYPES) if _takes_precision() else ["float32"]
    inverter = _inverter()
    side, each = inverter.generator.config.resolution, _flop(inverter)
    for batch in BATCHES:
        variants: list[Variant] = [PUBLISHED, *(("ours", precision) for precision in precisions)]

        def memory(variant: Variant, batch: int = batch) -> float | None:
            if plan.quick or batch != MEMORY_BATCH:
                return None
            return peak_mb("inversion", batch=batch, way=variant[0], precision=variant[1])

        works = {(way, precision): work(batch, way, precision) for way, precision in variants}
        subject = Subject(f"inversion-{side}", batch, units=batch, flop=batch * each)
        yield from compare(subject, works, plan, BUDGET_S, memory=memory)
    _inverter.cache_clear()


def _takes_precision() -> bool:
    return "precision" in inspect.signature(Inverter.invert).parameters


@cache
def _inverter() -> Inverter:
    path = weights.default()
    generator = checkpoint.load_generator(path).requires_grad_(False)
    inverter = inverter_file.load(weights.companions(path)["inverter"], generator)
    inverter.least_gain = None
    return inverter


def _flop(inverter: Inverter) -> int:
    """For one face."""
    side, shown = inverter.generator.config.resolution, inverter.hypernet.config.side
    with published_way(per_image_kernels=True):
        encoder = flops.counted(lambda: inverter.w_encoder(torch.zeros(1, 3, side, side)))
        hypernetwork = flops.counted(lambda: inverter.hypernet(torch.zeros(1, 6, shown, shown)))
    return encoder + PASSES * hypernetwork + (1 + PASSES) * flops.synthesis(inverter.generator.config)
