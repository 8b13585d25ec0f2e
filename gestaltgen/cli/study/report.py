"""`gestaltgen study report`: one page about a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gestaltgen.cli.console import make_console


def report(
    results: Annotated[
        Path | None, typer.Argument(help="JSON of `gestaltgen study analyse`; leave it out for a study of gaze alone.")
    ] = None,
    gaze: Annotated[Path | None, typer.Option(help="Folder of `gestaltgen study gaze`.")] = None,
    imported: Annotated[
        Path | None,
        typer.Option(help="JSON that `gestaltgen study import` wrote: the report states what was left out."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("report"),
) -> None:
    """Write a page about a study, with tables, plots, a methods paragraph, and all numbers as JSON.

    It shows groups, and nothing of a single participant.

    Example: gestaltgen study report results.json --imported answers.json --gaze gaze --out report
    """
    from studies.report.study_report import write_report

    write_report(out, results, gaze, imported)
    make_console(soft_wrap=True).print(f"look at {out / 'report.html'}", markup=False)
