"""`python -m experiments.augmentation`: the experiment of Duong et al. 2022 on phantoms, from drawing to table."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from core.atomic_files import write_file
from core.errors import ConfigError, PullError
from experiments.augmentation import generators
from experiments.augmentation.arms import ALL_ARMS, ARMS, FURTHER_ARMS, REAL, AugmentationArm
from experiments.augmentation.classifiers import (
    BASE,
    CONFIG,
    FOLDS,
    MORE,
    SPLIT_SEED,
    TEST,
    TRAIN,
    describe_process,
    locate_classifier,
)
from experiments.augmentation.judges import train_judges
from experiments.augmentation.material import copy_models, draw_datasets
from experiments.augmentation.readings import write_readings
from experiments.augmentation.results import write_results
from experiments.augmentation.sheet import draw_sheet
from experiments.processes import COSTS, run_app, run_side_by_side
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.local_service import run_local_service
from recognition.images.folds import write_folds
from recognition.images.samples import load_real_samples

_console = Console(highlight=False, soft_wrap=True)
app = typer.Typer(add_completion=False)

SHEET: Final = "faces.png"


@app.command()
def augmentation(
    out: Annotated[
        Path, typer.Option(help="Folder of the experiment; an experiment that is there already is continued.")
    ] = Path("runs/augmentation"),
    seeds: Annotated[
        int, typer.Option(help="Number of ensembles for each arm; seeds vary the classifiers only.", min=1)
    ] = 3,
    base_images: Annotated[
        int, typer.Option(help="Number of images in the training of the first generator.")
    ] = generators.BASE_IMAGES,
    epochs: Annotated[
        int, typer.Option(help="Number of epochs of each classifier, of 400 images each.", min=1)
    ] = CONFIG.epochs,
    fold_images: Annotated[
        int, typer.Option(help="Number of images in the training of each fold's generator.")
    ] = generators.FOLD_IMAGES,
    arm: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Arm, repeatable: {', '.join(one.folder for one in ARMS)}, which unset takes; or "
            f"{', '.join(one.folder for one in FURTHER_ARMS)}."
        ),
    ] = None,
    generator: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of a generator for all folds, instead of one that is trained for each."),
    ] = None,
    folds: Annotated[
        int, typer.Option(help="Number of folds; fewer take less time, and learn from fewer faces each.", min=2)
    ] = FOLDS,
) -> None:
    """Do synthetic faces help a classifier of conditions that has few and unbalanced real ones?

    The command draws phantoms. It trains a generator of unaffected ones, and from it one generator for each fold, which
    sees only the fold's training part. It serves the generators and trains classifiers on real faces alone, with each
    kind of image set, on sets alone and with more real faces. It measures all of them on an untouched test set. This
    takes some hours on two cores. If stopped, the same command continues.
    """
    arms = choose_arms(arm)
    conditioned = any(one.conditioned for one in arms)
    if conditioned and generator is not None:
        raise ConfigError(
            f"a condition loss is of generators of the folds, and {generator} is for all: omit --generator"
        )
    if generator is None:
        minutes = generators.estimate_minutes(base_images, fold_images, folds * (1 + conditioned))
        _console.print(f"generators: about {minutes:.0f} minutes of one core, if nothing is trained yet")
    for one in arms:
        minutes = one.estimate_minutes(seeds * folds, epochs)
        _console.print(f"arm {one.folder}: about {minutes:.1f} minutes of one core, if nothing is trained yet")
    needs_base = generator is None or any(one.base_people for one in arms)
    draw_datasets(
        out, [TRAIN, TEST, *([BASE] if needs_base else []), *([MORE] if any(a.extra_real for a in arms) else [])]
    )
    held_out = write_folds(load_real_samples(out / TRAIN), TRAIN, out / "folds", folds, SPLIT_SEED)
    if generator is None:
        generators.train_base(out, out / BASE, base_images)
        generators.train_folds(out, out / TRAIN, list(held_out), fold_images)
        if conditioned:
            generators.train_folds(out, out / TRAIN, list(held_out), fold_images, train_judges(out, folds, epochs))
    chosen = tuple(range(seeds))
    run_side_by_side(
        [describe_process(REAL, out, "", chosen, epochs, folds)], out / COSTS
    )  # they filter what others learn
    with ExitStack() as stack:
        parts = [describe_process(one, out, "", chosen, epochs, folds) for one in arms]
        if not all(part.done for part in parts):
            base, progress = generator or generators.locate_generator(out / "base"), ConsoleProgress(_console)
            models, classifiers = (
                copy_models(out, generator, folds, conditioned=conditioned),
                _copy_classifiers(out, folds),
            )
            service = stack.enter_context(run_local_service(base, models, classifiers, progress=progress))
            parts = [describe_process(one, out, service, chosen, epochs, folds) for one in arms]
        run_side_by_side(parts, out / COSTS)
    _console.print(write_results(out, chosen, arms, folds))
    try:
        _console.print(write_readings(out, arms, folds))
        write_file(out / SHEET, draw_sheet(out, arms, folds))
    except PullError as error:
        _console.print(f"without readings and {out / SHEET}: {error}")
    _console.print(
        f"look at {out / 'report' / 'report.html'} and {out / SHEET}; the table is {out / 'table.md'}, costs are in "
        f"{out / COSTS}"
    )


def choose_arms(names: list[str] | None) -> tuple[AugmentationArm, ...]:
    """Return the arms of these names, and that of real faces, with which the others are compared; None for
    those of ARMS.

    Raises:
        ConfigError: an unknown name.
    """
    if names is None:
        return ARMS
    unknown = set(names) - {arm.folder for arm in ALL_ARMS}
    if unknown:
        raise ConfigError(
            f"unknown arm {', '.join(sorted(unknown))}; expected some of {', '.join(arm.folder for arm in ALL_ARMS)}"
        )
    return tuple(arm for arm in ALL_ARMS if arm.folder in names or arm is REAL)


def _copy_classifiers(out: Path, folds: int) -> Path:
    """Copy the first classifiers of real faces into a folder of their own, by the names of the folds' generators."""
    folder = out / "classifiers"
    folder.mkdir(exist_ok=True)
    for fold in range(folds):
        source = locate_classifier(out, REAL, 0, fold)
        shutil.copyfile(source, folder / f"{generators.name_model(fold)}.safetensors")
    return folder


if __name__ == "__main__":
    run_app(app)
