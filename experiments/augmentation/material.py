"""Faces and generators of the experiment, which other experiments use too."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

from rich.console import Console

from experiments.augmentation import people
from experiments.augmentation.classifiers import BASE, CONFIG, FOLDS, MORE, TEST, TRAIN
from experiments.augmentation.generators import locate_generator, name_model

_SEEDS: Final = {BASE: 9001, TRAIN: 9002, MORE: 9003, TEST: 9004}
"""Seeds of the phantoms: four sets of different people."""

_console = Console(highlight=False, soft_wrap=True)


def draw_datasets(out: Path, needed: Collection[str]) -> None:
    """Draw the data sets that are needed and not there yet."""
    out.mkdir(parents=True, exist_ok=True)
    for name, counts in (
        (BASE, people.UNAFFECTED),
        (TRAIN, people.COUNTS),
        (MORE, people.MORE),
        (TEST, people.BALANCED),
    ):
        if name in needed and not (out / name).exists():
            _console.print(f"drawing {out / name}")
            people.write_dataset(out / name, counts, _SEEDS[name], size=CONFIG.size, twice=name == TRAIN)


def copy_models(out: Path, generator: Path | None, folds: int = FOLDS, *, conditioned: bool = False) -> Path:
    """Copy the generators of the folds, or the one for all folds, into a folder of their own to serve them from.

    Args:
        conditioned: copy those with a condition loss too.
    """
    folder = out / "models"
    folder.mkdir(exist_ok=True)
    for kind in {False, conditioned}:
        for name in (name_model(fold, conditioned=kind) for fold in range(folds)):
            shutil.copyfile(generator or locate_generator(out / name), folder / f"{name}.safetensors")
    return folder
