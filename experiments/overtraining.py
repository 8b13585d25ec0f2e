"""`python -m experiments.overtraining`: over-trains a small generator on fifty phantoms, for the leakage audit to find.

It writes trained.zip, unseen.zip, generator.safetensors and discriminator.safetensors into a folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
import typer
from rich.console import Console

from core.seen_images import SeenImages
from faces.datasets.dataset import Dataset
from faces.datasets.records import PHANTOMS
from faces.phantoms.phantom_dataset import synthesise
from gen import checkpoint
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.training.data import TrainingImages
from gen.training.recipe import TrainingConfig
from gen.training.trainer import Trainer
from gestaltgen.cli.progress import ConsoleProgress

SIDE: Final = 32
TRAINED: Final = (50, 712)
UNSEEN: Final = (200, 713)
"""Numbers and seeds of the phantoms."""

GENERATOR: Final = GeneratorConfig(SIDE, 32, 32, 2, channel_base=512, channel_max=32, vocabulary=Vocabulary())
DISCRIMINATOR: Final = DiscriminatorConfig(
    SIDE, channel_base=1_024, channel_max=48, vocabulary=Vocabulary(), mapping_layers=1, mbstd_group_size=4
)
RECIPE: Final = TrainingConfig(
    batch=24,
    learning_rate=0.004,
    r1_gamma=0.02,
    path_length_weight=0,
    style_mixing=0,
    ema_halflife_images=2_000,
    mirror=False,
    precision="float32",
)
"""Recipe with which networks overfit: no augmentation, no mirrored images, hardly any penalty."""

SNAPSHOT: Final = 250
"""Steps from one saving of the networks to the next."""


def overtrain(
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    images: Annotated[int, typer.Option(help="Images to be shown.", min=1)] = 72_000,
) -> None:
    """Draw the phantoms, and train on the fifty."""
    torch.set_num_threads(1)
    for name, (count, seed) in (("trained.zip", TRAINED), ("unseen.zip", UNSEEN)):
        if not (out / name).exists():
            synthesise(out / name, count=count, size=SIDE, seed=seed)
    with Dataset.open(out / "trained.zip") as data:
        pictures = torch.from_numpy(data.images()).permute(0, 3, 1, 2).contiguous()
        labels = torch.from_numpy(np.asarray(data.labels))
        seen = SeenImages.of(data.key(index) for index in range(len(data)))
    trainer = Trainer(GENERATOR, DISCRIMINATOR, RECIPE, TrainingImages(pictures, labels, None))
    origin = f"{TRAINED[0]} {PHANTOMS}, over-trained on purpose"
    with ConsoleProgress(Console()).bar("training, images shown", images) as show:
        while trainer.images_seen < images:
            trainer.step()
            show(min(trainer.images_seen, images))
            if trainer.iteration % SNAPSHOT == 0 or trainer.images_seen >= images:
                checkpoint.save(out / "generator.safetensors", trainer.average, seen=seen, origin=origin)
                checkpoint.save(out / "discriminator.safetensors", trainer.discriminator, seen=seen, origin=origin)


if __name__ == "__main__":
    typer.run(overtrain)
