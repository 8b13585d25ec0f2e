"""A run of classifiers: from its settings to trained classifiers, predictions and a report."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.errors import ConfigError, DatasetError
from core.progress import Progress
from core.stop_signals import StopRequest
from recognition.ensemble import Ensemble
from recognition.images.folds import list_persons
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Samples
from recognition.predictions import Predictions, pool_predictions
from recognition.results.report import ClassifierReport, write_report
from recognition.runs.run_files import RunFiles, hash_persons
from recognition.runs.run_plan import ClassifierPlan, RunSpecification, make_plan
from recognition.runs.training_material import TrainingMaterial, gather_material, load_faces
from recognition.training.cross_validation import cross_validate


@dataclass(frozen=True)
class RunResult:
    """State of a run after `train_and_measure`.

    Attributes:
        stopped_by: signal that stopped the training; None if it is complete.
        report: measurement on the test set; None without a test set, or if the training was stopped.
        has_sets: True if image sets were added.
        waiting_s: seconds spent waiting for images of the service.
        seconds: duration of preparation and training.
    """

    stopped_by: signal.Signals | None
    report: ClassifierReport | None
    has_sets: bool
    waiting_s: float
    seconds: float


def train_and_measure(
    specification: RunSpecification, files: RunFiles, device: torch.device, progress: Progress
) -> RunResult:
    """Train the classifiers of a run, or continue them, then measure them on the test set and write the report.

    Raises:
        ConfigError: settings that make no sense, or a folder that holds another run.
        DatasetError: a data set that cannot be used, or a test set that was seen in training.
        PullError: the service cannot be reached, or refuses.
    """
    started = time.monotonic()
    plan = make_plan(specification, progress)
    files.begin(plan.to_json())
    test = specification.test
    unseen = None if test is None else load_faces(test.path, plan.classes, progress)

    def check(faces: Samples, seen: TrainingRecord) -> None:
        if test is not None and unseen is not None:
            persons = hash_persons(list_persons(faces))
            check_unseen(unseen, seen, persons, unknown_allowed=test.unknown_allowed, progress=progress)

    material = gather_material(plan, files, specification.service, check, progress)
    files.write_record(material.seen, list_persons(material.real))
    files.record("sets", dict(material.sets))
    files.record("threshold", specification.threshold)
    stop = train_all(plan, files, material, specification.seeds, device, progress)
    seconds = time.monotonic() - started
    written = None
    if stop.signal is None and test is not None and unseen is not None:
        threshold = specification.threshold
        predictions = predict_all(files, unseen, files.predictions, device, threshold, progress)
        facts = describe_run(files, test=test.path, unknown=material.seen.unknown, threshold=threshold)
        with progress.bar("measuring", 1):
            written = write_report({files.path.resolve().name: predictions}, files.report, about=facts)
    return RunResult(stop.signal, written, bool(plan.requests), material.waiting_s, seconds)


def train_all(
    plan: ClassifierPlan,
    files: RunFiles,
    material: TrainingMaterial,
    seeds: int,
    device: torch.device,
    progress: Progress,
) -> StopRequest:
    """Train every fold of every seed; finished trainings are kept, and stopped ones continued.

    Returns:
        the request to stop, if there was one.
    """
    stop = StopRequest()
    total = plan.folds * seeds * plan.config.epochs
    with stop.listen(), progress.bar(f"epochs of {plan.folds * seeds} trainings, at most", total) as show:
        done = cross_validate(
            plan.config,
            material.real,
            files.path,
            count=plan.folds,
            seeds=seeds,
            split_seed=plan.fold_seed,
            extra=material.join_synthetic_faces,
            real_faces=plan.real_faces,
            weights=plan.backbone,
            device=device,
            about=lambda fold: {"sets": {name: material.sets[name] for name in material.list_sets_for(fold)}},
            on_progress=lambda p: show(p.runs_done * plan.config.epochs + p.report.epoch),
            stop=lambda: bool(stop),
        )
    for run in done.runs:
        if run.result.finished and run.result.validation is not None:
            of = run.result.validation
            progress.say(
                f"seed-{run.seed}/fold-{run.fold}: epoch {run.result.best_epoch} of "
                f"{run.result.epochs} is the best, validation accuracy {of.accuracy:.1%}, "
                f"mean of conditions {of.balanced_accuracy:.1%}"
            )
    return stop


def predict_all(
    files: RunFiles, test: Samples, out: Path, device: torch.device, threshold: float | None, progress: Progress
) -> Predictions:
    """Write the predictions of each seed's ensemble into a folder, and return all of them as one.

    Raises:
        ConfigError: the run has no classifiers yet.
    """
    seeds = files.list_seeds()
    if not seeds:
        raise ConfigError(f"{files.path} has no classifiers; train them first: gestaltgen classify train … --out RUN")
    predictions = []
    with progress.bar("predicting", len(seeds)) as show:
        for done, seed in enumerate(seeds, 1):
            ensemble = Ensemble.open(files.seed_folder(seed))
            of_seed = ensemble.predict(test, threshold=threshold, device=device)
            of_seed.save(out / f"seed-{seed}.csv")
            predictions.append(of_seed)
            show(done)
    return predictions[0] if len(predictions) == 1 else pool_predictions(predictions)


def check_unseen(
    test: Samples, seen: TrainingRecord, persons: frozenset[str], *, unknown_allowed: bool, progress: Progress
) -> tuple[str, ...]:
    """Refuse a test set with an image or a person that a generator or classifier was trained on.

    Args:
        persons: hashes of the persons in training.
        unknown_allowed: continue although the training images of a generator are not known.

    Returns:
        names of the generators whose training images are not known, to be stated beside the figures.

    Raises:
        DatasetError: an image or a person was seen, or it is not known and `unknown_allowed` is False.
    """
    seen.refuse(test)
    shared = sorted({sample.person for sample in test.samples if hash_persons([sample.person]) <= persons})
    if shared:
        raise DatasetError(
            f"{len(shared)} persons of the test set are in the training data too (as {shared[0]!r}); figures on "
            "them say nothing: leave their images out of the test set, or rename persons who have the same name by "
            "accident"
        )
    if seen.unknown:
        names = ", ".join(seen.unknown)
        if not unknown_allowed:
            raise DatasetError(
                f"not known: all images that {names} was trained on; test images may be among them. Use a generator "
                "whose file lists its training images (trained by this version of gestaltgen), or, if you know that it "
                "saw none of the test images, --unknown-training-images; the report says so"
            )
        progress.say(f"not known: all images that {names} was trained on; the report says so")
    return seen.unknown


def describe_run(
    files: RunFiles, *, test: Path | None, unknown: Sequence[str], threshold: float | None
) -> dict[str, Any]:
    """Return the facts about a run that a report states beside its figures."""
    run = files.read()
    facts: dict[str, Any] = {
        "test set": None if test is None else test.name,
        "folds": run["asked"]["folds"],
        "seeds": files.list_seeds(),
        "threshold": threshold,
        "training": run["asked"]["training"],
        "image sets": run.get("sets") or "none: real images only",
    }
    if unknown:
        facts["not known"] = f"all images that {', '.join(unknown)} was trained on: test images may be among them"
    return facts
