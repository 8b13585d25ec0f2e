"""Runs of classifiers with image sets of growing size: how many synthetic images help, and of which kind?

OUT/real/                 run of real faces alone, see `recognition.runs.run_files`
OUT/KIND-TIMES/           run with an image set of this kind, of TIMES as many images as real faces
OUT/report/               curve and recommendation, see `recognition.results.dose_report`

Each run is continued if it was stopped. Another call with further sizes adds them to those that are there.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from core.errors import ConfigError
from core.progress import Progress
from faces.datasets.dataset import Dataset
from recognition.config import ClassifierTrainingConfig
from recognition.images.service_request import ServiceSetRequest
from recognition.predictions import Predictions, pool_predictions
from recognition.results.dose_curve import CurvePoint, SizedRun, measure_point, recommend_size, still_helps
from recognition.results.dose_report import DoseReport, write_dose_report
from recognition.runs.run_files import RunFiles
from recognition.runs.run_plan import RunSpecification
from recognition.runs.set_requests import SetSource, parse_fold
from recognition.runs.training_run import train_and_measure
from recognition.statistics import Sampling, measure_mean_over_conditions

TIMES: Final = (0.5, 2.0, 8.0, 16.0)
"""Sizes that are measured by default: images of a set over real faces."""

LEAST_GAIN: Final = 0.01
"""Difference of accuracies that counts as a gain by default."""


@dataclass(frozen=True)
class DoseSpecification:
    """Settings of the runs.

    Attributes:
        real_run: settings of the run of real faces alone, with a test set. The other runs differ in their image sets.
        requests: what to ask the service for, one request for each kind, without counts.
        times_real: sizes to measure: images of a set over real faces.
        least_gain: difference of accuracies that counts as a gain, in [0, 1).
        every_size: measure all sizes, even if more images no longer help.

    Raises:
        ConfigError: no size, a size that is no positive number, a kind twice, or no test set.
    """

    real_run: RunSpecification
    requests: Sequence[ServiceSetRequest]
    times_real: Sequence[float] = TIMES
    least_gain: float = LEAST_GAIN
    every_size: bool = False

    def __post_init__(self) -> None:
        if not self.times_real or not all(0 < times < math.inf for times in self.times_real):
            raise ConfigError(f"sizes are {list(self.times_real)}; expected one or more positive numbers")
        kinds = [request.kind for request in self.requests]
        if not kinds or len(set(kinds)) < len(kinds):
            raise ConfigError(f"kinds are {kinds}; expected one or more, each once")
        if not 0 <= self.least_gain < 1:
            raise ConfigError(f"the least gain is {self.least_gain}; expected a number from 0 to below 1")
        if self.real_run.test is None:
            raise ConfigError(
                "no test set; expected one, because sizes are compared on faces that nothing was trained on"
            )


@dataclass(frozen=True)
class DoseResult:
    """State after `measure_doses`.

    Attributes:
        stopped_by: signal that stopped a training; None if all runs are complete.
        report: curve and recommendation; None if a training was stopped.
    """

    stopped_by: signal.Signals | None
    report: DoseReport | None


def measure_doses(specification: DoseSpecification, out: Path, device: torch.device, progress: Progress) -> DoseResult:
    """Train on real faces alone and with image sets of growing size, measure all, and write OUT/report.

    All runs take the same number of steps. A kind is given up once a size is not better than the smaller ones.

    Args:
        specification: settings of the runs.
        out: folder of the runs.
        device: device of the classifiers.

    Raises:
        ConfigError, DatasetError, PullError: as `train_and_measure`, or the runs of the folder have other settings.
    """
    real_run = replace(specification.real_run, configure=_fix_steps(specification.real_run))
    sampling, points, stopped = Sampling(), list[CurvePoint](), dict[str, float]()

    def run_classifiers(name: str, sets: SetSource | None) -> signal.Signals | None:
        progress.say(name)
        return train_and_measure(replace(real_run, sets=sets), RunFiles(out / name), device, progress).stopped_by

    if signal_number := run_classifiers("real", None):
        return DoseResult(signal_number, None)
    real = load_sized_run(out / "real", "", 0.0, real_run.seeds)
    for request in specification.requests:
        of_kind: list[CurvePoint] = []
        for times in sorted(set(specification.times_real)):
            name = f"{request.kind}-{times:g}"
            if signal_number := run_classifiers(name, SetSource(request=request, times_real=times)):
                return DoseResult(signal_number, None)
            run = load_sized_run(out / name, request.kind, times, real_run.seeds)
            of_kind.append(measure_point(real, run, sampling))
            if not still_helps(of_kind, specification.least_gain):
                stopped.setdefault(request.kind, times)
                if not specification.every_size:
                    break
        points += of_kind
    report = DoseReport(
        measure_mean_over_conditions(pool_predictions(real.seeds), sampling),
        points,
        recommend_size(points, specification.least_gain),
        stopped,
        _describe(specification, out),
    )
    write_dose_report(report, out / "report")
    return DoseResult(None, report)


def load_sized_run(folder: Path, kind: str, times_real: float, seeds: int) -> SizedRun:
    """Load the predictions of a complete run and the number of its synthetic images; arguments as of `SizedRun`.

    Args:
        seeds: number of seeds to load, from 0.
    """
    files = RunFiles(folder)
    about = files.read()
    sets = about.get("sets") or {}
    images = sum(
        one["images"] / (1 if parse_fold(name) is None else about["asked"]["folds"]) for name, one in sets.items()
    )
    paths = [files.predictions / f"seed-{seed}.csv" for seed in range(seeds)]
    return SizedRun(kind, times_real, images, tuple(Predictions.load(path) for path in paths))


def _fix_steps(specification: RunSpecification) -> Callable[[tuple[str, ...]], ClassifierTrainingConfig]:
    """Return the training for given classes, with an epoch of as many images as a fold has real training faces.

    An epoch that shows every image once would train longer with more synthetic images. A setting of the user stays.
    """
    with Dataset.open(specification.real) as dataset:
        faces = round(len(dataset) * (specification.folds - 1) / specification.folds)

    def configure(classes: tuple[str, ...]) -> ClassifierTrainingConfig:
        config = specification.configure(classes)
        return config if config.images_per_epoch else replace(config, images_per_epoch=faces)

    return configure


def _describe(specification: DoseSpecification, out: Path) -> Mapping[str, Any]:
    """Return the facts about the measurement that the report states."""
    asked, run = RunFiles(out / "real").read()["asked"], specification.real_run
    return {
        "real faces": run.real.name,
        "test set": None if run.test is None else run.test.path.name,
        "folds": run.folds,
        "seeds": run.seeds,
        "least gain that counts": specification.least_gain,
        "image sets": [request.to_json() for request in specification.requests],
        "training": asked["training"],
    }
