"""The smallest training that there is, for several tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gen.augmentation.ada import AdaConfig
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.training.data import TrainingImages
from gen.training.distributed import Processes
from gen.training.recipe import TrainingConfig
from gen.training.trainer import CPU, Trainer

GENERATOR = GeneratorConfig(16, 16, 16, 2, channel_base=128, channel_max=8, vocabulary=Vocabulary())
DISCRIMINATOR = DiscriminatorConfig(
    16, channel_base=128, channel_max=8, vocabulary=Vocabulary(), mapping_layers=1, mbstd_group_size=2
)
PLAIN = TrainingConfig(batch=8, r1_interval=2, path_length_weight=0, precision="float32")
EVERYTHING = TrainingConfig(
    batch=8,
    r1_interval=3,
    path_length_interval=2,
    augment="bgc",
    augment_p=0.3,
    ada=AdaConfig(interval=2, speed_kimg=1),
    classifier_weight=1,
    identity_weight=1,
    sampling="half_affected",
    precision="float32",
)


IDENTITY = 3


def data(n: int = 40, *, identity: bool = False) -> TrainingImages:
    """Dark pictures of the first condition, bright ones of the last; who it is shows in the colour."""
    draw = torch.Generator().manual_seed(0)
    bright = torch.arange(n) % 2
    images = torch.randint(0, 60, (n, 3, 16, 16), generator=draw) + 130 * bright[:, None, None, None]
    who = torch.randn(n, IDENTITY, generator=draw)
    images = (images + 25 * who[:, :, None, None] + 20).clamp(0, 255).to(torch.uint8)
    labels = torch.stack([Vocabulary().encode("unaffected" if b else "WS", "child") for b in bright])
    return TrainingImages(images, labels, who if identity else None)


def trainer(config: TrainingConfig = PLAIN, processes: Processes = Processes(), **changes: Any) -> Trainer:
    config = replace(config, **changes)
    identity = config.identity_weight > 0
    discriminator = replace(
        DISCRIMINATOR, classifier=config.classifier_weight > 0, identity=IDENTITY if identity else 0
    )
    return Trainer(GENERATOR, discriminator, config, data(identity=identity), CPU, processes)


def states_differ(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that are not the same in two states."""
    assert a.keys() == b.keys()
    return [name for name in a if not torch.equal(a[name], b[name])]
