"""`gestaltgen study analyse`: accuracy, the difference between variants, confidence, agreement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from core.atomic_files import write_file
from core.json_text import to_json_text
from gestaltgen.cli.console import make_console
from studies.analysis.accuracy import describe_groups
from studies.analysis.estimates import Estimate
from studies.analysis.human_and_model import HumanAndModel, read_probabilities
from studies.analysis.study_analysis import NOTICE, StudyAnalysis, analyse_answers
from studies.answers.table import FEWEST, read_answers
from studies.report.number_formats import format_p


def analyse(
    answers: Annotated[Path, typer.Argument(help="CSV of answers, as `gestaltgen study import` writes.")],
    out: Annotated[Path, typer.Option(help="JSON file to write, with all numbers.")] = Path("results.json"),
    model: Annotated[
        Path | None,
        typer.Option(help="CSV of a classifier's probabilities: image (its code), and p:CLASS for each option."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of bootstraps and permutations.", min=0)] = 0,
) -> None:
    """Measure accuracy, the difference between variants, confidence and agreement.

    The recommended test of two variants is a mixed logistic regression in which participants and faces are random. The
    published t-test, which ignores both, is shown beside it. No result names a participant.

    Example: gestaltgen study analyse answers.csv --out results.json
    """
    console = make_console()
    probabilities = None if model is None else read_probabilities(model)
    with console.status("analysing"):
        analysis = analyse_answers(read_answers(answers), probabilities, seed=seed)
    write_file(out, to_json_text(analysis.to_json()).encode())
    console.print(f"{analysis.answers} answers of {analysis.participants} participants to {analysis.faces} faces")
    console.print(_tabulate_accuracies(analysis))
    if analysis.left_out:
        groups = describe_groups(analysis.left_out)
        console.print(f"left out, with fewer than {FEWEST} participants: {groups}", markup=False)
    if analysis.variant_tests:
        console.print(_tabulate_tests(analysis))
    if analysis.human_and_model is not None:
        console.print(_tabulate_model(analysis.human_and_model))
    console.print(f"all numbers: {out}", markup=False)
    console.print(NOTICE)


def _tabulate_accuracies(analysis: StudyAnalysis) -> Table:
    table = _make_table("answers of", "answers", "participants", "faces", "accuracy (95 %)")
    for row in analysis.accuracies:
        counts = (str(row.answers), str(row.participants), str(row.faces))
        table.add_row(", ".join(row.group.values()) or "all", *counts, _format_share(row.accuracy))
    return table


def _tabulate_tests(analysis: StudyAnalysis) -> Table:
    table = _make_table(
        "faces", "variants", "difference (95 %), log odds", "in accuracy", "p", "Holm", "published t-test, p"
    )
    for test in analysis.variant_tests:
        shown = ["not estimated", "", "", ""]
        if (one := test.comparison) is not None:
            shown = [
                f"{one.difference:.2f} ({one.interval[0]:.2f} to {one.interval[1]:.2f})",
                _format_share(Estimate(one.accuracy_difference, *one.accuracy_interval)),
                format_p(one.p),
                format_p(test.holm),
            ]
        pair = f"{test.variants[1]} - {test.variants[0]}"
        table.add_row(test.condition or "all", pair, *shown, format_p(test.published_p))
    return table


def _tabulate_model(comparison: HumanAndModel) -> Table:
    table = _make_table("faces", "images", "participants (95 %)", "classifier", "p", "Holm", "published t-test, p")
    for row in comparison.groups:
        name = ", ".join(filter(None, (row.condition, row.age_group))) or "all"
        shown = (_format_share(row.human), f"{100 * row.model:.1f} %")
        table.add_row(name, str(row.images), *shown, format_p(row.p), format_p(row.holm), format_p(row.published_p))
    return table


def _make_table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", overflow="fold")
    return table


def _format_share(share: Estimate) -> str:
    return f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f})"
