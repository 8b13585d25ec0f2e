"""The classifiers of the experiment: five folds for each confounder, in OUT/CONFOUNDER/seed-0/fold-K."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from experiments.explanation.people import Confounder, Scale, draw_training_stack
from experiments.processes import print_epoch
from recognition.config import ClassifierTrainingConfig
from recognition.ensemble import Ensemble
from recognition.training.cross_validation import cross_validate

FOLDS: Final = 5
CONFOUNDERS: Final[tuple[Confounder, ...]] = ("none", "mark", "smile")

_TRAINING: Final = ClassifierTrainingConfig(warmup_epochs=0, shift=0.02, colour=0.0, dropout=0.1, precision="float32")
"""Settings that learn much in few epochs."""


def train_classifiers(out: Path, confounder: Confounder, scale: Scale) -> Ensemble:
    """Train the classifiers of one confounder, or continue, and open them."""
    torch.set_num_threads(1)
    config = replace(_TRAINING, size=scale.size, epochs=scale.epochs)
    folder = out / confounder
    stack = draw_training_stack(scale, confounder)
    cross_validate(config, stack, folder, count=FOLDS, about={"confounder": confounder}, on_progress=print_epoch)
    return Ensemble.open(folder / "seed-0")
