"""`gestaltgen syndromes train`: models of a syndrome, from a laboratory's own photographs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import ConsoleProgress


def train(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="Data set, a folder or a zip, with the columns condition, person, sex, ancestry and age_years; "
            "`gestaltgen dataset prepare` makes one of photographs."
        ),
    ],
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
    control: Annotated[
        list[str] | None,
        typer.Option(help="Condition of the controls, may be given several times; default: other, unaffected."),
    ] = None,
    draws: Annotated[int, typer.Option(help="Number of times that controls are drawn.", min=1)] = 3,
    folds: Annotated[int, typer.Option(help="Parts of the cross-validation.", min=2)] = 5,
    ancestry: Annotated[bool, typer.Option(help="Match by ancestry too.")] = True,
    flat: Annotated[
        bool, typer.Option("--flat", help="Take the 68 flat landmarks for the points of the face, not a fitted head.")
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Folder in which features of the faces are kept. They are personal data.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn.", min=0)] = 0,
) -> None:
    """Train models that tell patients with a syndrome from matched controls, for `gestaltgen syndromes assess`.

    Each patient is matched with a control of the same sex, ancestry and about the same age. The answers of the models
    are calibrated on people whom they did not see.

    The files hold descriptors of the faces, which are personal data; only you can read them. A card beside each says
    whom the models were trained on, in numbers, and how well they do. Research use, no diagnosis.
    """
    from core.atomic_files import check_new
    from faces.conditions.catalogue import find_name
    from faces.datasets.dataset import Dataset
    from recognition.syndromes.assessment.answer import NOTICE
    from recognition.syndromes.assessment.card_text import write_card
    from recognition.syndromes.assessment.training import TrainingSettings, train_models
    from recognition.syndromes.cohorts.person import CONTROLS, find_controls, read_cohort
    from recognition.syndromes.features.extraction import extract
    from recognition.syndromes.models.face_and_terms import list_unusable_terms

    with Dataset.open(dataset) as data:
        conditions = {record.condition for record in data.records if record.condition is not None}
        syndrome = [find_name(name, conditions) for name in syndrome]
    console = make_console(soft_wrap=True)
    progress = ConsoleProgress(console)
    settings = TrainingSettings(models=tuple(model or ()), draws=draws, folds=folds, flat=flat, seed=seed)
    folders = {name: out / (re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "syndrome") for name in syndrome}
    for folder in folders.values():
        check_new(folder)
    with Dataset.open(dataset) as data:
        cohort = read_cohort(data.records, controls=find_controls(control or CONTROLS, data.records), ancestry=ancestry)
        for name in folders:
            cohort.patients(name)
        # The landmarks are found anew, as they will be on photographs that are assessed.
        features, failures = extract(data, flat=flat, detect=True, cache=cache, progress=progress)
    for problem in cohort.problems:
        console.print(f"{problem.file}: {problem.reason}", markup=False)
    for file, reason in list_unusable_terms(features):
        console.print(f"{file}: {reason}", markup=False)
    for name, folder in folders.items():
        trained = train_models(cohort, features, failures, name, settings, progress)
        for person, reason in trained.left_out:
            console.print(f"{person.file}: {reason}", markup=False)
        trained.stored.write(folder, write_card(trained.stored.card))
        for which, figures in trained.stored.card.figures.items():
            auc = figures.auc
            console.print(f"{name}, {which}: AUC {auc.value:.2f} ({auc.low:.2f} to {auc.high:.2f})", markup=False)
        console.print(f"{folder}: model and card", markup=False)
    console.print(NOTICE)
