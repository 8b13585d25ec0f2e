"""A generator's training run in a folder: resumed if it is there, reported, sampled and saved as it goes."""

from __future__ import annotations

from collections.abc import Callable

from gen.precision import Precision
from gen.training.data import TrainingData
from gen.training.grids import cells_sheet, progression_sheet
from gen.training.loop import RunSettings, run_steps
from gen.training.snapshots import RunFolder
from gen.training.stopping import StopWish
from gen.training.telemetry import Progress
from gen.training.trainer import StepReport, Trainer


def train(
    trainer: Trainer,
    data: TrainingData,
    folder: RunFolder,
    settings: RunSettings,
    *,
    origin: str,
    stop: StopWish,
    on_progress: Callable[[Progress[StepReport]], None],
) -> None:
    """`run_steps`, with the snapshots and sheets of a generator; errors as there."""

    def save(keep: bool) -> None:
        folder.save(trainer, data, origin=origin, licence=settings.licence, keep=keep)
        precision: Precision = "float32" if trainer.config.precision == "float32" else "bfloat16"
        for name, sheet in (("progressions", progression_sheet), ("cells", cells_sheet)):
            folder.save_sheet(name, trainer.images_seen, sheet(trainer.average, precision=precision))

    run_steps(trainer, folder, settings, save=save, stop=stop, on_progress=on_progress)
