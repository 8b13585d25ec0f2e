"""A generator's training run in a folder: prepared from options, resumed if it is there, reported, sampled and saved.

The folder of a run holds what every run saves (`core.run_folders.TrainingFolder`), and:

generator.safetensors       the running average: the checkpoint to use
discriminator.safetensors   to fine-tune from
kept/N.safetensors          the running average after N images, where they are asked to be kept
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from core.errors import ConfigError
from core.precision import Precision
from core.run_folders import TrainingFolder
from core.seen_images import NOTHING, UNKNOWN, SeenImages
from core.stop_signals import StopRequest
from faces.contact_sheets import contact_sheet
from faces.image_set_request import ImageSetRequest
from faces.images import Pixels, encode_png
from gen import checkpoint
from gen.imagesets import expand
from gen.labels import Vocabulary
from gen.networks import Generator
from gen.sampler import Sampler
from gen.training.data import TrainingData
from gen.training.loop import RunSettings, run_steps
from gen.training.telemetry import Progress
from gen.training.trainer import StepReport, Trainer

FOOTER: Final = "Synthetic images, no basis for a diagnosis."


class RunFolder(TrainingFolder):
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
            folder.save_sheet(name, trainer.images_seen, encode_png(sheet(trainer.average, precision=precision)))

    run_steps(trainer, folder, settings, save=save, stop=stop, on_progress=on_progress)


def progression_sheet(generator: Generator, persons: int = 2, precision: Precision = "float32") -> Pixels:
    """Contact sheet, uint8 (h, w, 3): age progressions of the same few people in every condition."""
    seeds = tuple(range(persons))
    request = ImageSetRequest("age_progression", _vocabulary(generator).conditions, seeds=seeds, precision=precision)
    return _sheet(generator, request, persons)


def cells_sheet(generator: Generator, persons: int = 3, precision: Precision = "float32") -> Pixels:
    """Contact sheet, uint8 (h, w, 3): for each condition and age group people of its own, without truncation."""
    vocabulary = _vocabulary(generator)
    seeds = tuple(range(persons * len(vocabulary.conditions) * len(vocabulary.ages)))
    request = ImageSetRequest("unrelated", vocabulary.conditions, seeds=seeds, truncation=1.0, precision=precision)
    return _sheet(generator, request, persons)


def _sheet(generator: Generator, request: ImageSetRequest, persons: int) -> Pixels:
    """A line for each condition and person, a column for each age group."""
    vocabulary = _vocabulary(generator)
    rows = expand(request, vocabulary, {})
    images = Sampler(generator, precision=request.arithmetic).render(rows, request)
    tiles: dict[tuple[str, str], list[Pixels]] = {}
    for row, image in zip(rows, images, strict=True):
        tiles.setdefault((row.condition, row.age_group), []).append(image)
    lines = [(condition, person) for condition in vocabulary.conditions for person in range(persons)]
    return contact_sheet(
        [[tiles[condition, age][person] for age in vocabulary.age_names] for condition, person in lines],
        row_titles=[condition for condition, _ in lines],
        column_titles=list(vocabulary.age_names),
        footer=FOOTER,
    )


def _vocabulary(generator: Generator) -> Vocabulary:
    if generator.config.vocabulary is None:
        raise ConfigError("the generator has no vocabulary; expected a conditional one")
    return generator.config.vocabulary
