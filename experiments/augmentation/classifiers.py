"""The classifiers of one arm, trained for every fold and seed on real faces and image sets of the service.

OUT/arms/ARM/seed-S/fold-K/         one training
OUT/arms/ARM/sets/fold-K/CONDITION/ image sets
OUT/arms/ARM/predictions/seed-S.csv predictions of the ensemble of a seed
OUT/arms/ARM/arm.json               image sets, and seconds of waiting for them
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
import typer

from core.atomic_files import write_file
from core.errors import DatasetError
from experiments.augmentation.arms import ALL_ARMS, REAL, AugmentationArm, build_requests, select_further_faces
from experiments.augmentation.generators import name_model
from experiments.augmentation.grey import turn_grey
from experiments.augmentation.labels import relabel
from experiments.processes import SideProcess, print_epoch
from gestaltgen_client import Client
from recognition.classifier import FILE, Classifier
from recognition.config import ClassifierTrainingConfig
from recognition.ensemble import Ensemble
from recognition.images.folds import split_into_folds
from recognition.images.image_stack import Stack, join_stacks, stack_images
from recognition.images.leakage import TrainingRecord
from recognition.images.pulled_sets import PulledSet, pull_set
from recognition.images.samples import Samples, load_real_samples
from recognition.training.cross_validation import cross_validate

FOLDS: Final = 5
IMAGES_AN_EPOCH: Final = 400
CONFIG: Final = ClassifierTrainingConfig(images_per_epoch=IMAGES_AN_EPOCH, epochs=60)
"""Settings of every arm: the same number of steps, so that the arms differ in their images alone."""

SPLIT_SEED: Final = 0
BASE: Final = "base.zip"
TRAIN: Final = "train.zip"
MORE: Final = "more.zip"
TEST: Final = "test.zip"


def split_folds(real: Samples, folds: int = FOLDS) -> list[tuple[Any, Any]]:
    """Split the faces into training and validation part of each fold: the same for generators and classifiers."""
    return list(split_into_folds(real, folds, SPLIT_SEED))


def describe_process(
    arm: AugmentationArm, out: Path, service: str, seeds: Sequence[int], epochs: int, folds: int = FOLDS
) -> SideProcess:
    """Describe the process that trains an arm's classifiers."""
    folder = out / "arms" / arm.folder
    command = [sys.executable, "-m", "experiments.augmentation.classifiers", str(out), arm.folder, service]
    command += [str(number) for number in (epochs, folds, *seeds)]
    done = all(locate_predictions(out, arm, seed).exists() for seed in seeds)
    return SideProcess(f"classifiers of {arm.name!r}", tuple(command), folder / "log.txt", done)


def locate_sets(arm: AugmentationArm, out: Path, fold: int) -> Path:
    """Return the folder of a fold's image sets, each under its condition."""
    return out / "arms" / arm.folder / "sets" / f"fold-{fold}"


def locate_classifier(out: Path, arm: AugmentationArm, seed: int, fold: int) -> Path:
    """Return the file of a fold's classifier."""
    return out / "arms" / arm.folder / f"seed-{seed}" / f"fold-{fold}" / FILE


def locate_predictions(out: Path, arm: AugmentationArm, seed: int) -> Path:
    return out / "arms" / arm.folder / "predictions" / f"seed-{seed}.csv"


def train_arm(
    arm: AugmentationArm, out: Path, service: str, seeds: Sequence[int], epochs: int, folds: int = FOLDS
) -> None:
    """Train an arm's classifiers, or continue, and measure them on the test set.

    Raises:
        DatasetError: generator or classifiers were trained on an image of the test set, or it is not known.
    """
    torch.set_num_threads(1)
    folder, began = out / "arms" / arm.folder, time.monotonic()
    real, test = stack_images(load_real_samples(out / TRAIN), CONFIG.size), load_real_samples(out / TEST)
    real = turn_grey(real, arm.grey, SPLIT_SEED) if arm.grey else real
    further = stack_images(load_real_samples(out / MORE), CONFIG.size) if arm.extra_real else None
    base = stack_images(load_real_samples(out / BASE), CONFIG.size) if arm.base_people else None
    training_parts = [real.subset(inside) for inside, _ in split_folds(real, folds)]
    with ExitStack() as stack:
        sets = _start_pulls(arm, out, service, training_parts, stack) if arm.kind else [[] for _ in training_parts]
        for one in (one for of_fold in sets for one in of_fold):
            _check_unseen(one.seen, test)

        def extra(fold: int) -> Samples | None:
            if further is not None:
                return select_further_faces(further, training_parts[fold])
            pieces: list[Stack] = [stack_images(part, CONFIG.size) for one in sets[fold] for part in one.shards()]
            if pieces and arm.labels != "soft":
                reader = Classifier.open(locate_classifier(out, REAL, 0, fold))
                pieces = [relabel(join_stacks(pieces), arm.labels, reader)]
            pieces += [] if base is None else [base]
            return join_stacks(pieces) if pieces else None

        cross_validate(
            replace(
                CONFIG,
                epochs=epochs,
                select=arm.select,
                images_per_epoch=arm.images_an_epoch,
                sampling="balanced" if arm.balanced else CONFIG.sampling,
            ),
            real,
            folder,
            count=folds,
            seeds=seeds,
            extra=extra,
            real_faces=arm.real,
            about={"arm": arm.name},
            on_progress=print_epoch,
        )
        facts = {
            "arm": arm.name,
            "sets": [[one.set_id for one in of_fold] for of_fold in sets],
            "synthetic": [sum(len(one) for one in of_fold) for of_fold in sets],
            "selections": _read_selections(service, sets) if arm.min_condition is not None else None,
            "waiting_s": round(sum(one.waiting_s for of_fold in sets for one in of_fold), 2),
            "total_s": round(time.monotonic() - began, 1),
        }
    for seed in seeds:
        path = locate_predictions(out, arm, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        Ensemble.open(folder / f"seed-{seed}").predict(test).save(path)
    write_file(folder / "arm.json", (json.dumps(facts, indent=1) + "\n").encode())


def _start_pulls(
    arm: AugmentationArm, out: Path, service: str, learnt: Sequence[Samples], stack: ExitStack
) -> list[list[PulledSet]]:
    """Start to pull the sets of each fold; those of later folds arrive while the first classifiers train."""
    client = stack.enter_context(Client(service))
    return [
        [
            stack.enter_context(pull_set(client, request, locate_sets(arm, out, fold) / name, classes=faces.classes))
            for name, request in build_requests(arm, name_model(fold, conditioned=arm.conditioned), faces).items()
        ]
        for fold, faces in enumerate(learnt)
    ]


def _read_selections(service: str, sets: Sequence[Sequence[PulledSet]]) -> dict[str, int]:
    """Count the faces that were drawn for filtered sets, and those that were kept."""
    with Client(service) as client:
        found = [client.image_set(one.set_id).selection() for of_fold in sets for one in of_fold]
    return {name: sum(selection[name] for selection in found) for name in ("drawn", "kept")}


def _check_unseen(seen: TrainingRecord, test: Samples) -> None:
    if seen.unknown:
        raise DatasetError(f"not known: all images that {', '.join(seen.unknown)} was trained on; train it again")
    seen.refuse(test)


def main(out: Path, arm: str, url: str, epochs: int, folds: int, seeds: list[int]) -> None:
    """Train the classifiers of one arm of the experiment in a folder."""
    train_arm({one.folder: one for one in ALL_ARMS}[arm], out, url, seeds, epochs, folds)


if __name__ == "__main__":
    typer.run(main)
