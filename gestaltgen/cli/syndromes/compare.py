"""`gestaltgen syndromes compare`: all models side by side, on a laboratory's own photographs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, cast

import typer

from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.cli.syndromes.options import (
    AncestryOption,
    ControlOption,
    DatasetArgument,
    DescriptorOption,
    FlatOption,
    PermutationsOption,
    SeedOption,
)


def compare(
    dataset: DatasetArgument,
    out: Annotated[
        Path, typer.Option(help="Folder of the report; what it holds already is not computed again.")
    ] = Path("runs/syndromes"),
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Model, may be given several times; default: all but pointnet, pointnet_tuned and face_and_own_terms."
        ),
    ] = None,
    control: ControlOption = None,
    runs: Annotated[int, typer.Option(help="Number of times that the controls are drawn anew.", min=1)] = 3,
    ancestry: AncestryOption = True,
    youngest: Annotated[
        float,
        typer.Option(
            help="Least age of a control, as a multiple of the patient's; default: 2/3.",
            min=0,
            max=1,
            show_default=False,
        ),
    ] = 2 / 3,
    oldest: Annotated[
        float, typer.Option(help="Greatest age of a control, likewise; default: 4/3.", min=1, show_default=False)
    ] = 4 / 3,
    matching: Annotated[
        str,
        typer.Option(help="assignment matches as many patients as possible; greedy, one after another, as published."),
    ] = "assignment",
    opponents: Annotated[bool, typer.Option(help="Compare each syndrome with each other one too.")] = True,
    test: Annotated[
        list[str] | None,
        typer.Option(
            help="Model to test by permutation, may be given several times; default: neighbours, which takes no time. "
            "Others are fitted more than a thousand times for each syndrome and run."
        ),
    ] = None,
    permutations: PermutationsOption = 999,
    flat: FlatOption = False,
    workers: Annotated[int, typer.Option(help="Number of processes.", min=1)] = os.cpu_count() or 1,
    descriptor: DescriptorOption = None,
    seed: SeedOption = 0,
) -> None:
    """Compare models that tell patients with a syndrome from matched controls, on your own photographs.

    Each patient is matched with a control of the same sex, ancestry and
    about the same age. Every model predicts people whom it has not seen. The
    report has the area under the curve, specificity and sensitivity with
    their intervals, the curves, each syndrome against each other one, and
    everybody who could not be compared, with the reason.

    If the command stops, the same command continues. Research use: no figure
    is a diagnosis.
    """
    from recognition.syndromes.cohorts.matching import MatchingRule, Method
    from recognition.syndromes.comparison.comparison import compare_syndromes
    from recognition.syndromes.comparison.page import NOTICE, PAGE, write_report
    from recognition.syndromes.comparison.settings import ComparisonSettings
    from recognition.syndromes.comparison.tables import summarise_people

    console = make_console(soft_wrap=True)
    usual = ComparisonSettings()
    settings = ComparisonSettings(
        models=tuple(dict.fromkeys(model or ())),
        runs=runs,
        opponents=opponents,
        tested=tuple(dict.fromkeys(test or ())),
        permutations=permutations,
        controls=tuple(control or usual.controls),
        ancestry=ancestry,
        rule=MatchingRule(youngest, oldest),
        method=cast(Method, matching),
        flat=flat,
        descriptor=descriptor,
        seed=seed,
    )
    comparison = compare_syndromes(dataset, out, settings, workers=workers, progress=ConsoleProgress(console))
    write_report(out, comparison)
    for line in summarise_people(comparison):
        console.print(line, markup=False)
    console.print(f"look at {out / PAGE}")
    console.print(NOTICE)
