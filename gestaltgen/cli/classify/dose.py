"""`gestaltgen classify dose`: measure how many synthetic images help a classifier, and of which kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import torch
import typer
from rich import box
from rich.table import Table

from core.errors import ConfigError
from gestaltgen.cli.classify.shared_options import (
    SERVICE,
    SYNTHETIC_PANEL,
    TEST_PANEL,
    BlendOption,
    DeviceOption,
    GeneratorOption,
    ServiceOption,
    SetSeedOption,
    TruncationOption,
    UnknownOption,
    console,
    progress,
)
from gestaltgen.cli.classify.train import ClassifierOptions
from gestaltgen.cli.options import choose_device
from recognition.images.service_request import ServiceSetRequest
from recognition.networks.architectures import SMALL
from recognition.presets import find_preset
from recognition.results.dose_curve import format_points
from recognition.results.dose_report import PAGE, DoseReport
from recognition.results.report import NOTICE
from recognition.runs.dose_runs import LEAST_GAIN, TIMES, DoseSpecification, measure_doses
from recognition.runs.run_plan import RunSpecification, TestSet

_KINDS: Final = ("unrelated", "age_progression")


@dataclass(frozen=True)
class DoseOptions:
    """Options about the image sets and their sizes."""

    augment: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Kind of image set, repeatable: unrelated, age_related, age_progression or blended; default: "
            f"{' and '.join(_KINDS)}.",
            rich_help_panel=SYNTHETIC_PANEL,
        ),
    ] = None
    times: Annotated[
        list[float] | None,
        typer.Option(
            help="Size of the image set: its number of images divided by that of the real faces, repeatable; default: "
            f"{', '.join(f'{times:g}' for times in TIMES)}. Sizes can be added later with the same command.",
            rich_help_panel=SYNTHETIC_PANEL,
        ),
    ] = None
    least_gain: Annotated[
        float,
        typer.Option(
            help="Difference that counts, in points of the mean accuracy over conditions: a kind is given up when a "
            "size is not better by this than the smaller ones.",
            min=0.0,
            max=99.0,
        ),
    ] = 100 * LEAST_GAIN
    every_size: Annotated[
        bool, typer.Option("--every-size", help="Measure all sizes, even if more images no longer help.")
    ] = False
    service: ServiceOption = SERVICE
    model: GeneratorOption = None
    truncation: TruncationOption = None
    blend: BlendOption = None
    set_seed: SetSeedOption = 0

    def requests(self) -> tuple[ServiceSetRequest, ...]:
        """Return the request for each kind.

        Raises:
            ConfigError: an unknown kind, or a blend without blended images.
        """
        kinds = tuple(self.augment or _KINDS)
        if self.blend is not None and "blended" not in kinds:
            raise ConfigError(f"--blend is for --augment blended; leave it out for {', '.join(kinds)}")
        return tuple(
            ServiceSetRequest(
                kind,
                seed=self.set_seed,
                model=self.model,
                truncation=self.truncation,
                blend=self.blend if kind == "blended" else None,
            )
            for kind in kinds
        )


@dataclass(frozen=True)
class SeededClassifierOptions(ClassifierOptions):
    """Options about the network and its training, with as many seeds as the experiments of this repository have."""

    seeds: Annotated[
        int,
        typer.Option(
            help="Number of ensembles for each size, which differ by the seed of the training; more can follow.",
            min=1,
        ),
    ] = 3


def dose(
    dataset: Annotated[
        Path, typer.Argument(help="Data set to learn from, with person and condition of every face: folder or zip.")
    ],
    test: Annotated[
        Path,
        typer.Option(help="Data set to measure on: persons that nothing was trained on.", rich_help_panel=TEST_PANEL),
    ],
    sizes: DoseOptions,
    training: SeededClassifierOptions,
    unknown_training_images: UnknownOption = False,
    out: Annotated[Path, typer.Option(help="Folder of the runs; runs that are there already are continued.")] = Path(
        "runs/dose"
    ),
    device: DeviceOption = "auto",
    threads: Annotated[
        int | None,
        typer.Option(help="CPU threads; default: 1 for small, which gains nothing from more, else all.", min=1),
    ] = None,
) -> None:
    """Measure how many synthetic images help, and of which kind: a curve with intervals and a recommendation.

    Trains on real faces alone, then with image sets of growing size, each for the same number of steps, and stops where
    more images do not help. One half of the test persons chooses the size, the other half says what it gains. The same
    command continues.

    - `gestaltgen classify dose faces.zip --test unseen.zip --service http://127.0.0.1:8000`

    - `gestaltgen classify dose faces.zip --test unseen.zip --augment blended --blend 0.75 --times 1 --times 4`

    The folder gets a run for each size, as of `classify train`, and report/dose.html.
    """
    preset = find_preset(training.preset)
    specification = DoseSpecification(
        RunSpecification(
            real=dataset,
            configure=training.config,
            folds=training.folds,
            fold_seed=training.fold_seed,
            seeds=training.seeds,
            sets=None,
            real_faces=True,
            backbone=training.backbone,
            service=sizes.service,
            threshold=preset.threshold,
            test=TestSet(test, unknown_training_images),
        ),
        sizes.requests(),
        tuple(sizes.times or TIMES),
        sizes.least_gain / 100,
        sizes.every_size,
    )
    where = choose_device(device)
    if threads is not None or (training.network or preset.training.network) == SMALL:
        torch.set_num_threads(threads or 1)
    result = measure_doses(specification, out, where, progress)
    if result.stopped_by is not None:
        console.print(f"stopped by {result.stopped_by.name}; the same command continues the runs")
        raise typer.Exit(128 + result.stopped_by)
    if result.report is not None:
        _print_report(result.report)
    console.print(f"look at {out / 'report' / PAGE}")


def _print_report(report: DoseReport) -> None:
    """Print a row for each size, and the recommendation."""
    table = Table("kind", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("times real", "images", "mean in %", "gain in points", "single seeds"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_row("real faces alone", "0", "0", f"{100 * report.real.value:.1f}", "", "")
    for point in report.points:
        seeds = ", ".join(f"{100 * gain:+.1f}" for gain in point.seed_gains)
        accuracy = f"{100 * point.accuracy.value:.1f}"
        size = (f"{point.times_real:g}", f"{point.images:.0f}")
        table.add_row(point.kind, *size, accuracy, format_points(point.gain), seeds)
    console.print(table)
    for kind, times in report.stopped.items():
        console.print(f"{kind}: more did not help at {times:g} times the real faces")
    console.print(f"recommended: {report.recommendation.reason}")
    console.print(NOTICE)
