"""A generator for each fold, fine-tuned on that fold's training part from a generator of unaffected people."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from core import tensor_files
from experiments.processes import COSTS, SideProcess, run_side_by_side

BASE_IMAGES: Final = 100_000
FOLD_IMAGES: Final = 20_000
CONDITION_LOSS_WEIGHT: Final = 0.5

_MINUTES_AN_IMAGE: Final = 0.018 / 60
"""100,000 images took 32 minutes on a core, and 20,000 of a fold 345 s."""

_NETWORKS: Final = {
    "generator.channel_base": 2048,
    "generator.channel_max": 64,
    "discriminator.channel_base": 2048,
    "discriminator.channel_max": 64,
}
_BASE: Final = {**_NETWORKS, "classifier_weight": 0}
_FOLD: Final = {
    **_NETWORKS,
    "learning_rate": 0.002,
    "augment": "bgc",
    "ada.target": 0.6,
    "ada.speed_kimg": 50,
    "ema_halflife_images": 3000,
}
"""As the study fine-tuned from FFHQ: adaptive augmentation, batches half affected and half unaffected."""


def estimate_minutes(base_images: int, fold_images: int, count: int) -> float:
    """Estimate the minutes of one core for the training of the first generator and of so many others."""
    return (base_images + count * fold_images) * _MINUTES_AN_IMAGE


def train_base(out: Path, data: Path, images: int = BASE_IMAGES) -> None:
    """Train the generator of unaffected people that all others start from, in out/base."""
    run_side_by_side(
        [_describe_training("generator of unaffected people", out / "base", data, images, _BASE, [])], out / COSTS
    )


def name_model(fold: int, *, conditioned: bool = False) -> str:
    """Return the name of a fold's generator at the service, and of its folder."""
    return f"conditioned-{fold}" if conditioned else f"fold-{fold}"


def train_folds(
    out: Path,
    data: Path,
    held_out: Sequence[Path],
    images: int = FOLD_IMAGES,
    judges: Sequence[Path] | None = None,
) -> None:
    """Train the generators of the folds, one for each core at a time, in the folders of `name_model`.

    Args:
        out: folder of the experiment.
        data: data set.
        held_out: lists of the persons of each fold's validation part, who are not shown.
        images: number of images in each training.
        judges: a classifier for each fold whose loss on conditions the generator learns from too; None trains without.
    """
    base = out / "base"
    parts = []
    for fold, persons in enumerate(held_out):
        begin = ["--from", str(locate_generator(base))]
        begin += ["--discriminator-from", str(base / "discriminator.safetensors")]
        begin += ["--exclude", str(persons), "--sampling", "half_affected"]
        name, settings = f"generator of fold {fold}", _FOLD
        if judges is not None:
            name, settings = f"{name} with a condition loss", _FOLD | {"condition_loss_weight": CONDITION_LOSS_WEIGHT}
            begin += ["--condition-loss", str(judges[fold])]
        folder = out / name_model(fold, conditioned=judges is not None)
        parts.append(_describe_training(name, folder, data, images, settings, begin))
    run_side_by_side(parts, out / COSTS)


def locate_generator(folder: Path) -> Path:
    """Return the checkpoint of a training."""
    return folder / "generator.safetensors"


def _describe_training(
    name: str, folder: Path, data: Path, images: int, settings: Mapping[str, object], more: Sequence[str]
) -> SideProcess:
    command = [sys.executable, "-m", "gestaltgen", "train", str(data), "--out", str(folder), "--preset", "phantom"]
    for setting, value in settings.items():
        command += ["--set", f"{setting}={value if isinstance(value, str) else json.dumps(value)}"]
    command += ["--images", str(images), "--snapshot", "5000", "--snapshot-minutes", "5", "--threads", "1", *more]
    return SideProcess(name, tuple(command), folder / "log.txt", done=_read_images_seen(folder) >= images)


def _read_images_seen(folder: Path) -> int:
    path = locate_generator(folder)
    return int(tensor_files.read_header(path)["images_seen"]) if path.exists() else 0
