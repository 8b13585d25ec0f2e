"""Runs of classifiers: from data sets and image sets to trained classifiers, predictions and a report."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

import torch

from core.errors import ConfigError, DatasetError, PullError
from core.progress import Progress
from core.seen_images import SeenImages
from core.stop_signals import StopRequest
from faces.datasets.dataset import Dataset
from gestaltgen_client import Client, ServiceError
from recognition.config import ClassifierTrainingConfig
from recognition.ensemble import Ensemble
from recognition.images.folds import list_persons, split_into_folds
from recognition.images.image_stack import Stack, join_stacks, stack_images
from recognition.images.leakage import TrainingRecord
from recognition.images.pulled_sets import PulledSet, PullProgress, pull_set
from recognition.images.samples import RealSamples, Samples, load_real_samples
from recognition.images.service_request import ServiceSetRequest
from recognition.predictions import Predictions, pool_predictions
from recognition.results.report import ClassifierReport, write_report
from recognition.runs.run_files import RunFiles, hash_persons, read_requests
from recognition.runs.set_requests import (
    SETS,
    SetSource,
    complete_request,
    count_persons,
    count_persons_for_size,
    expand_folds,
    parse_fold,
    select_affected,
    split_request,
)
from recognition.training.cross_validation import cross_validate

_CLASSIFIERS: Final = "the classifiers"
PATIENCE_S: Final = 300.0
"""Seconds for which a service that stopped answering during a pull is waited for."""

READY_S: Final = 15.0
"""Seconds for which a service that has not answered yet is waited for."""


@dataclass(frozen=True)
class ClassifierPlan:
    """Settings of a run, worked out for the classes of its data set.

    Args:
        real: data set to learn from, in folds.
        config: settings of every training; its seed is ignored.
        folds: number of folds.
        fold_seed: seed of the split.
        requests: image sets to add to the training parts of all folds, or of one (`set_requests.fold_of`), by name;
            empty for real images only.
        real_faces: False learns from the image sets alone; real faces still choose the epochs.
        backbone: file of weights that the trunk starts with.
        classes: the conditions in order.
    """

    real: Path
    config: ClassifierTrainingConfig
    folds: int
    fold_seed: int
    requests: Mapping[str, ServiceSetRequest]
    real_faces: bool
    backbone: Path | None
    classes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all settings that the classifiers depend on, but not the images."""
        config = self.config.to_json()
        del config["seed"]
        return {
            "classes": list(self.classes),
            "training": config,
            "folds": self.folds,
            "fold_seed": self.fold_seed,
            "sets": {name: request.to_json() for name, request in self.requests.items()},
            "real_faces": self.real_faces,
            "backbone": None if self.backbone is None else self.backbone.name,
        }


@dataclass(frozen=True)
class TrainingMaterial:
    """Images that a run learns from.

    Attributes:
        real: faces at the network's size.
        synthetic: the image sets at that size, by name.
        generators: record of the training images of each set's generator.
        sets: identity of each image set, JSON-able.
        waiting_s: seconds spent waiting for images of the service.
    """

    real: Stack
    synthetic: Mapping[str, Stack]
    generators: Mapping[str, TrainingRecord]
    sets: Mapping[str, Any]
    waiting_s: float

    @cached_property
    def seen(self) -> TrainingRecord:
        """Record of all images that the classifiers and the generators were trained on."""
        faces = (sample.key for part in (self.real, *self.synthetic.values()) for sample in part.samples)
        return TrainingRecord.of(_CLASSIFIERS, SeenImages.of(faces)).union(*self.generators.values())

    def list_sets_for(self, fold: int) -> tuple[str, ...]:
        """List the image sets that a fold learns from."""
        return tuple(name for name in self.synthetic if parse_fold(name) in (None, fold))

    def join_synthetic_faces(self, fold: int) -> Stack | None:
        """Join all synthetic faces that a fold learns from; None if there are none."""
        parts = [self.synthetic[name] for name in self.list_sets_for(fold)]
        return join_stacks(parts) if parts else None


@dataclass(frozen=True)
class TestSet:
    """Data set that the classifiers of a run are measured on.

    Attributes:
        path: folder or zip.
        unknown_allowed: measure although it is not known which images the generator was trained on.
    """

    __test__: ClassVar = False  # not a class of tests

    path: Path
    unknown_allowed: bool = False


@dataclass(frozen=True)
class RunSpecification:
    """Settings of a run before its data set is read.

    Attributes:
        real: data set to learn from, in folds.
        configure: gives the training for the classes of the data set; its seed is ignored.
        folds: number of folds.
        fold_seed: seed of the split.
        seeds: number of ensembles.
        sets: image sets to add; None for real images only.
        real_faces: False learns from the image sets alone; real faces still choose the epochs.
        backbone: file of weights that the backbone starts with.
        service: URL of the service that makes the sets.
        threshold: a fold counts for a face if its largest probability is at least this; None counts every fold.
        test: data set to measure on; None measures nothing.
    """

    real: Path
    configure: Callable[[tuple[str, ...]], ClassifierTrainingConfig]
    folds: int
    fold_seed: int
    seeds: int
    sets: SetSource | None
    real_faces: bool
    backbone: Path | None
    service: str
    threshold: float | None
    test: TestSet | None


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
    unseen = None if test is None else _load_faces(test.path, plan.classes, progress)

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


def make_plan(specification: RunSpecification, progress: Progress) -> ClassifierPlan:
    """Read the classes of the data set, and work out the training and the image sets for them.

    Raises:
        ConfigError: settings that make no sense, or image sets that cannot be used again.
        DatasetError: the data set cannot be read.
    """
    classes, left_out = read_classes(specification.real, progress)
    return ClassifierPlan(
        real=specification.real,
        config=specification.configure(classes),
        folds=specification.folds,
        fold_seed=specification.fold_seed,
        requests=_plan_requests(specification, classes, left_out=left_out),
        real_faces=specification.real_faces,
        backbone=specification.backbone,
        classes=classes,
    )


def _plan_requests(
    specification: RunSpecification, classes: tuple[str, ...], *, left_out: bool
) -> Mapping[str, ServiceSetRequest]:
    """Return the image sets of a run by name; arguments as of `set_requests.request_for`."""
    source = specification.sets
    if source is None:
        return {}
    if source.recorded_in is not None:
        return read_requests(source.recorded_in, specification.folds, specification.fold_seed)
    if source.request is None:
        raise ConfigError("image sets without a request or a run that has them; expected one of the two")
    request = complete_request(source.request, classes, left_out=left_out, every_class=not specification.real_faces)
    counts = None
    conditions = request.conditions or select_affected(classes)
    if source.counts_from is not None:
        counts = count_persons(source.counts_from, request.kind, conditions, classes)
    elif source.times_real is not None:
        counts = count_persons_for_size(specification.real, request.kind, conditions, classes, source.times_real)
    return expand_folds(split_request(request, counts), specification.folds)


def read_classes(real: Path, progress: Progress) -> tuple[tuple[str, ...], bool]:
    """Return the conditions of a data set's vocabulary that have faces, and whether there are others."""
    with Dataset.open(real) as dataset:
        there = {record.condition for record in dataset.records}
        present = tuple(name for name in dataset.conditions if name in there)
        absent = [name for name in dataset.conditions if name not in there]
        if absent:
            progress.say(f"no face of {', '.join(absent)} in {real}: the classes are {', '.join(present)}")
    return present, bool(absent)


def gather_material(
    plan: ClassifierPlan,
    files: RunFiles,
    service: str,
    check: Callable[[Samples, TrainingRecord], None],
    progress: Progress,
) -> TrainingMaterial:
    """Read the real faces while the image sets are made and fetched; each set is kept in the run's folder.

    Args:
        check: called with the real faces and the record of all training images, before the sets are waited for; it may
            raise an error.

    Raises:
        DatasetError, ConfigError, PullError: as `real_samples` and `pulled`.
    """
    size = plan.config.size
    with ExitStack() as stack:
        sets = _start_pulls(plan, files, service, progress, stack)
        generators = {name: one.seen for name, one in sets.items()}
        real = stack_images(_load_faces(plan.real, plan.classes, progress), size)
        check(real, TrainingRecord.from_samples(real, _CLASSIFIERS).union(*generators.values()))
        _check_validation(plan, files, real, generators, progress)
        synthetic = {
            name: join_stacks([stack_images(part, size) for part in one.shards()]) for name, one in sets.items()
        }
        identities = {
            name: {"set_id": one.set_id, "model": one.model, "weights_sha256": one.weights_sha256, "images": len(one)}
            for name, one in sets.items()
        }
        return TrainingMaterial(real, synthetic, generators, identities, sum(one.waiting_s for one in sets.values()))


def _load_faces(path: Path, classes: tuple[str, ...], progress: Progress) -> RealSamples:
    """Load a data set with a progress bar, as it may take minutes; arguments and errors as of `load_real_samples`."""
    with Dataset.open(path) as dataset:
        total = len(dataset)
    with progress.bar(f"reading {path.name}", total) as show:
        return load_real_samples(path, classes, show)


def _check_validation(
    plan: ClassifierPlan, files: RunFiles, real: Samples, generators: Mapping[str, TrainingRecord], progress: Progress
) -> None:
    """Report, or refuse, generators that were trained on faces by which epochs are chosen.

    This does not harm a test, but the figures of the validation part are too good. The generator of one fold must not
    know any of these faces.

    No fault in a test, but validation figures are too good. A generator of one fold was meant to know none of them.

    Raises:
        ConfigError: the generator of a fold knows faces of its validation part.
    """
    if not generators:
        return
    validation_parts = [validation for _, validation in split_into_folds(real, plan.folds, plan.fold_seed)]
    for seen, fold in dict.fromkeys((seen, parse_fold(name)) for name, seen in generators.items()):
        known = len(seen.indices_in(real if fold is None else real.subset(validation_parts[fold])))
        if fold is None and known:
            progress.say(
                f"{seen.name} was trained on {known} of the {len(real)} real images, so validation figures are too "
                "good; figures on a test set are not affected"
            )
        elif fold is not None and known:
            raise ConfigError(
                f"{seen.name} was trained on {known} of the {len(validation_parts[fold])} images that choose the epoch "
                f"of fold-{fold}; expected none: train it with --exclude and the list of `gestaltgen classify folds`, "
                f"from the data set, --folds and --fold-seed of this run ({plan.folds} and {plan.fold_seed}). Then "
                f"choose another --out, because {files.path} keeps the images of the old generator"
            )
        elif fold is not None and seen.unknown:
            progress.say(
                f"not known: all images that {seen.name} was trained on, and whether they include the faces that "
                f"choose the epoch of fold-{fold}"
            )


def _start_pulls(
    plan: ClassifierPlan, files: RunFiles, service: str, progress: Progress, stack: ExitStack
) -> dict[str, PulledSet]:
    """Start to pull all sets of a plan, with one progress bar for them."""
    if not plan.requests:
        return {}
    client = stack.enter_context(Client(service))
    if not all((files.set_folder(name) / "set.json").exists() for name in plan.requests):
        _check_service(client, service)
    images_done: dict[str, int] = {}
    shows: list[Callable[[int], None]] = []

    def noting(name: str) -> Callable[[PullProgress], None]:
        def note(pulled: PullProgress) -> None:
            images_done[name] = pulled.done
            for show in shows:
                show(sum(images_done.copy().values()))

        return note

    sets = {
        name: stack.enter_context(
            pull_set(client, request, files.set_folder(name), noting(name), classes=plan.classes, patience_s=PATIENCE_S)
        )
        for name, request in plan.requests.items()
    }
    total = sum(len(one) for one in sets.values())
    if all(one.complete for one in sets.values()):
        progress.say(f"{total} synthetic images, all in {files.path / SETS}")
        return sets
    made_by = ", ".join(sorted({one.model for one in sets.values()}))
    progress.say(f"{total} synthetic images of {made_by} at {service}, into {files.path / SETS}")
    shows.append(stack.enter_context(progress.bar("images made, then fetched", total)))
    return sets


def _check_service(client: Client, service: str) -> None:
    """Check that a service answers at once; one that stops answering later is waited for."""
    try:
        client.wait_ready(READY_S)
    except ServiceError as error:
        raise PullError(
            f"{error}; start the service (gestaltgen serve), or name another with --service: the same command continues"
        ) from error


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


@contextmanager
def connect(service: str) -> Iterator[Client]:
    """Open a client of a service that answers.

    Raises:
        PullError: it does not answer.
    """
    with Client(service) as client:
        _check_service(client, service)
        yield client


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
