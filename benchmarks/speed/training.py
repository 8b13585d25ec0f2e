"""Training steps at 128 px, with the preset `phantom` and all its regularisation.

One call trains the steps of one whole interval of the R1 penalty.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Final

import torch

from benchmarks.harness import flops
from benchmarks.harness.comparing import PUBLISHED, MeasurementPlan, Subject, Variant, Way, Work, compare_ways
from benchmarks.harness.entries import BenchmarkEntry
from benchmarks.harness.memory import measure_peak_mb
from benchmarks.speed.published import compute_published_way
from gen.labels import Vocabulary
from gen.networks import Discriminator
from gen.training.data import TrainingImages
from gen.training.presets import Preset, phantom
from gen.training.recipe import fastest_precision
from gen.training.trainer import Trainer

SIZE: Final = 128
BUDGET_S: Final = 20.0


def make_work(way: Way, precision: str, steps: int) -> Work:
    """Make the function that trains a number of steps with a trainer of its own."""
    return _make_steps(_make_trainer(precision), way, steps)


def measure(plan: MeasurementPlan) -> Iterator[BenchmarkEntry]:
    recipe = _make_preset().training
    name, flop = f"training-step-{SIZE}", recipe.r1_interval * recipe.batch * _count_step_flop()
    subject = Subject(name, recipe.batch, unit="step", units=recipe.r1_interval, flop=flop)
    variants: list[Variant] = [PUBLISHED, ("ours", "float32")]
    if fastest_precision(torch.device("cpu")) == "bfloat16":
        variants.append(("ours", "bfloat16"))
    trainers = {variant: _make_trainer(variant[1]) for variant in variants}
    works, first = (
        {variant: _make_steps(trainer, variant[0], steps) for variant, trainer in trainers.items()}
        for steps in (recipe.r1_interval, 1)
    )

    def memory(variant: Variant) -> float | None:
        return None if plan.quick else measure_peak_mb("training", way=variant[0], precision=variant[1], steps=2)

    yield from compare_ways(subject, works, plan, BUDGET_S, warm_up=first, memory=memory)


def _make_steps(trainer: Trainer, way: Way, steps: int) -> Work:
    def make() -> None:
        with compute_published_way(per_image_kernels=False) if way == "published" else nullcontext():
            for _ in range(steps):
                trainer.step()

    return make


def _make_preset() -> Preset:
    chosen, vocabulary = phantom(SIZE), Vocabulary()
    return replace(
        chosen,
        generator=replace(chosen.generator, vocabulary=vocabulary),
        discriminator=replace(chosen.discriminator, vocabulary=vocabulary),
    )


def _make_trainer(precision: str) -> Trainer:
    preset, draw = _make_preset(), torch.Generator().manual_seed(0)
    data = TrainingImages(
        torch.randint(0, 256, (256, 3, SIZE, SIZE), dtype=torch.uint8, generator=draw),
        Vocabulary().encode("WS", "child").expand(256, -1),
    )
    config = replace(preset.training, precision=precision)  # type: ignore[arg-type]
    return Trainer(preset.generator, preset.discriminator, config, data)


def _count_step_flop() -> float:
    """Count the operations of a step for each image of the batch.

    A gradient takes as many operations as the forward pass, once for the inputs and once for the weights. The generator
    makes images for the discriminator (1) and learns (3), through the discriminator (2), which learns from false and
    real images (6); its penalty, when due, differentiates the gradient of its inputs (6).
    """
    preset = _make_preset()
    net, image, label = (
        Discriminator(preset.discriminator),
        torch.zeros(1, 3, SIZE, SIZE),
        Vocabulary().encode("WS", "child")[None],
    )
    with compute_published_way(per_image_kernels=False):
        judged = flops.count_flop(lambda: net(image, label))
    return 4 * flops.count_generation(preset.generator) + (8 + 6 / preset.training.r1_interval) * judged
