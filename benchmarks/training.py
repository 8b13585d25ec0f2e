"""Training steps of the preset `phantom64`, regularisation included: float32 against bfloat16."""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmarks.timing import images_per_s, show
from gen.labels import Vocabulary
from gen.precision import Precision
from gen.training import Trainer, TrainingImages, presets


def main() -> None:
    vocabulary = Vocabulary()
    generator, discriminator, config = presets()["phantom64"]
    data = TrainingImages(
        torch.randint(0, 256, (256, 3, generator.resolution, generator.resolution), dtype=torch.uint8),
        vocabulary.encode().expand(256, -1),
    )

    def trainer(precision: Precision) -> Trainer:
        return Trainer(
            replace(generator, vocabulary=vocabulary),
            replace(discriminator, vocabulary=vocabulary),
            replace(config, precision=precision),
            data,
        )

    def steps(run: Trainer) -> int:
        for _ in range(config.r1_interval):
            run.step()
        return config.r1_interval * config.batch

    runs = {precision: trainer(precision) for precision in ("float32", "bfloat16")}  # type: ignore[arg-type]
    rates = images_per_s({name: lambda run=run: steps(run) for name, run in runs.items()}, rounds=2)  # type: ignore[misc]
    show(f"training, phantom64, batch {config.batch}, {torch.get_num_threads()} threads", rates)
