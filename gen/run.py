"""A training run in a folder: resumed if it is there, logged, sampled and saved as it goes.

generator.safetensors   the running average: the checkpoint to use
state.safetensors       everything needed to go on
log.jsonl               a line for every report
samples/N.png           progressions after N images, one person of each condition
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from faces.dataset import Dataset
from faces.errors import ConfigError
from faces.images import Pixels, encode_png, write_file
from faces.sheet import contact_sheet
from gen import checkpoint, tensorfile
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.imagesets import ImageSetRequest, expand
from gen.labels import Vocabulary
from gen.networks import Generator
from gen.sampler import Sampler
from gen.training import StepReport, Trainer, TrainingConfig, TrainingImages

REPORT_IMAGES = 2_000


@dataclass(frozen=True)
class Progress:
    """What a run tells of itself now and then."""

    report: StepReport
    images_per_s: float
    left_s: float


def train(
    data: Dataset,
    folder: Path,
    generator: GeneratorConfig,
    discriminator: DiscriminatorConfig,
    config: TrainingConfig,
    *,
    until_images: int,
    snapshot_images: int,
    licence: str,
    on_progress: Callable[[Progress], None],
) -> None:
    """Train until `until_images` real images were shown, from where the folder's last snapshot stands.

    Args:
        data: with labels; the networks take its vocabulary.
        snapshot_images: images between two snapshots; at most so much is lost when the process dies.
        licence: of the weights, as they will say of themselves.

    Raises:
        ConfigError: the folder holds a run of another configuration, or the data does not fit the networks.
    """
    vocabulary = Vocabulary(data.conditions, data.ages)
    trainer = Trainer(
        replace(generator, vocabulary=vocabulary),
        replace(discriminator, vocabulary=vocabulary),
        config,
        training_images(data),
    )
    settings = {"generator": generator.to_json(), "training": asdict(config), "images": len(data)}
    state = folder / "state.safetensors"
    if state.exists():
        _resume(trainer, state, settings)
    sources = sorted({record.source or data.path.name for record in data.records})
    origin = f"trained from scratch on {len(data)} images of {', '.join(sources)}"
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    started, first = time.monotonic(), trainer.images_seen
    while trainer.images_seen < until_images:
        before = trainer.images_seen
        report = trainer.step()
        if _crossed(before, report.images_seen, REPORT_IMAGES):
            rate = (report.images_seen - first) / (time.monotonic() - started)
            progress = Progress(report, rate, (until_images - report.images_seen) / rate)
            _log(folder, progress)
            on_progress(progress)
        if _crossed(before, report.images_seen, snapshot_images) or report.images_seen >= until_images:
            tensorfile.write(state, trainer.state_dict(), settings)
            checkpoint.save(
                folder / "generator.safetensors",
                trainer.average,
                origin=origin,
                licence=licence,
                images_seen=report.images_seen,
                training_counts=data.counts(),
            )
            sheet = encode_png(progression_sheet(trainer.average))
            write_file(folder / "samples" / f"{report.images_seen:09d}.png", sheet)


def training_images(data: Dataset) -> TrainingImages:
    """A data set in memory, as the trainer takes it.

    Raises:
        ConfigError: a data set without labels.
    """
    if data.labels is None:
        raise ConfigError(f"{data.path} has no labels; expected a data set that `gestaltgen dataset` made")
    images = torch.from_numpy(data.images()).permute(0, 3, 1, 2).contiguous()
    return TrainingImages(images, torch.from_numpy(data.labels))


def progression_sheet(generator: Generator, persons: int = 2) -> Pixels:
    """Contact sheet, uint8 (h, w, 3): age progressions of the same few people in every condition."""
    vocabulary = generator.config.vocabulary
    if vocabulary is None:
        raise ConfigError("the generator has no vocabulary; expected a conditional one")
    request = ImageSetRequest(
        "age_progression", vocabulary.conditions, seeds=tuple(range(persons)), precision="bfloat16"
    )
    rows = expand(request, vocabulary, {})
    images = Sampler(generator, precision="bfloat16").render(rows, request)
    steps = len(vocabulary.ages)
    lines = [list(images[start : start + steps]) for start in range(0, len(images), steps)]
    return contact_sheet(
        lines,
        row_titles=[rows[start].condition for start in range(0, len(rows), steps)],
        column_titles=list(vocabulary.age_names),
        footer="Synthetic images, no basis for a diagnosis.",
    )


def _resume(trainer: Trainer, state: Path, settings: Mapping[str, Any]) -> None:
    tensors, stored = tensorfile.read(state)
    if stored != json.loads(json.dumps(settings)):
        different = sorted(key for key in settings if stored.get(key) != json.loads(json.dumps(settings[key])))
        raise ConfigError(
            f"{state.parent} holds a run with other settings ({', '.join(different)}); "
            "use the same ones to resume it, or another folder"
        )
    trainer.load_state_dict(tensors)


def _crossed(before: int, after: int, interval: int) -> bool:
    return before // interval != after // interval


def _log(folder: Path, progress: Progress) -> None:
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **asdict(progress.report)}
    with (folder / "log.jsonl").open("a") as file:
        file.write(json.dumps(line | {"images_per_s": round(progress.images_per_s, 2)}) + "\n")
