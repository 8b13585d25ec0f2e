"""`gestaltgen phenotypes …`: the HPO terms of a condition, and the faces that show them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from core.atomic_files import write_file
from faces.conditions.catalogue import Condition, FacialTerm, load_catalogue
from faces.conditions.terms import find_term
from faces.images import encode_png
from faces.phantoms.drawn_terms import DRAWN_TERMS
from faces.phantoms.phenotype import find_drawn_term
from faces.phantoms.phenotype_sheet import draw_sheet
from gestaltgen.cli.console import make_console
from gestaltgen.cli.error_messages import ReportingGroup

app = typer.Typer(
    cls=ReportingGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="List the facial HPO terms of a condition, or those that phantoms can show.",
)
_console = make_console()

ConditionsFile = Annotated[
    Path | None, typer.Option("--conditions", help="TOML file with conditions of your own.", dir_okay=False)
]


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A condition of the catalogue, or an HPO term.")],
    out: Annotated[Path | None, typer.Option(help="PNG file of the picture; default: NAME-phenotype.png.")] = None,
    age: Annotated[float, typer.Option(help="Age of the face in years.", min=0, max=120)] = 8.0,
    size: Annotated[int, typer.Option(help="Side of each face in pixels.", min=64, max=512)] = 192,
    conditions: ConditionsFile = None,
) -> None:
    """Show the facial HPO terms of a condition: a table, and a picture of an average face with each term alone.

    Phantoms are drawings, not patients. The picture shows the terms that can be drawn, the most frequent first.

    Example: gestaltgen phenotypes show Kabuki
    """
    condition = load_catalogue(conditions).find(name) or _single_term(name)
    terms = sorted(condition.terms, key=lambda term: -(term.frequency or 0.0))
    drawn = [term for term in terms if term.term_id in DRAWN_TERMS]
    identifiers = ", ".join(condition.identifiers.values())
    title = f"{condition.label} ({identifiers})" if identifiers else condition.label
    _print_terms(title, terms)
    if drawn:
        notes = [_format_frequency(term) for term in drawn]
        sheet = draw_sheet([term.term_id for term in drawn], title=title, notes=notes, age_years=age, size=size)
        out = out or Path(f"{condition.name.replace(':', '_')}-phenotype.png")
        write_file(out, encode_png(sheet))
        _console.print(f"picture: {out}", highlight=False, markup=False, soft_wrap=True)


@app.command(name="list")
def list_terms() -> None:
    """List the HPO terms that phantoms can show."""
    _print_terms(f"{len(DRAWN_TERMS)} terms", [FacialTerm(term, None) for term in DRAWN_TERMS])


def _single_term(name: str) -> Condition:
    """Make an entry without a name that has one term.

    Raises:
        LabelError: the text is no condition and no term that can be drawn.
    """
    term = find_term(find_drawn_term(name)).term
    return Condition(term.id, term.label, terms=(FacialTerm(term.id, None),))


def _print_terms(title: str, terms: list[FacialTerm]) -> None:
    table = Table("HPO", "term", "region", "frequency", "drawn", box=box.SIMPLE, pad_edge=False)
    for entry in terms:
        term, drawn = find_term(entry.term_id).term, DRAWN_TERMS.get(entry.term_id)
        region = drawn.region if drawn else term.region
        table.add_row(term.id, term.label, region, _format_frequency(entry), "yes" if drawn else "")
    _console.print(title, highlight=False, markup=False, soft_wrap=True)
    _console.print(table)


def _format_frequency(term: FacialTerm) -> str:
    return "" if term.frequency is None else f"{term.frequency:.0%}"
