"""`gestaltgen weights audit`: does a generator give away who was in its training data?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

import weights as shipped
from api.encryption.key_file import read_or_create_key
from api.models.training_people import find_place, write_sealed
from core.errors import ConfigError
from core.precision import resolve_precision
from faces.measures.training_people import TrainingPeople
from gen.evaluation.audit.audit import AuditOptions, audit_generator, write_report
from gen.evaluation.audit.card import CardSection
from gen.evaluation.audit.report import NOTICE, AuditReport, describe_verdict
from gen.evaluation.audit.tables import Rows, list_attacks, list_closeness, list_extraction
from gen.evaluation.experiments import EVALUATION_SEED
from gestaltgen.cli.console import make_console
from gestaltgen.cli.option_groups import expand_options
from gestaltgen.cli.options import PrecisionOption, ThreadsOption, set_threads
from gestaltgen.cli.progress import ConsoleProgress
from inversion.inversion_error import STEPS, measure_inversion_errors

_SIZE: Final = "Size of the audit"
_NETWORKS: Final = "Networks"
_PROTECTION: Final = "Protection of the training people"
_console = make_console(soft_wrap=True)


@dataclass(frozen=True)
class AuditSize:
    """Options about the numbers of people and images."""

    people: Annotated[
        int, typer.Option(help="At most so many members, and so many unseen people.", min=4, rich_help_panel=_SIZE)
    ] = 2_000
    images: Annotated[int, typer.Option(help="Generated images.", min=20, rich_help_panel=_SIZE)] = 2_000
    inversions: Annotated[
        int,
        typer.Option(
            help="Members, and unseen people, to invert, which takes longest; 0 leaves it out. The combined attack "
            "uses it if everybody is inverted.",
            min=0,
            rich_help_panel=_SIZE,
        ),
    ] = 200
    inversion_steps: Annotated[int, typer.Option(help="Steps of each inversion.", min=1, rich_help_panel=_SIZE)] = STEPS
    false_positives: Annotated[
        list[float] | None,
        typer.Option(
            help="Rate of false positives at which true positives are counted, repeatable; unset: 0.01. A rate r "
            "needs 10 / r unseen people.",
            rich_help_panel=_SIZE,
        ),
    ] = None
    truncation: Annotated[
        float, typer.Option(help="Of the images; 1 shows all that the generator has learnt.", rich_help_panel=_SIZE)
    ] = 1.0
    seed: Annotated[int, typer.Option(help="Of images and choices.", min=0, rich_help_panel=_SIZE)] = EVALUATION_SEED
    precision: PrecisionOption = "auto"


@dataclass(frozen=True)
class AuditNetworks:
    """Options about networks beside the generator."""

    discriminator: Annotated[
        Path | None, typer.Option(help="The generator's discriminator, for the attack by its score.", dir_okay=False)
    ] = None
    oracle: Annotated[
        Path | None, typer.Option(help="Oracle that reads phantoms; unset: the shipped one.", rich_help_panel=_NETWORKS)
    ] = None
    inception: Annotated[
        Path | None,
        typer.Option(
            help="File of pytorch-fid's state dict, for perceptual distances between photographs.",
            dir_okay=False,
            rich_help_panel=_NETWORKS,
        ),
    ] = None
    phantoms: Annotated[
        bool | None,
        typer.Option(
            "--phantoms/--photographs",
            help="What the data show; unset: as the data set says.",
            rich_help_panel=_NETWORKS,
        ),
    ] = None


@dataclass(frozen=True)
class AuditProtection:
    """Options about the sealed file of training people."""

    people_key: Annotated[
        Path | None,
        typer.Option(
            help="File of a key, which is created if there is none. With it, encrypted descriptors of the training "
            "people are written as NAME-people.sealed beside the checkpoint. Image sets then leave out people who "
            "are too near to one of them.",
            rich_help_panel=_PROTECTION,
        ),
    ] = None
    hold_back: Annotated[
        float,
        typer.Option(
            help="Share of the unseen people who would be left out too; the distance that counts as too near "
            "follows from it.",
            rich_help_panel=_PROTECTION,
        ),
    ] = 0.01


@expand_options
def audit(
    generator: Annotated[Path, typer.Argument(help="Checkpoint of a generator.")],
    *,
    data: Annotated[Path, typer.Option(help="Data set that it was trained on, as the training was given it.")],
    unseen: Annotated[
        Path, typer.Option(help="Data set of other people of the same source, prepared in the same way.")
    ],
    exclude: Annotated[
        Path | None, typer.Option(help="The list of pictures of --data that were excluded from the training.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for audit.json and audit.html.")] = Path("audit"),
    networks: AuditNetworks,
    size: AuditSize,
    protection: AuditProtection,
    show_pairs: Annotated[
        bool,
        typer.Option(
            "--show-pairs",
            help="Also write pairs.png: generated images beside the nearest training people. It shows training people.",
        ),
    ] = False,
    card: Annotated[
        Path | None, typer.Option(help="Model card in which to write, or replace, the section about the audit.")
    ] = None,
    threads: ThreadsOption = None,
) -> None:
    """Find out whether a generator gives away who was in its training data.

    - *nearest training person* of each image, by identity, perceptual features and pixels, against that of others

    - *membership attacks*: is this photograph in the training data? By its distance to generated images, by the
    discriminator's score, by how well the generator reproduces it, and by all of these together

    - *extraction*: groups of images that are nearly the same, and the training people whom they show

    The unseen people must be of the same source: the attack "the photographs alone", which does not use the
    generator, tests this. If it succeeds, the sources differ, and there is no verdict. Refused are training data that
    the checkpoint does not list, unseen people who are in the training data, and too few of them for the asked rate
    of false positives. Photographs of one person count once.

    Example: gestaltgen weights audit runs/mine/generator.safetensors --data faces.zip --unseen others.zip
    --discriminator runs/mine/discriminator.safetensors --card card.md
    """
    set_threads(threads)
    section = None if card is None else CardSection.find(card)
    try:
        options = AuditOptions(
            weights=generator,
            data=data,
            unseen=unseen,
            exclude=exclude,
            oracle=networks.oracle or shipped.oracle(),
            discriminator=networks.discriminator,
            people=size.people,
            images=size.images,
            inversions=size.inversions,
            false_positives=tuple(size.false_positives or (0.01,)),
            truncation=size.truncation,
            seed=size.seed,
            precision=resolve_precision(size.precision, "cpu"),
            phantoms=networks.phantoms,
            inception=networks.inception,
            show_pairs=show_pairs,
            hold_back=None if protection.people_key is None else protection.hold_back,
        )
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    key = None if protection.people_key is None else read_or_create_key(protection.people_key)
    invert = partial(measure_inversion_errors, steps=size.inversion_steps)
    report = audit_generator(options, invert, ConsoleProgress(_console))
    write_report(out, report)
    if key is not None and report.training_people is not None:
        write_sealed(generator, report.training_people, key)
    if section is not None:
        section.write(report)
    _print_report(report, generator, out)


def _print_report(report: AuditReport, generator: Path, out: Path) -> None:
    for rows in (list_attacks(report), list_closeness(report), list_extraction(report)):
        _console.print(_make_table(rows))
    for line in (
        *(f"not done: {name}: {reason}" for name, reason in report.left_out.items()),
        describe_verdict(report),
        *([] if report.training_people is None else [_describe_protection(generator, report.training_people)]),
        f"report in {out}" + (", with a picture of training people: pairs.png" if report.pairs else ""),
        NOTICE,
    ):
        _console.print(line, markup=False)


def _describe_protection(generator: Path, people: TrainingPeople) -> str:
    return (
        f"descriptors of {people.people} training people in {find_place(generator)}: image sets leave out faces up to "
        f"{people.threshold:.3g} from one of them, as {100 * people.share:g} % of unseen people are"
    )


def _make_table(rows: Rows) -> Table:
    head, *body = rows
    table = Table(*head, box=None)
    for row in body:
        table.add_row(*row)
    return table
