"""Training steps at 128 px, the preset `phantom` with all its regularisation: the published way, and ours."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch

from benchmarks.published import published_way
from benchmarks.timing import images_per_s, show
from gen.labels import Vocabulary
from gen.training.data import TrainingImages
from gen.training.presets import phantom
from gen.training.recipe import TrainingPrecision, fastest_precision
from gen.training.trainer import Trainer

CPU = torch.device("cpu")


def main() -> None:
    vocabulary, preset = Vocabulary(), phantom(128)
    data = TrainingImages(
        torch.randint(0, 256, (256, 3, 128, 128), dtype=torch.uint8), vocabulary.encode("WS", "child").expand(256, -1)
    )

    def steps(precision: TrainingPrecision, way: Callable[[], AbstractContextManager[None]]) -> Callable[[], int]:
        config = replace(preset.training, precision=precision)
        networks = [replace(net, vocabulary=vocabulary) for net in (preset.generator, preset.discriminator)]
        trainer = Trainer(*networks, config, data)  # type: ignore[arg-type]

        def run() -> int:
            with way():
                for _ in range(config.r1_interval):
                    trainer.step()
            return config.r1_interval * config.batch

        return run

    runs = {
        "published way, float32": steps("float32", lambda: published_way(per_image_kernels=False)),
        "ours, float32": steps("float32", nullcontext),
    }
    if fastest_precision(CPU) == "bfloat16":
        runs["ours, bfloat16"] = steps("bfloat16", nullcontext)
    else:
        print("\nbfloat16 is no faster on this processor: float32 alone is measured")
    rates = images_per_s(runs, rounds=1)
    show(f"training, 128 px, batch {preset.training.batch}, {torch.get_num_threads()} threads", rates)
