"""`gestaltgen classify folds`: list the persons whom each fold's generator must not see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gestaltgen.cli.classify.shared_options import console, progress


def folds(
    real: Annotated[Path, typer.Option(help="Data set that the classifiers are to learn from.")],
    out: Annotated[Path, typer.Option(help="Folder for the lists.")] = Path("runs/folds"),
    folds: Annotated[int, typer.Option(help="Number of folds, as for `classify train`.", min=2)] = 5,
    fold_seed: Annotated[int, typer.Option(help="Seed of the split, as for `classify train`.")] = 0,
) -> None:
    """Write the persons of each fold, who are not to be shown to that fold's generator.

    A generator that was trained on all real faces knows those that choose the epochs of the classifiers. To avoid this,
    train one generator for each fold, serve them under names that end in the fold's number, and name them like this:

    - `gestaltgen train faces.zip --exclude runs/folds/fold-0.txt --out runs/generator-0`, and so on; to start from a
      generator of other people, add `--from`, and `--images` for the number of images

    - `gestaltgen serve --models models --without-keys`, with `models/fold-0.safetensors`, and so on

    - `gestaltgen classify train --real faces.zip --augment unrelated --model "fold-{fold}"`
    """
    from recognition.images.folds import list_persons, write_folds
    from recognition.images.samples import load_real_samples
    from recognition.runs.run_plan import read_classes

    classes, _ = read_classes(real, progress)
    lists = write_folds(load_real_samples(real, classes), real.name, out, folds, fold_seed)
    for path, faces in lists.items():
        console.print(f"{path}: {len(list_persons(faces))} persons, {len(faces)} images")
    console.print(
        f"next, for each: gestaltgen train {real} --exclude {next(iter(lists))} --out RUN; then the classifiers with "
        f"--folds {folds} --fold-seed {fold_seed}"
    )
