"""`gestaltgen classify compare`: test whether runs differ from a baseline."""

from __future__ import annotations

from typing import Annotated

import typer

from gestaltgen.cli.classify.shared_options import PermutationsOption, ResamplesOption, SeedOption, console


def compare(
    baseline: Annotated[str, typer.Argument(help="PATH or NAME=PATH: a run, its predictions, or a CSV of them.")],
    runs: Annotated[list[str], typer.Argument(help="Runs to compare to the baseline, in the same form.")],
    resamples: ResamplesOption = 2000,
    permutations: PermutationsOption = 10_000,
    seed: SeedOption = 0,
) -> None:
    """Test whether runs differ from a baseline on the same images: over all, and for each condition.

    The command prints the difference of the accuracies with its interval, and p-values of the permutation test by
    person and of McNemar's exact test. Both p-values are corrected by Holm's method: for the number of runs, and for
    single conditions also for the number of conditions.
    """
    from gestaltgen.cli.classify.tables import print_comparisons
    from recognition.results.report import NOTICE, measure_runs
    from recognition.runs.run_files import load_named_predictions
    from recognition.statistics import Sampling

    predictions = load_named_predictions([baseline, *runs])
    sampling = Sampling(resamples, permutations, seed=seed)
    print_comparisons(console, measure_runs(predictions, baseline=next(iter(predictions)), sampling=sampling))
    console.print(NOTICE)
