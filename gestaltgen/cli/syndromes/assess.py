"""`gestaltgen syndromes assess`: does the face on a photograph speak for a syndrome?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gestaltgen.cli.console import make_console

if TYPE_CHECKING:
    from rich.table import Table

    from recognition.syndromes.assessment.answer import Assessment

_REASONS_SHOWN = 12


def assess(
    photo: Annotated[Path, typer.Argument(help="Photograph; its largest face is assessed.")],
    syndrome: Annotated[str, typer.Option(help="Name of the syndrome, as it was trained.")],
    models: Annotated[
        Path, typer.Option(help="Folder with trained models, as `gestaltgen syndromes train` writes it.")
    ] = Path("runs/syndrome-models"),
    sex: Annotated[str | None, typer.Option(help="Sex of the person: female, male or other.")] = None,
    age: Annotated[float | None, typer.Option(help="Age in years, when the photograph was taken.", min=0)] = None,
    term: Annotated[
        list[str] | None,
        typer.Option(help="HPO term that was observed, an id or a label, may be given several times."),
    ] = None,
    prior: Annotated[
        float,
        typer.Option(
            help="Share of patients with the syndrome among the people whom you would ask about, above 0 and below 1.",
        ),
    ] = 0.5,
    out: Annotated[Path | None, typer.Option(help="PNG of the face with the most important distances.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Ask whether the face on a photograph speaks for a syndrome, compared with matched controls.

    A face that is unlike all faces of the training gets no answer. Research use, no diagnosis.
    """
    from core.atomic_files import create_private_file
    from core.errors import ConfigError
    from faces.conditions.terms import find_term
    from faces.datasets.records import SEXES
    from faces.images import encode_png, read_image
    from recognition.syndromes.assessment.answer import NOTICE
    from recognition.syndromes.assessment.model_files import find_model
    from recognition.syndromes.assessment.syndrome_model import SyndromeModel

    if not 0 < prior < 1:
        raise ConfigError(f"--prior {prior:g}; expected a share above 0 and below 1")
    if sex is not None and sex not in SEXES:
        raise ConfigError(f"--sex {sex!r}; expected one of {', '.join(SEXES)}")
    terms = [find_term(name).term.id for name in term] if term else None
    model = SyndromeModel.open(find_model(models, syndrome))
    answer = model.assess(read_image(photo), sex=sex, age=age, terms=terms, prior=prior)
    if out is not None and not create_private_file(out, encode_png(answer.picture)):
        raise ConfigError(f"--out {out} exists; expected a new name")
    if as_json:
        typer.echo(json.dumps(answer.to_json(), indent=2))
        return
    console = make_console(soft_wrap=True)
    for line in (*answer.refusals, *answer.remarks):
        console.print(line, markup=False)
    if answer.estimates:
        console.print(_tabulate_estimates(answer))
        console.print(_tabulate_reasons(answer))
    for name, one in answer.novelty.items():
        console.print(
            f"by {name}, about {one.share:.0%} of the faces of the training lie as far from the nearest other one"
        )
    patients, controls = answer.patients.persons, answer.controls.persons
    console.print(f"compared with {patients} patients and {controls} controls, whom the card of the model describes")
    console.print(NOTICE)


def _tabulate_estimates(answer: Assessment) -> Table:
    from rich.table import Table

    table = Table("model", "probability", "95 % interval", title=f"{answer.syndrome}, prior {answer.prior:g}")
    for name, one in answer.estimates.items():
        table.add_row(name, f"{one.probability:.2f}", f"{one.low:.2f} to {one.high:.2f}")
    return table


def _tabulate_reasons(answer: Assessment) -> Table:
    from rich.table import Table

    table = Table("model", "reason", "for (+) or against (-)")
    largest = sorted(answer.reasons, key=lambda one: -abs(one.weight))[:_REASONS_SHOWN]
    for one in largest:
        table.add_row(one.model, one.name, f"{one.weight:+.3f}")
    return table
