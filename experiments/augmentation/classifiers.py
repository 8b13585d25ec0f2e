"""The classifiers of one arm: every fold and seed, from real faces and sets pulled from the service, and what they say.

OUT/arms/ARM/seed-S/fold-K/         one training
OUT/arms/ARM/sets/fold-K/CONDITION/ image sets
OUT/arms/ARM/predictions/seed-S.csv of the ensemble of a seed
OUT/arms/ARM/arm.json               sets, waiting
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from core.atomic_files import write_file
from core.errors import DatasetError
from experiments.augmentation.arms import ARMS, Arm, further_faces, requests_of
from experiments.epochs import tell
from experiments.processes import Part
from gestaltgen_client import Client
from recognition.config import TrainingConfig
from recognition.ensemble import Ensemble
from recognition.images.folds import folds
from recognition.images.image_stack import Stack, joined, stacked
from recognition.images.leakage import TrainingRecord
from recognition.images.pulled_sets import Pulled, pulled
from recognition.images.samples import Samples, real_samples
from recognition.training.cross_validation import experiment

FOLDS: Final = 5
IMAGES_AN_EPOCH: Final = 400
CONFIG: Final = TrainingConfig(images_per_epoch=IMAGES_AN_EPOCH, epochs=60)
"""Of every arm: the same number of steps, so that nothing but what is shown differs."""

SPLIT_SEED: Final = 0
TRAIN: Final = "train.zip"
MORE: Final = "more.zip"
TEST: Final = "test.zip"


def model_of(fold: int) -> str:
    """Name of a fold's generator at the service."""
    return f"fold-{fold}"


def split_of(real: Samples) -> list[tuple[Any, Any]]:
    """Training and validation places of each fold: the same for generators and classifiers."""
    return list(folds(real, FOLDS, SPLIT_SEED))


def part_of(arm: Arm, out: Path, service: str, seeds: Sequence[int], epochs: int) -> Part:
    """The process that trains an arm's classifiers."""
    folder = out / "arms" / arm.folder
    command = [sys.executable, "-m", "experiments.augmentation.classifiers", str(out), arm.folder, service]
    command += [str(number) for number in (epochs, *seeds)]
    done = all(predictions_of(out, arm, seed).exists() for seed in seeds)
    return Part(f"classifiers of {arm.name!r}", tuple(command), folder / "log.txt", done)


def sets_of(arm: Arm, out: Path, fold: int) -> Path:
    """Folder of a fold's image sets, each under its condition."""
    return out / "arms" / arm.folder / "sets" / f"fold-{fold}"


def predictions_of(out: Path, arm: Arm, seed: int) -> Path:
    return out / "arms" / arm.folder / "predictions" / f"seed-{seed}.csv"


def train_arm(arm: Arm, out: Path, service: str, seeds: Sequence[int], epochs: int) -> None:
    """Train, or go on, and measure on the test set.

    Raises:
        DatasetError: generator or classifiers saw an image of the test set, or it is not known.
    """
    torch.set_num_threads(1)
    folder, began = out / "arms" / arm.folder, time.monotonic()
    real, test = real_samples(out / TRAIN), real_samples(out / TEST)
    more = stacked(real_samples(out / MORE), CONFIG.size) if arm.extra_real else None
    learnt = [real.subset(inside) for inside, _ in split_of(real)]
    with ExitStack() as stack:
        sets = _pulls(arm, out, service, learnt, stack) if arm.kind else [[] for _ in learnt]
        for one in (one for of_fold in sets for one in of_fold):
            _check(one.seen, test)

        def extra(fold: int) -> Samples | None:
            if more is not None:
                return further_faces(more, learnt[fold])
            pieces: list[Stack] = [stacked(part, CONFIG.size) for one in sets[fold] for part in one.shards()]
            return joined(pieces) if pieces else None

        experiment(
            replace(CONFIG, epochs=epochs, select=arm.select),
            real,
            folder,
            count=FOLDS,
            seeds=seeds,
            extra=extra,
            real_faces=arm.real,
            about={"arm": arm.name},
            on_progress=tell,
        )
        told = {
            "arm": arm.name,
            "sets": [[one.set_id for one in of_fold] for of_fold in sets],
            "synthetic": [sum(len(one) for one in of_fold) for of_fold in sets],
            "waiting_s": round(sum(one.waiting_s for of_fold in sets for one in of_fold), 2),
            "total_s": round(time.monotonic() - began, 1),
        }
    for seed in seeds:
        path = predictions_of(out, arm, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        Ensemble.open(folder / f"seed-{seed}").predict(test).save(path)
    write_file(folder / "arm.json", (json.dumps(told, indent=1) + "\n").encode())


def _pulls(arm: Arm, out: Path, service: str, learnt: Sequence[Samples], stack: ExitStack) -> list[list[Pulled]]:
    """The sets of each fold; those of later folds are fetched while the first one's classifiers train."""
    client = stack.enter_context(Client(service))
    return [
        [
            stack.enter_context(pulled(client, request, sets_of(arm, out, fold) / name, classes=faces.classes))
            for name, request in requests_of(arm, model_of(fold), faces).items()
        ]
        for fold, faces in enumerate(learnt)
    ]


def _check(seen: TrainingRecord, test: Samples) -> None:
    if seen.unknown:
        raise DatasetError(f"not known: all images that {', '.join(seen.unknown)} was trained on; train it again")
    seen.refuse(test)


if __name__ == "__main__":
    named = {arm.folder: arm for arm in ARMS}
    out, name, url, epochs, *seeds = sys.argv[1:]
    train_arm(named[name], Path(out), url, [int(seed) for seed in seeds], int(epochs))
