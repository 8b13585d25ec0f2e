"""`gestaltgen syndromes assess`: is the face on a photograph evidence for a syndrome?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gestaltgen.cli.console import make_console
from gestaltgen.cli.syndromes.options import DescriptorOption

if TYPE_CHECKING:
    from rich.table import Table

    from recognition.syndromes.assessment.answer import Assessment

_REASONS_SHOWN: Final = 4
"""Reasons of each model that are printed; JSON has more."""

_RARE: Final = 0.01
"""Second share of patients, for which the probability is printed too."""

NO_ANSWER: Final = 3
"""Status of the command for a face that gets no answer."""


def assess(
    photo: Annotated[Path, typer.Argument(help="Photograph; its largest face is assessed.")],
    syndrome: Annotated[str, typer.Option(help="Name of the syndrome, as it was trained.")],
    models: Annotated[
        Path, typer.Option(help="Folder with trained models, as `gestaltgen syndromes train` writes it.")
    ] = Path("runs/syndrome-models"),
    descriptor: DescriptorOption = None,
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
    out: Annotated[
        Path | None, typer.Option(help="PNG of the face with the most important distances, and their names.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Ask whether the face on a photograph is evidence for a syndrome, compared with matched controls.

    A face that is unlike all faces of the training gets no answer: the exit status is then 3, also with --json, and
    the picture says so. It is 0 with an answer, and 1 after an error. The probability depends on --prior, the share
    of people with the syndrome in the group that you ask about. Research use, no diagnosis.
    """
    from core.atomic_files import create_private_file
    from core.errors import ConfigError
    from faces.conditions.terms import find_term
    from faces.datasets.records import SEXES
    from faces.images import encode_png, read_image
    from recognition.syndromes.assessment.model_files import find_model
    from recognition.syndromes.assessment.syndrome_model import SyndromeModel
    from recognition.syndromes.features.descriptors import load_descriptor

    if not 0 < prior < 1:
        raise ConfigError(f"--prior {prior:g}; expected a share above 0 and below 1")
    if sex is not None and sex not in SEXES:
        raise ConfigError(f"--sex {sex!r}; expected one of {', '.join(SEXES)}")
    terms = [find_term(name).term.id for name in term] if term else None
    model = SyndromeModel.open(find_model(models, syndrome), load_descriptor(descriptor))
    answer = model.assess(read_image(photo), sex=sex, age=age, terms=terms, prior=prior)
    if out is not None and not create_private_file(out, encode_png(answer.picture)):
        raise ConfigError(f"--out {out} exists; expected a new name")
    if as_json:
        typer.echo(json.dumps(answer.to_json(), indent=2))
    else:
        _print(answer)
    if answer.refusals:
        raise typer.Exit(NO_ANSWER)


def _print(answer: Assessment) -> None:
    from recognition.syndromes.assessment.answer import NOTICE
    from recognition.syndromes.assessment.card_text import describe_people

    console = make_console(soft_wrap=True)
    for line in (*answer.refusals, *answer.remarks):
        console.print(line, markup=False)
    if answer.estimates:
        console.print(_tabulate_estimates(answer))
        console.print(
            f"Each is the probability in a group of people of whom {answer.prior:.3g} have {answer.syndrome}; set "
            "--prior to that of your own group. The interval is that of the calibration; other patients would give "
            "other models.",
            markup=False,
        )
        console.print(_tabulate_reasons(answer))
    for name, one in answer.novelty.items():
        console.print(
            f"by {name}, about {one.share:.0%} of the faces of the training lie as far from the nearest other one"
        )
    for group, called in ((answer.patients, "patients"), (answer.controls, "controls")):
        console.print(f"compared with {describe_people(group, called)}", markup=False)
    console.print(NOTICE)


def _tabulate_estimates(answer: Assessment) -> Table:
    from rich.table import Table

    from recognition.syndromes.assessment.calibration import shift_prior

    rare = answer.prior != _RARE
    table = Table(
        "model",
        f"probability at prior {answer.prior:.3g}",
        "95 % interval",
        *([f"probability at prior {_RARE:g}"] if rare else []),
        title=answer.syndrome,
    )
    for name, one in answer.estimates.items():
        at_half = shift_prior(one.probability, 1 - answer.prior)
        cells = [f"{shift_prior(at_half, _RARE):.3f}"] if rare else []
        table.add_row(name, f"{one.probability:.2f}", f"{one.low:.2f} to {one.high:.2f}", *cells)
    return table


def _tabulate_reasons(answer: Assessment) -> Table:
    """Tabulate the largest reasons of each model, with the numbers of the lines in the picture."""
    from rich.table import Table

    from recognition.syndromes.assessment.answer import number_lines

    table = Table("model", "line", "reason", "for (+) or against (-)", title="reasons")
    numbers = {one: str(number) for number, one in number_lines(answer.reasons).items()}
    for model in dict.fromkeys(one.model for one in answer.reasons):
        for one in [one for one in answer.reasons if one.model == model][:_REASONS_SHOWN]:
            table.add_row(one.model, numbers.get(one, ""), one.name, f"{one.weight:+.3f}")
    return table
