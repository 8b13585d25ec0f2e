"""`python -m experiments.dose`: how many synthetic images help a classifier, on phantoms, and of which kind?"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import torch
import typer
from rich.console import Console

from experiments.augmentation import generators
from experiments.augmentation.classifiers import BASE, CONFIG, FOLDS, SPLIT_SEED, TEST, TRAIN
from experiments.augmentation.material import copy_models, draw_datasets
from experiments.processes import run_app
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.local_service import run_local_service
from recognition.images.folds import write_folds
from recognition.images.samples import load_real_samples
from recognition.images.service_request import ServiceSetRequest
from recognition.results.dose_report import PAGE
from recognition.runs.dose_runs import TIMES, DoseSpecification, measure_doses
from recognition.runs.run_plan import RunSpecification, TestSet

KINDS: Final = ("unrelated", "age_progression")

_console = Console(highlight=False, soft_wrap=True)
app = typer.Typer(add_completion=False)


@app.command()
def dose(
    out: Annotated[Path, typer.Option(help="Folder of the runs; runs that are there already are continued.")] = Path(
        "runs/dose"
    ),
    material: Annotated[
        Path, typer.Option(help="Folder of `experiments.augmentation`, for faces and generators; what lacks is made.")
    ] = Path("runs/augmentation"),
    seeds: Annotated[int, typer.Option(help="Number of ensembles for each size.", min=1)] = 3,
    epochs: Annotated[int, typer.Option(help="Epochs of each classifier, of 400 images each.", min=1)] = CONFIG.epochs,
    times: Annotated[list[float] | None, typer.Option(help="Images of a set over real faces, repeatable.")] = None,
    every_size: Annotated[bool, typer.Option("--every-size", help="Do not stop where more does not help.")] = False,
    base_images: Annotated[
        int, typer.Option(help="Number of images in the training of the first generator.")
    ] = generators.BASE_IMAGES,
    fold_images: Annotated[
        int, typer.Option(help="Number of images in the training of each fold's generator.")
    ] = generators.FOLD_IMAGES,
    generator: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of a generator for all folds, instead of one that is trained for each."),
    ] = None,
) -> None:
    """How many synthetic images help a classifier that has few real faces, and of which kind?

    Faces, folds, generators and classifiers are those of the experiment on augmentation; the sizes differ. If stopped,
    the same command continues.
    """
    draw_datasets(material, [TRAIN, TEST, *([] if generator else [BASE])])
    if generator is None:
        held_out = write_folds(load_real_samples(material / TRAIN), TRAIN, material / "folds", FOLDS, SPLIT_SEED)
        generators.train_base(material, material / BASE, base_images)
        generators.train_folds(material, material / TRAIN, list(held_out), fold_images)
    torch.set_num_threads(1)
    progress = ConsoleProgress(_console)
    with ExitStack() as stack:
        base = generator or generators.locate_generator(material / "base")
        service = stack.enter_context(run_local_service(base, copy_models(material, generator), progress=progress))
        specification = DoseSpecification(
            RunSpecification(
                real=material / TRAIN,
                configure=lambda _: replace(CONFIG, epochs=epochs),
                folds=FOLDS,
                fold_seed=SPLIT_SEED,
                seeds=seeds,
                sets=None,
                real_faces=True,
                backbone=None,
                service=service,
                threshold=None,
                test=TestSet(material / TEST),
            ),
            [ServiceSetRequest(kind, seed=0, model="fold-{fold}") for kind in KINDS],
            tuple(times or TIMES),
            every_size=every_size,
        )
        result = measure_doses(specification, out, torch.device("cpu"), progress)
    if result.stopped_by is not None:
        raise typer.Exit(128 + result.stopped_by)
    _console.print(f"look at {out / 'report' / PAGE}")


if __name__ == "__main__":
    run_app(app)
