"""`gestaltgen evaluate`: does the label steer the images, are they varied, and how far are they from real ones?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

import weights as shipped
from core.precision import resolve_precision
from gen.evaluation.evaluation import (
    EvaluationOptions,
    ExperimentOptions,
    FeatureName,
    evaluate_generator,
    write_report,
)
from gen.evaluation.experiments import EVALUATION_SEED
from gen.evaluation.report import NOTICE, GeneratorReport, oracle_line, verdicts
from gestaltgen.cli.console import make_console
from gestaltgen.cli.options import PrecisionOption
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.cli.training.evaluation_table import figures_table

_console = make_console()


def evaluate(
    weights: Annotated[Path | None, typer.Argument(help="Generator's checkpoint; unset takes the shipped one.")] = None,
    *,
    data: Annotated[Path, typer.Option(help="Data set that it was trained on, as `gestaltgen dataset` makes it.")],
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json, evaluation.png and neighbours.png.")] = Path(
        "evaluation"
    ),
    count: Annotated[int, typer.Option(help="Images of each experiment and truncation.", min=40)] = 2_000,
    truncation: Annotated[list[float] | None, typer.Option(help="Repeatable; unset takes 0.6 and 1.")] = None,
    seed: Annotated[
        int, typer.Option(help="Where the people come from. Tune on another one than you publish.", min=0)
    ] = EVALUATION_SEED,
    phantoms: Annotated[
        bool | None,
        typer.Option("--phantoms/--photographs", help="What the data show; unset: as their records say."),
    ] = None,
    features: Annotated[
        list[FeatureName] | None,
        typer.Option(help="For distances, repeatable; unset: oracle for phantoms, dlib for photographs."),
    ] = None,
    inception: Annotated[
        Path | None, typer.Option(help="Also on Inception features: pytorch-fid's state dict.", dir_okay=False)
    ] = None,
    oracle: Annotated[Path | None, typer.Option(help="Oracle's file; unset takes the shipped one.")] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(help="Data set of real images kept out of training; unset draws phantoms, or leaves one out."),
    ] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(help="The list that the training was given: these images of DATA are the held-out ones."),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="Training run with kept snapshots: adds the curve of them.")] = None,
    faces: Annotated[int, typer.Option(help="Images that dlib searches, of each truncation.", min=1)] = 500,
    real_count: Annotated[
        int, typer.Option(help="Real images that the slower networks (dlib, Inception) see.", min=2)
    ] = 2_000,
    precision: PrecisionOption = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
) -> None:
    """Measure a generator: conditions, ages, identity, blends, variety, copies and distances to real images.

    Images are made for the purpose, from seeds that no training uses, and read by the oracle, a network that was
    trained on phantoms and whose own error is known (`gestaltgen oracle test`). It reads phantoms only: with
    photographs the figures that need it are left out, and the report says so.

    For each truncation COUNT images of every condition and age, as many in age progressions and as many in blends:

    - *condition and age-group accuracy*: share of images that are read as they were asked for

    - *age order*: Spearman's correlation of step and read age, mean over people

    - *identity drift*: how far a person's identity moves over a progression, relative to the spread between people

    - *blends*: share of people in whom the first condition grows with its weight

    - *identity spread*: within each condition and age, relative to real images; low means few faces for all

    - *precision, recall, variety*: do images lie among real ones, do real ones lie among them, how different are they

    - *nearest training image*: relative to images never trained on; far below 1 means copies

    - *Fréchet and kernel distance* to the data: compare figures of equal counts and features only

    Example: gestaltgen evaluate runs/mine/generator.safetensors --data faces.zip --run runs/mine --out report
    """
    if threads is not None:
        torch.set_num_threads(threads)
    truncations = tuple(dict.fromkeys(truncation or (0.6, 1.0)))
    if not all(0 <= psi <= 1 for psi in truncations):
        raise typer.BadParameter(f"truncations {list(truncations)}; expected numbers in [0, 1]")
    if held_out and exclude:
        raise typer.BadParameter("--held-out and --exclude both name held-out images; give one of them")
    options = EvaluationOptions(
        weights=weights or shipped.default(),
        data=data,
        oracle=oracle or shipped.oracle(),
        experiments=ExperimentOptions(count, truncations, seed, faces, real_count, resolve_precision(precision, "cpu")),
        phantoms=phantoms,
        features=tuple(features or ()),
        inception=inception,
        held_out=held_out,
        exclude=exclude,
        run=run,
    )
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
    held = [verdict for verdict in verdicts(report) if verdict["met"] is not None]
    _print_line(f"{sum(verdict['met'] for verdict in held)} of {len(held)} targets met; report in {out}")
    _print_line(NOTICE)


def _print_line(text: str) -> None:
    _console.print(text, markup=False, soft_wrap=True)
