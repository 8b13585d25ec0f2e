"""`gestaltgen syndromes train`: models of a syndrome, from a laboratory's own photographs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.cli.syndromes.options import (
    AncestryOption,
    ControlOption,
    DatasetArgument,
    DescriptorOption,
    FlatOption,
    SeedOption,
)

if TYPE_CHECKING:
    from rich.console import Console

    from recognition.syndromes.assessment.training import Training

T = TypeVar("T")


def train(
    dataset: DatasetArgument,
    syndrome: Annotated[
        list[str], typer.Option(help="Condition of the patients, may be given several times: each gets its models.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder that gets a folder for each syndrome; `gestaltgen serve` takes it.")
    ] = Path("runs/syndrome-models"),
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model, may be given several times; default: all but pointnet_tuned and face_and_own_terms."),
    ] = None,
    control: ControlOption = None,
    draws: Annotated[int, typer.Option(help="Number of times that controls are drawn.", min=1)] = 3,
    folds: Annotated[int, typer.Option(help="Parts of the cross-validation.", min=2)] = 5,
    ancestry: AncestryOption = True,
    flat: FlatOption = False,
    descriptor: DescriptorOption = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder in which features of the faces are kept. They are personal data.")
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Train models that tell patients with a syndrome from matched controls, for `gestaltgen syndromes assess`.

    Each patient is matched with a control of the same sex, ancestry and about the same age. The answers of the models
    are calibrated on people whom they did not see. A syndrome with too few patients who have a control is reported,
    and the others are trained; the status is then 1.

    The files hold descriptors of the faces, which are personal data; only you can read them. A card beside each says
    whom the models were trained on, in numbers, and how well they do. Research use, no diagnosis.
    """
    from faces.conditions.catalogue import find_name
    from faces.datasets.dataset import Dataset
    from recognition.syndromes.assessment.answer import NOTICE
    from recognition.syndromes.assessment.training import TrainingSettings, match_patients, train_models
    from recognition.syndromes.cohorts.person import CONTROLS, find_controls, read_cohort
    from recognition.syndromes.features.descriptors import load_descriptor
    from recognition.syndromes.features.extraction import extract
    from recognition.syndromes.models.face_and_terms import list_unusable_terms

    console = make_console(soft_wrap=True)
    progress, describe = ConsoleProgress(console), load_descriptor(descriptor)
    settings = TrainingSettings(models=tuple(model or ()), draws=draws, folds=folds, flat=flat, seed=seed)
    with Dataset.open(dataset) as data:
        conditions = {record.condition for record in data.records if record.condition is not None}
        folders = _name_folders(out, [find_name(name, conditions) for name in syndrome])
        read = partial(
            read_cohort, data.records, controls=find_controls(control or CONTROLS, data.records), ancestry=ancestry
        )
        cohort = read()
        for name in folders:
            cohort.patients(name)
        matched = [name for name in folders if _try(console, name, lambda one: match_patients(cohort, one, settings))]
        if not matched:
            raise typer.Exit(1)
        # The landmarks are found anew, as they will be on photographs that are assessed.
        features, failures = extract(data, descriptor=describe, flat=flat, detect=True, cache=cache, progress=progress)
        cohort = read(failures=failures)
    left_out = [(one.file, one.reason) for one in cohort.problems]
    for file, reason in (*left_out, *list_unusable_terms(features)):
        console.print(f"{file}: {reason}", markup=False)
    trained = [
        _try(console, name, lambda one: train_models(cohort, features, failures, one, settings, progress))
        for name in matched
    ]
    written = [one for one in trained if one is not None]
    for one in written:
        _write(console, one, folders[one.stored.card.syndrome])
    console.print(NOTICE)
    if len(written) < len(folders):
        raise typer.Exit(1)


def _name_folders(out: Path, syndromes: Sequence[str]) -> dict[str, Path]:
    """Return the new folder of each syndrome."""
    from core.atomic_files import check_new
    from core.errors import ConfigError

    folders: dict[str, Path] = {}
    for name in dict.fromkeys(syndromes):
        folder = out / (re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "syndrome")
        check_new(folder)
        if folder in folders.values():
            raise ConfigError(
                f"--syndrome {name!r} would be stored in {folder}, as another one that is named; expected names that "
                "differ in letters or digits: train one of them with another --out"
            )
        folders[name] = folder
    return folders


def _try(console: Console, name: str, work: Callable[[str], T]) -> T | None:
    """Do the work for a syndrome; None if too few of its people can be used, which is reported."""
    from core.errors import DatasetError

    try:
        return work(name)
    except DatasetError as error:
        console.print(f"{name} is not trained: {error}", markup=False)
        return None


def _write(console: Console, trained: Training, folder: Path) -> None:
    """Write the files of a syndrome, and print who was left out and how well the models do."""
    from recognition.syndromes.assessment.card_text import write_card

    card = trained.stored.card
    if trained.left_out:
        console.print(f"{card.syndrome}, left out:", markup=False)
    for person, reason in trained.left_out:
        role = "control" if person.syndrome is None else "patient"
        console.print(f"  {person.file} ({role}): {reason}", markup=False)
    trained.stored.write(folder, write_card(card))
    for which, figures in card.figures.items():
        auc = figures.auc
        console.print(f"{card.syndrome}, {which}: AUC {auc.value:.2f} ({auc.low:.2f} to {auc.high:.2f})", markup=False)
    console.print(f"{folder}: model and card", markup=False)
