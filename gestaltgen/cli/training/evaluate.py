"""`gestaltgen evaluate`: measure how well labels steer the images, their variety and their distance to real ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

import weights as shipped
from core.errors import ConfigError
from core.precision import resolve_precision
from gen.evaluation.evaluation import (
    EvaluationOptions,
    ExperimentOptions,
    FeatureName,
    evaluate_generator,
    write_report,
)
from gen.evaluation.experiments import EVALUATION_SEED
from gen.evaluation.report import NOTICE, GeneratorReport, check_targets, oracle_line
from gestaltgen.cli.console import make_console
from gestaltgen.cli.option_groups import expand_options
from gestaltgen.cli.options import PrecisionOption, ThreadsOption, set_threads
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.cli.training.evaluation_table import figures_table

_SAMPLES: Final = "Generated images"
_REAL_IMAGES: Final = "Real images"
_READERS: Final = "Networks that read the images"
_console = make_console()


@dataclass(frozen=True)
class SampleOptions:
    """Options about the images that are made for the measurement."""

    count: Annotated[
        int, typer.Option(help="Images of each experiment and truncation.", min=40, rich_help_panel=_SAMPLES)
    ] = 2_000
    truncation: Annotated[
        list[float] | None, typer.Option(help="Repeatable; unset takes 0.6 and 1.", rich_help_panel=_SAMPLES)
    ] = None
    seed: Annotated[
        int,
        typer.Option(
            help="Seed of the people. For published figures take another seed than for tuning.",
            min=0,
            rich_help_panel=_SAMPLES,
        ),
    ] = EVALUATION_SEED
    faces: Annotated[
        int,
        typer.Option(
            help="Images of each truncation in which dlib searches for a face.", min=1, rich_help_panel=_SAMPLES
        ),
    ] = 500
    real_count: Annotated[
        int,
        typer.Option(
            help="Real images that the slower networks (dlib, Inception) see.", min=2, rich_help_panel=_SAMPLES
        ),
    ] = 2_000
    precision: PrecisionOption = "auto"

    def experiments(self) -> ExperimentOptions:
        """Return size and seed of the experiments.

        Raises:
            ConfigError: a truncation outside [0, 1].
        """
        truncations = tuple(dict.fromkeys(self.truncation or (0.6, 1.0)))
        precision = resolve_precision(self.precision, "cpu")
        return ExperimentOptions(self.count, truncations, self.seed, self.faces, self.real_count, precision)


@dataclass(frozen=True)
class RealImageOptions:
    """Options about the real images that the generator is measured against."""

    data: Annotated[Path, typer.Option(help="Data set that it was trained on, as `gestaltgen dataset` makes it.")]
    phantoms: Annotated[
        bool | None,
        typer.Option(
            "--phantoms/--photographs",
            help="What the data show; unset: as the data set says.",
            rich_help_panel=_REAL_IMAGES,
        ),
    ] = None
    held_out: Annotated[
        Path | None,
        typer.Option(
            help="Data set of real images kept out of training; unset: new phantoms are drawn; of photographs, "
            "each training image is compared with the others.",
            rich_help_panel=_REAL_IMAGES,
        ),
    ] = None
    exclude: Annotated[
        Path | None,
        typer.Option(
            help="The list that the training was given: these images of DATA are the held-out ones.",
            rich_help_panel=_REAL_IMAGES,
        ),
    ] = None


@dataclass(frozen=True)
class ReaderOptions:
    """Options about the networks that read the images."""

    features: Annotated[
        list[FeatureName] | None,
        typer.Option(
            help="For distances, repeatable; unset: oracle for phantoms, dlib for photographs.",
            rich_help_panel=_READERS,
        ),
    ] = None
    inception: Annotated[
        Path | None,
        typer.Option(
            help="File of pytorch-fid's state dict; adds distances of Inception features.",
            dir_okay=False,
            rich_help_panel=_READERS,
        ),
    ] = None
    oracle: Annotated[
        Path | None, typer.Option(help="Oracle's file; unset takes the shipped one.", rich_help_panel=_READERS)
    ] = None


@expand_options
def evaluate(
    weights: Annotated[Path | None, typer.Argument(help="Generator's checkpoint; unset takes the shipped one.")] = None,
    *,
    real: RealImageOptions,
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json, evaluation.png and neighbours.png.")] = Path(
        "evaluation"
    ),
    samples: SampleOptions,
    readers: ReaderOptions,
    run: Annotated[
        Path | None, typer.Option(help="Folder of a training run with kept snapshots; adds their figures as a curve.")
    ] = None,
    threads: ThreadsOption = None,
) -> None:
    """Measure a generator: conditions, ages, identity, blends, variety, copies and distances to real images.

    Images are made for the purpose, from seeds that no training uses, and read by the oracle, a network that was
    trained on phantoms and whose own error is known (`gestaltgen oracle test`). It reads phantoms only: with
    photographs the figures that need it are left out, and the report says so.

    At each truncation three sets of --count images are made: every condition and age, age progressions, and blends.
    Measured are:

    - *condition and age-group accuracy*: share of images that are read as they were asked for

    - *age order*: Spearman's correlation of step and read age, mean over people

    - *identity drift*: how far a person's identity moves over a progression, relative to the spread between people

    - *blends*: share of people in whom the first condition grows with its weight

    - *identity spread*: within each condition and age, relative to real images; low means that different people look
    alike

    - *precision, recall, variety*: do images lie among real ones, do real ones lie among them, how different are they

    - *nearest training image*: relative to images never trained on; far below 1 means copies

    - *Fréchet and kernel distance* to the data: compare figures of equal counts and features only

    Example: gestaltgen evaluate runs/mine/generator.safetensors --data faces.zip --run runs/mine --out report
    """
    set_threads(threads)
    try:
        options = EvaluationOptions(
            weights=weights or shipped.default(),
            data=real.data,
            oracle=readers.oracle or shipped.oracle(),
            experiments=samples.experiments(),
            phantoms=real.phantoms,
            features=tuple(readers.features or ()),
            inception=readers.inception,
            held_out=real.held_out,
            exclude=real.exclude,
            run=run,
        )
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    evaluation = evaluate_generator(options, ConsoleProgress(_console))
    write_report(out, evaluation)
    _show(out, evaluation)


def _show(out: Path, report: GeneratorReport) -> None:
    _console.print(figures_table(report))
    _print_line(oracle_line(report))
    side, ours = report.about["data"]["side"], report.about["weights"]["side"]
    if side != ours:
        _print_line(f"images of {ours} px against data of {side} px: distances count the difference in sharpness too")
    for name, reason in report.left_out.items():
        _print_line(f"not measured: {name}: {reason}")
    held = [target for target in check_targets(report) if target["met"] is not None]
    _print_line(f"{sum(target['met'] for target in held)} of {len(held)} targets met; report in {out}")
    _print_line(NOTICE)


def _print_line(text: str) -> None:
    _console.print(text, markup=False, soft_wrap=True)
