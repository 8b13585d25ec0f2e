"""`gestaltgen explain regions`: ask what the relevance of facial regions goes with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gestaltgen.cli.console import make_console


def regions(
    relevance: Annotated[
        Path,
        typer.Argument(help="CSV with the columns file, method, region, relevance and, for several folds, fold."),
    ],
    dataset: Annotated[Path, typer.Argument(help="Data set of these faces, with condition and person.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("regions"),
    unaffected: Annotated[str, typer.Option(help="Condition that the others are compared with.")] = "unaffected",
    raters: Annotated[
        Path | None,
        typer.Option(
            help="Rater's sheet with a column for each HPO term, and 1X to 3X for the number of raters who see it; "
            "default: the terms of the data set."
        ),
    ] = None,
) -> None:
    """Test whether the relevance of facial regions differs between affected and unaffected, conditions, or HPO terms.

    Persons, not faces, are the units. A condition with fewer than five persons is refused.
    """
    from faces.datasets.dataset import Dataset
    from recognition.explanation.questions.hpo_terms import read_rater_sheet
    from recognition.explanation.questions.region_report import answer_questions, write_region_report
    from recognition.explanation.questions.relevance_table import read_relevance

    console = make_console(soft_wrap=True)
    with Dataset.open(dataset) as data:
        table = read_relevance(relevance, data.records)
    scores = None if raters is None else read_rater_sheet(raters)
    report = answer_questions(table, unaffected, scores)
    write_region_report(out, table, unaffected, report)
    found = sum(test.holm < 0.05 for test in report.affected)
    console.print(f"{found} of {len(report.affected)} tests against {unaffected} have p < 0.05 after Holm")
    console.print(f"look at {out / 'regions.html'}")
