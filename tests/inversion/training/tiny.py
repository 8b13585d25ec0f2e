"""The smallest training of an inverter."""

from __future__ import annotations

from typing import Any

import torch

from gen.labels import Vocabulary
from gen.training.data import TrainingImages
from gen.training.distributed import Processes
from inversion.inverter import Inverter
from inversion.training.recipe import InversionTrainingConfig, Stage
from inversion.training.trainer import InversionTrainer
from tests.inversion.tiny import ENCODER, HYPERNETWORK, some_faces, tiny_generator


def data(n: int = 12) -> TrainingImages:
    faces = ((some_faces(n, seed=9).flip(3) + 1) * 127.5).round().to(torch.uint8)
    return TrainingImages(faces, Vocabulary().encode("WS", "child")[None].repeat(n, 1))


def trainer(
    stage: Stage = "encoder", processes: Processes = Processes(), real: bool = True, **settings: Any
) -> InversionTrainer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        inverter = Inverter(tiny_generator(), ENCODER, HYPERNETWORK)
    chosen = {"batch": 8, "learning_rate": 0.003, "passes": 2, "synthetic_share": 0.5 if real else 1.0} | settings
    config = InversionTrainingConfig(stage, **chosen)
    return InversionTrainer(inverter, config, data() if real else None, processes=processes)
