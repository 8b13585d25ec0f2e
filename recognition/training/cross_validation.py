"""Cross-validation with several seeds: a classifier for every fold and seed, in folders of its own.

out/folds.json             the split, by the keys of the validation parts
out/seed-S/fold-K/         the run of each (see `recognition.training.run_folder`); `Ensemble.open` takes a seed's
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from core.atomic_files import write_file
from core.errors import ConfigError
from core.seen_images import KEY_DIGITS
from recognition.config import ClassifierTrainingConfig
from recognition.images.folds import Indices, split_into_folds
from recognition.images.image_stack import Stack, join_stacks, stack_images
from recognition.images.samples import Samples
from recognition.training.trainer import EpochReport, TrainingResult, train

FOLDS: Final = "folds.json"


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a cross-validation: one epoch of one of its trainings."""

    seed: int
    fold: int
    runs_done: int
    runs: int
    report: EpochReport


@dataclass(frozen=True)
class FoldRun:
    """Training of one fold and seed."""

    seed: int
    fold: int
    folder: Path
    result: TrainingResult


@dataclass(frozen=True)
class CrossValidation:
    """All trainings, in the order of folds and then seeds.

    Attributes:
        split: training and validation places of each fold.
        finished: False if it was stopped on request; the same call continues.
    """

    out: Path
    runs: tuple[FoldRun, ...]
    split: tuple[tuple[Indices, Indices], ...]
    finished: bool

    def ensembles(self) -> tuple[Path, ...]:
        """Return the folder of the ensemble of each seed."""
        return tuple(dict.fromkeys(run.folder.parent for run in self.runs))


def cross_validate(
    config: ClassifierTrainingConfig,
    real: Samples,
    out: Path,
    *,
    count: int = 5,
    seeds: int | Sequence[int] = 1,
    split_seed: int = 0,
    extra: Callable[[int], Samples | None] | None = None,
    real_faces: bool = True,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
    about: Mapping[str, Any] | Callable[[int], Mapping[str, Any]] | None = None,
    on_progress: Callable[[TrainingProgress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> CrossValidation:
    """Train a classifier for every fold and seed. If interrupted, the same call continues.

    The split follows from `split_seed` alone: seeds vary the classifier, not the persons of a fold, so that a generator
    that was trained on the training part of a fold stays with it.

    Args:
        real: faces with one condition each.
        out: folder of the experiment.
        count: number of folds.
        seeds: number of seeds, from 0, or the seeds themselves; each replaces `config.seed`.
        extra: returns images to add to the training part of a fold, or None; called once for each fold. None adds
            nothing.
        real_faces: False trains on the images of `extra` alone; the validation part still has real faces.
        about: facts to store with the trainings, such as the identity of a set; a function gives those of a fold.
        on_progress: called after each epoch.
        stop: called after each batch; True stops.
        weights, device: see `recognition.training.trainer.train`.

    Raises:
        ConfigError: settings that make no sense, no seeds, or a folder with another experiment.
        DatasetError: see `split_into_folds` and `train`.
    """
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not numbers or len(set(numbers)) < len(numbers):
        raise ConfigError(f"seeds are {seeds}; expected one or more, each once")
    split = tuple(split_into_folds(real, count, split_seed))
    _write_split(out, real, split)
    faces = stack_images(real, config.size)
    runs: list[FoldRun] = []
    for fold, (training_places, validation_places) in enumerate(split):
        real_part = faces.subset(training_places) if real_faces else None
        training_faces = _join_faces(fold, real_part, None if extra is None else extra(fold), config.size)
        facts = about(fold) if callable(about) else about
        for seed in numbers:
            folder = out / f"seed-{seed}" / f"fold-{fold}"
            runs_done = len(runs)

            def tell(report: EpochReport, seed: int = seed, fold: int = fold, runs_done: int = runs_done) -> None:
                on_progress(TrainingProgress(seed, fold, runs_done, len(numbers) * count, report))

            result = train(
                replace(config, seed=seed),
                training_faces,
                None,
                faces.subset(validation_places),
                folder,
                weights=weights,
                device=device,
                about={**(facts or {}), "fold": fold, "folds": count, "split_seed": split_seed},
                on_epoch=tell,
                stop=stop,
            )
            runs.append(FoldRun(seed, fold, folder, result))
            if not result.finished:
                return CrossValidation(out, tuple(runs), split, finished=False)
    return CrossValidation(out, tuple(runs), split, finished=True)


def _join_faces(fold: int, real: Stack | None, extra: Samples | None, size: int) -> Stack:
    """Join the faces that a fold trains on.

    Raises:
        ConfigError: there are none.
    """
    parts = [] if real is None else [real]
    if extra is not None:
        parts.append(stack_images(extra, size))
    if not parts:
        raise ConfigError(f"fold {fold} has neither real faces nor others to train on; expected extra to give some")
    return join_stacks(parts)


def _write_split(out: Path, real: Samples, split: Sequence[tuple[Indices, Indices]]) -> None:
    keys = [sample.key[:KEY_DIGITS] for sample in real.samples]
    split_text = json.dumps([[keys[index] for index in held] for _, held in split], indent=0)
    path = out / FOLDS
    if not path.exists():
        write_file(path, split_text.encode())
    elif path.read_text("utf-8") != split_text:
        raise ConfigError(
            f"{path} has other folds than these faces give; use the same data set, number of folds and split seed to "
            "continue the experiment, or another --out"
        )
