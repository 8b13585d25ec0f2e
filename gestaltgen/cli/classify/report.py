"""`gestaltgen classify report`: write tables and a page about runs that were measured on one test set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gestaltgen.cli.classify.shared_options import PermutationsOption, ResamplesOption, SeedOption, console


def report(
    runs: Annotated[
        list[str], typer.Argument(help="PATH or NAME=PATH each: a run, its predictions, or a CSV of them.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("report"),
    baseline: Annotated[
        str | None, typer.Option(help="Name of the run that the others are compared to; default: the first.")
    ] = None,
    resamples: ResamplesOption = 2000,
    permutations: PermutationsOption = 10_000,
    seed: SeedOption = 0,
) -> None:
    """Write how well runs did on one test set: tables, report.json and a page with plots, report.html.

    All runs must have been measured on the same images. Intervals and tests treat persons, not images, as the units
    that were sampled.

    Example: gestaltgen classify report real=runs/real "+ progression=runs/progression" --out report
    """
    from gestaltgen.cli.classify.tables import print_accuracies, print_comparisons
    from recognition.results.report import write_report as write_report
    from recognition.runs.run_files import load_named_predictions
    from recognition.statistics import Sampling

    predictions = load_named_predictions(runs)
    if baseline is None and len(predictions) > 1:
        baseline = next(iter(predictions))
    sampling = Sampling(resamples, permutations, seed=seed)
    with console.status("measuring"):
        written = write_report(predictions, out, baseline=baseline, sampling=sampling, about={"runs": list(runs)})
    print_accuracies(console, written)
    if written.comparisons:
        print_comparisons(console, written)
    console.print(f"look at {out / 'report.html'}")
