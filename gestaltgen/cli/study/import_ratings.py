"""`gestaltgen study import-ratings`: HPO terms that clinicians see on images, joined to the key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.atomic_files import write_file
from core.csv_reports import format_csv
from core.errors import DatasetError
from gestaltgen.cli.console import make_console
from studies.answers.key import read_key
from studies.answers.rating_sheets import import_ratings as read_sheets


def import_ratings(
    sheets: Annotated[list[Path], typer.Argument(help="Sheets with the column image, and a column for each term.")],
    key: Annotated[Path, typer.Option(help="Key of the survey: key.csv, or answers.csv of a survey pack.")],
    out: Annotated[Path, typer.Option(help="CSV of ratings to write, one a line.")] = Path("ratings.csv"),
    blank_is_absent: Annotated[
        bool, typer.Option("--blank-is-absent", help="The raters marked only what they see.")
    ] = False,
) -> None:
    """Join rating sheets of several clinicians, with HPO terms present or absent, to the key.

    The rater stands in the column `rater`, or is the name of the file. Cells are 1, x, yes or present; 0, no or absent;
    or empty. Empty cells are neither present nor absent, unless you say otherwise.

    Example: gestaltgen study import-ratings R1.csv R2.csv R3.csv --key study/key/key.csv
    """
    console = make_console(soft_wrap=True)
    imported = read_sheets(sheets, read_key(key), blank_is_absent=blank_is_absent)
    for place in imported.unknown:
        console.print(f"image is not in the key: {place}", markup=False)
    if not imported.ratings:
        raise DatasetError("no rating is left; expected marks on images of the key")
    write_file(out, format_csv(imported.ratings).encode())
    raters = len({rating.rater for rating in imported.ratings})
    console.print(
        f"{len(imported.ratings)} ratings of {raters} raters in {out}; {imported.blank} cells without a mark, "
        f"{len(imported.unknown)} rows about images that are not in the key"
    )
