"""`gestaltgen study import`: answers of survey programs, joined to the key."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich import box
from rich.table import Table

from core.atomic_files import check_new, write_file
from core.errors import DatasetError
from core.json_text import to_json_text
from core.setting_values import split_settings
from gestaltgen.cli.console import make_console
from studies.answers import importer
from studies.answers.exclusions import REMEDIES, ExclusionRules
from studies.answers.importer import ImportedAnswers
from studies.answers.key import read_answer_key
from studies.answers.plain_csv import ColumnMap
from studies.answers.table import write_answers
from studies.answers.wide_csv import read_question_columns

_MOST_PLACES: Final = 10
"""Places that are printed of each problem."""


class Unit(StrEnum):
    """Units of time (`studies.answers.sessions.TimeUnit`)."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"


def import_answers(
    files: Annotated[list[Path], typer.Argument(help="Exports of a survey program, plain CSV, or folders of them.")],
    key: Annotated[Path, typer.Option(help="Key of the study: key.csv, answers.csv of a survey pack, or the folder.")],
    out: Annotated[Path, typer.Option(help="New CSV of answers to write; the counts go to a .json beside.")] = Path(
        "answers.csv"
    ),
    option: Annotated[
        list[str] | None, typer.Option(help="Answer that can be given, if the key names none; repeat for each.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="TEXT=OPTION: text that stands for an option, such as a number or a translation."),
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="OURS=THEIRS: column of a plain CSV, for example answer=Diagnosis.")
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(help="columns.csv of a LimeSurvey or REDCap survey: its columns and their images."),
    ] = None,
    participant_column: Annotated[
        str, typer.Option(help="Column of the pseudonym; default: participant, or else the number of the response.")
    ] = "",
    time_unit: Annotated[
        Unit | None, typer.Option(help="Unit of the times; default: seconds, and milliseconds of jsPsych.")
    ] = None,
    images: Annotated[
        int | None, typer.Option(help="Images of a complete session; default: all of its version.", min=1)
    ] = None,
    least_seconds: Annotated[
        float, typer.Option(help="Leave out sessions whose median time of an answer is shorter.", min=0)
    ] = 0.0,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Keep unfinished and incomplete sessions.")] = False,
) -> None:
    """Join the answers of a survey program to the key, and count what is left out.

    The first finished session of each participant is kept. Answers to images that are not in the key, answers that are
    no option, and participants who saw several versions are listed and left out. Names, addresses and places of
    participants in a Qualtrics export are not read.

    Example: gestaltgen study import export.csv --key study/key/key.csv --least-seconds 1
    """

    check_new(out)
    reading = importer.ReadingRules(
        columns=ColumnMap(split_settings(column or (), "--column", "answer=Diagnosis")),
        questions=None if questions is None else read_question_columns(questions),
        participant=participant_column,
        unit=None if time_unit is None else time_unit.value,
        labels=split_settings(label or (), "--label", "1=WS"),
        options=tuple(option or ()),
    )
    rules = ExclusionRules(images=images, least_seconds=least_seconds, unfinished=unfinished)
    imported = importer.import_answers(files, read_answer_key(key), rules, reading)
    console = make_console(soft_wrap=True)
    console.print(make_table(imported))
    for line in list_problems(imported):
        console.print(line, markup=False)
    counts = out.with_suffix(".json")
    write_file(counts, to_json_text(imported.to_json()).encode())
    if not imported.answers:
        raise DatasetError(f"no answer is left; see {counts} for the reasons")
    write_answers(out, imported.answers)
    console.print(
        f"{len(imported.answers)} answers of {imported.participants} participants in {out}, counts in {counts}"
    )


def make_table(imported: ImportedAnswers) -> Table:
    """Make a table of what was read, kept and left out, and why."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("")
    for name in ("sessions", "answers"):
        table.add_column(name, justify="right")
    table.add_row("read", str(imported.sessions), str(imported.given))
    for exclusion in imported.exclusions:
        table.add_row(f"left out: {exclusion.reason}", str(exclusion.sessions), str(exclusion.answers))
    table.add_row("kept", str(imported.participants), str(len(imported.answers)))
    return table


def list_problems(imported: ImportedAnswers) -> Iterator[str]:
    """List the first places of each reason that points to an error, and the remedy."""
    for reason, remedy in REMEDIES.items():
        places = [one.place for one in imported.left_out if one.reason == reason]
        if places:
            yield f"{reason}: {remedy}"
            yield from (f"  {place}" for place in places[:_MOST_PLACES])
            if len(places) > _MOST_PLACES:
                yield f"  and {len(places) - _MOST_PLACES} more"
