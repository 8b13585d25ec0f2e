"""`gestaltgen study import-ratings`: HPO terms that clinicians see on images, joined to the key."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from core.atomic_files import write_file
from core.csv_reports import format_csv
from core.errors import DatasetError
from core.json_text import replace_nonfinite, to_json_text
from gestaltgen.cli.console import make_console
from studies.analysis.agreement import measure_term_agreement
from studies.answers.key import read_answer_key
from studies.answers.rating_sheets import import_ratings as read_sheets
from studies.report.number_formats import format_estimate


def import_ratings(
    sheets: Annotated[list[Path], typer.Argument(help="Sheets with the column image, and a column for each term.")],
    key: Annotated[Path, typer.Option(help="Key of the study: key.csv, answers.csv of a survey pack, or the folder.")],
    out: Annotated[Path, typer.Option(help="CSV of ratings to write, one a line.")] = Path("ratings.csv"),
    blank_is_absent: Annotated[
        bool, typer.Option("--blank-is-absent", help="The raters marked only what they see.")
    ] = False,
) -> None:
    """Join rating sheets of several clinicians, with HPO terms present or absent, to the key.

    The rater stands in the column `rater`, or is the name of the file. Cells are 1, x, yes or present; 0, no or absent;
    or empty. Empty cells are neither present nor absent, unless you say otherwise. The agreement of the raters on each
    term is shown, and written beside the ratings as JSON.

    Example: gestaltgen study import-ratings R1.csv R2.csv R3.csv --key study/key/key.csv
    """
    console = make_console(soft_wrap=True)
    imported = read_sheets(sheets, read_answer_key(key), blank_is_absent=blank_is_absent)
    for place in imported.unknown:
        console.print(f"image is not in the key: {place}", markup=False)
    if not imported.ratings:
        raise DatasetError("no rating is left; expected marks on images of the key")
    write_file(out, format_csv(imported.ratings).encode())
    terms = {term: replace_nonfinite(asdict(row)) for term, row in measure_term_agreement(imported.ratings).items()}
    write_file(out.with_suffix(".json"), (to_json_text({"terms": terms}) + "\n").encode())
    raters = len({rating.rater for rating in imported.ratings})
    console.print(
        f"{len(imported.ratings)} ratings of {raters} raters in {out}; {imported.blank} cells without a mark, "
        f"{len(imported.unknown)} rows about images that are not in the key"
    )
    if terms:
        table = Table(box=box.SIMPLE, pad_edge=False)
        for name in ("term", "images", "Fleiss' kappa (95 %)", "Krippendorff's alpha (95 %)"):
            table.add_column(name)
        for term, row in terms.items():
            kappa, alpha = (format_estimate(row[name]) for name in ("fleiss_kappa", "krippendorff_alpha"))
            table.add_row(term, str(row["images"]), kappa, alpha)
        console.print(table)
