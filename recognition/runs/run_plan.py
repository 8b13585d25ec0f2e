"""What a run trains: its settings, and the image sets and trainings that follow for the classes of its data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from core.errors import ConfigError
from core.progress import Progress
from faces.datasets.dataset import Dataset
from recognition.config import ClassifierTrainingConfig
from recognition.images.service_request import ServiceSetRequest
from recognition.runs.run_files import read_requests
from recognition.runs.set_requests import (
    SetSource,
    complete_request,
    count_persons,
    count_persons_for_size,
    expand_folds,
    select_affected,
    split_request,
)


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
class ClassifierPlan:
    """Settings of a run, worked out for the classes of its data set.

    Args:
        real: data set to learn from, in folds.
        config: settings of every training; its seed is ignored.
        folds: number of folds.
        fold_seed: seed of the split.
        requests: image sets to add to the training parts of all folds, or of one (`set_requests.parse_fold`), by name;
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
    """Return the image sets of a run by name; `left_out` as of `set_requests.complete_request`."""
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
