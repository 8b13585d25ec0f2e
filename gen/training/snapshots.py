"""What a generator's run saves, beside what every run does (`gen.training.folder`).

generator.safetensors       the running average: the checkpoint to use
discriminator.safetensors   to fine-tune from
kept/N.safetensors          the running average after N images, where they are asked to be kept
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.seen_images import NOTHING, UNKNOWN, SeenImages
from gen import checkpoint
from gen.training.data import TrainingData
from gen.training.folder import Folder
from gen.training.trainer import Trainer


class RunFolder(Folder):
    """One run's files. Everything in it appears whole or not at all; see the module for what there is.

    Args:
        path: made if it is not there.
    """

    fixed = ("generator", "discriminator", "training.batch")
    begin_anew = "--from {path}/generator.safetensors"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.generator = path / "generator.safetensors"
        self.discriminator = path / "discriminator.safetensors"
        self.kept = path / "kept"

    def seen(self) -> SeenImages:
        """Images that the run which is here was trained on so far; none for a new one."""
        if not self.state.exists():
            return NOTHING
        return checkpoint.read_info(self.generator).seen_images if self.generator.exists() else UNKNOWN

    def save(
        self,
        trainer: Trainer,
        data: TrainingData,
        *,
        origin: str,
        licence: str,
        keep: bool,
        seen: SeenImages = UNKNOWN,
    ) -> None:
        """Write a snapshot. Killed at any moment, the folder holds the last one or this one.

        Args:
            origin, licence: for the checkpoints.
            keep: the generator for good, beside the newest.
            seen: all images that the networks were trained on.

        Raises:
            TrainingError: weights that are no numbers, or a file that cannot be written; nothing is replaced then
                that a resumed run needs.
        """
        trainer.check_weights()
        trainer.average.update_label_centres()
        about: dict[str, Any] = {
            "origin": origin,
            "licence": licence,
            "images_seen": trainer.images_seen,
            "training_counts": data.counts,
            "seen": seen,
        }
        with self.writing():
            if keep:
                checkpoint.save(self.kept / f"{trainer.images_seen:09d}.safetensors", trainer.average, **about)
            checkpoint.save(self.generator, trainer.average, **about)
            checkpoint.save(self.discriminator, trainer.discriminator, **about)
            self.save_state(trainer)
