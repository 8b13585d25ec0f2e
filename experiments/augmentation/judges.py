"""A classifier for each fold whose loss on conditions the fold's generator learns from.

It has seen nothing of the fold's validation part, neither to learn from nor to choose its epoch: through the loss, the
generator learns from all that its judge has seen.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.status import Status

from experiments.augmentation.classifiers import CONFIG, FOLDS, IMAGES_AN_EPOCH, SPLIT_SEED, TRAIN, split_folds
from recognition.classifier import FILE
from recognition.images.folds import split_into_folds
from recognition.images.image_stack import stack_images
from recognition.images.samples import load_real_samples
from recognition.training.trainer import EpochReport, train

_PARTS: Final = 5
"""One of so many parts of a fold's training part chooses the epoch; the judge learns from the others."""

_console = Console(highlight=False, soft_wrap=True)


def locate_judge(out: Path, fold: int) -> Path:
    """Return the file of a fold's judge."""
    return out / "judges" / f"fold-{fold}" / FILE


def train_judges(out: Path, folds: int = FOLDS, epochs: int = CONFIG.epochs) -> list[Path]:
    """Train the judges of the folds, or continue; returns their files.

    They get twice the steps of the arms, and balanced accuracy chooses their epoch: from so few faces, the loss of the
    validation part can be least after the first epoch, when a judge reads nothing yet.
    """
    config = replace(CONFIG, epochs=epochs, images_per_epoch=2 * IMAGES_AN_EPOCH, select="balanced_accuracy")
    real = stack_images(load_real_samples(out / TRAIN), CONFIG.size)
    judges = [locate_judge(out, fold) for fold in range(folds)]
    for (inside, _), judge in zip(split_folds(real, folds), judges, strict=True):
        learnt = real.subset(inside)
        training, validation = (learnt.subset(part) for part in split_into_folds(learnt, _PARTS, SPLIT_SEED)[0])
        with _console.status(f"training {judge}") as status:

            def tell(report: EpochReport, judge: Path = judge, status: Status = status) -> None:
                status.update(f"training {judge}: epoch {report.epoch} of {epochs}")

            result = train(config, training, None, validation, judge.parent, on_epoch=tell)
        figures = "" if result.validation is None else f", balanced accuracy {result.validation.balanced_accuracy:.1%}"
        _console.print(f"trained {judge}: epoch {result.best_epoch}{figures}")
    return judges
