"""A generator's training run in a folder: resumed if it is there, reported, sampled and saved as it goes."""

from __future__ import annotations

from collections.abc import Callable

from core.seen_images import NOTHING, SeenImages
from core.stop_signals import StopRequest
from gen.precision import Precision
from gen.training.data import TrainingData
from gen.training.grids import cells_sheet, progression_sheet
from gen.training.loop import RunSettings, run_steps
from gen.training.snapshots import RunFolder
from gen.training.telemetry import Progress
from gen.training.trainer import StepReport, Trainer


def train(
    trainer: Trainer,
    data: TrainingData,
    folder: RunFolder,
    settings: RunSettings,
    *,
    origin: str,
    stop: StopRequest,
    on_progress: Callable[[Progress[StepReport]], None],
    begun_as: SeenImages = NOTHING,
) -> None:
    """`run_steps`, with the snapshots and sheets of a generator; errors as there.

    Args:
        begun_as: images that the networks which a new run begins as were trained on. One that is resumed knows them.
    """
    # With --change a run may go on with other data: what it saw before stays seen.
    seen = data.seen | (begun_as if folder.images_seen() is None else folder.seen())

    def save(keep: bool) -> None:
        folder.save(trainer, data, origin=origin, licence=settings.licence, keep=keep, seen=seen)
        precision: Precision = "float32" if trainer.config.precision == "float32" else "bfloat16"
        for name, sheet in (("progressions", progression_sheet), ("cells", cells_sheet)):
            folder.save_sheet(name, trainer.images_seen, sheet(trainer.average, precision=precision))

    run_steps(trainer, folder, settings, save=save, stop=stop, on_progress=on_progress)
