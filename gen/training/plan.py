"""What a run will do, before it does anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from core.run_folders import TrainingFolder
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.training.batches import Pool
from gen.training.data import TrainingData
from gen.training.loop import RunSettings
from gen.training.recipe import TRAINING_DTYPES, TrainingConfig
from gen.training.trainer import Trainer


@dataclass(frozen=True)
class TrainingPlan:
    """A run to be, in figures.

    Args:
        parameters: by network.
        data: images by condition and age group.
        left_out: images that are excluded.
        pools: which images are shown how often.
        stands_at: images seen by the run in the folder; None for a new run.
        changes: settings that differ from those of the run in the folder: theirs, and these.
        steps: left to make.
        seconds_per_kimg: of the run in the folder when it last reported; None where unknown.
        data_bytes, training_bytes: of memory; the second is an estimate, for one process.
        threads: of the CPU.
    """

    parameters: Mapping[str, int]
    data: Mapping[str, Mapping[str, int]]
    left_out: int
    pools: tuple[Pool, ...]
    stands_at: int | None
    changes: Mapping[str, tuple[Any, Any]]
    steps: int
    seconds_per_kimg: float | None
    data_bytes: int
    training_bytes: int
    threads: int


def plan(trainer: Trainer, data: TrainingData, folder: TrainingFolder, settings: RunSettings) -> TrainingPlan:
    """What `train` would do with a trainer that has not resumed yet."""
    stands_at = folder.images_seen()
    left = max(0, settings.until_images - (stands_at or 0))
    parameters = {
        "generator": _count(trainer.generator),
        "discriminator": _count(trainer.discriminator),
    }
    return TrainingPlan(
        parameters=parameters,
        data=data.counts,
        left_out=data.left_out,
        pools=trainer.pools,
        stands_at=stands_at,
        changes={} if stands_at is None else folder.changes(trainer.settings()),
        steps=-(-left // trainer.config.batch),
        seconds_per_kimg=_last_pace(folder),
        data_bytes=data.images.images.nbytes,
        training_bytes=estimate_bytes(
            trainer.generator.config,
            trainer.discriminator.config,
            trainer.config,
            sum(parameters.values()),
            trainer.processes.count,
        ),
        threads=torch.get_num_threads(),
    )


def estimate_bytes(
    generator: GeneratorConfig,
    discriminator: DiscriminatorConfig,
    config: TrainingConfig,
    parameters: int,
    processes: int = 1,
) -> int:
    """About what training takes beside the data: weights, and the feature maps of the step that keeps most.

    Args:
        parameters: of generator and discriminator together.
    """
    weights = 5 * 4 * parameters  # weight, gradient, two moments, and the average or a copy in low precision
    values = sum(
        network.channels(r) * r * r for network in (generator, discriminator) for r in network.block_resolutions
    )
    width = TRAINING_DTYPES[config.precision].itemsize
    return weights + _LIBRARIES + _MAPS_KEPT * values * width * (config.batch // processes)


_MAPS_KEPT: Final = 11
"""Copies of every feature map, measured with phantom networks of 64 and 128 px on a CPU."""

_LIBRARIES: Final = 100_000_000


def _count(net: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def _last_pace(folder: TrainingFolder) -> float | None:
    if not folder.log.exists():
        return None
    lines = folder.log.read_text().splitlines()
    try:
        return float(json.loads(lines[-1])["seconds_per_kimg"])
    except (IndexError, ValueError, KeyError, TypeError):
        return None
