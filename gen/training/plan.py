"""Plan of a run: its steps, its time and memory, and a smaller run that fits the machine if it does not."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import torch
import torch.nn.functional as F

from core.errors import ConfigError
from core.hardware import Machine, inspect_machine
from core.run_folders import TrainingFolder
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.networks import Discriminator, Generator
from gen.training.batches import Pool
from gen.training.data import TrainingData
from gen.training.loop import RunSettings
from gen.training.presets import Preset, make_preset
from gen.training.recipe import TRAINING_DTYPES, TrainingConfig
from gen.training.trainer import Trainer

LONG_RUN_S: Final = 86_400.0
"""Seconds above which a run is too long for the machine: one day."""

_MEMORY_SHARE: Final = 0.9
"""Share of the free memory that a run may use."""

_SMALLEST_SIZE: Final = 32
"""Side in pixels of the smallest images that are proposed."""


@dataclass(frozen=True)
class TrainingPlan:
    """Figures of what a run will do.

    Args:
        parameters: number of parameters by network.
        data: images by condition and age group.
        left_out: images that are excluded.
        pools: pools of images and their shares.
        stands_at: images seen by the run in the folder; None for a new run.
        changes: settings that differ from those of the run in the folder, with old and new values.
        steps: number of steps left.
        left_images: number of images left to show.
        seconds_per_kimg: pace of the run in the folder at its last report; for a new run an estimate on a CPU, and None
            on a GPU.
        measured: whether `seconds_per_kimg` was measured by the run in the folder.
        data_bytes, training_bytes: memory; the second is an estimate, for one process.
        threads: CPU threads.
        machine: the machine before the run.
    """

    parameters: Mapping[str, int]
    data: Mapping[str, Mapping[str, int]]
    left_out: int
    pools: tuple[Pool, ...]
    stands_at: int | None
    changes: Mapping[str, tuple[Any, Any]]
    steps: int
    left_images: int
    seconds_per_kimg: float | None
    measured: bool
    data_bytes: int
    training_bytes: int
    threads: int
    machine: Machine

    @property
    def left_s(self) -> float | None:
        """Seconds left to train; None where the pace is unknown."""
        return None if self.seconds_per_kimg is None else self.seconds_per_kimg * self.left_images / 1000

    @property
    def takes_too_long(self) -> bool:
        """Whether the run takes more than a day."""
        return self.left_s is not None and self.left_s > LONG_RUN_S

    @property
    def takes_too_much_memory(self) -> bool:
        """Whether training needs more memory than is free beside the data."""
        free = self.machine.free_bytes
        return free is not None and self.training_bytes > _MEMORY_SHARE * free


@dataclass(frozen=True)
class Proposal:
    """A smaller run, which fits the machine.

    Args:
        preset: name of the preset.
        size: side of the images in pixels.
        seconds: duration; None if the pace is unknown.
        training_bytes: memory without the data.
    """

    preset: str
    size: int
    seconds: float | None
    training_bytes: int


def make_plan(trainer: Trainer, data: TrainingData, folder: TrainingFolder, settings: RunSettings) -> TrainingPlan:
    """Describe what a run would do with a trainer that has not resumed yet."""
    stands_at = folder.images_seen()
    left = max(0, settings.until_images - (stands_at or 0))
    last_pace = _last_pace(folder)
    preset = Preset(trainer.generator.config, trainer.discriminator.config, trainer.config)
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
        left_images=left,
        seconds_per_kimg=estimate_pace(preset, trainer.device) if last_pace is None else last_pace,
        measured=last_pace is not None,
        data_bytes=data.images.images.nbytes,
        training_bytes=estimate_bytes(preset, sum(parameters.values()), trainer.processes.count),
        threads=torch.get_num_threads(),
        machine=inspect_machine(trainer.device),
    )


def propose_smaller_run(name: str, trainer: Trainer, images: int, machine: Machine) -> Proposal | None:
    """Find the largest new run that fits the machine. It tries smaller networks first, then smaller images.

    Args:
        name: name of the preset that does not fit.
        trainer: the run that does not fit.
        images: number of images to show.

    Returns:
        None if no smaller preset or size fits.
    """
    presets = (name,) if name in ("cpu", "phantom") or not machine.is_cpu else (name, "cpu")
    side = size = trainer.generator.config.resolution
    while side == size or side >= _SMALLEST_SIZE:
        for candidate in presets:
            if (candidate, side) != (name, size):
                proposal = _propose(candidate, side, images, trainer)
                if proposal is not None and _fits(proposal, machine):
                    return proposal
        side //= 2
    return None


def _propose(name: str, size: int, images: int, trainer: Trainer) -> Proposal | None:
    try:
        preset = make_preset(name, size, trainer.processes.count)
        preset = replace(preset, training=replace(preset.training, precision=trainer.config.precision))
        with torch.device("meta"):
            parameters = _count(Generator(preset.generator)) + _count(Discriminator(preset.discriminator))
    except ConfigError:  # no network has this size
        return None
    pace = estimate_pace(preset, trainer.device)
    seconds = None if pace is None else pace * images / 1000
    return Proposal(name, size, seconds, estimate_bytes(preset, parameters, trainer.processes.count))


def _fits(proposal: Proposal, machine: Machine) -> bool:
    in_time = proposal.seconds is None or proposal.seconds <= LONG_RUN_S
    return in_time and (machine.free_bytes is None or proposal.training_bytes <= _MEMORY_SHARE * machine.free_bytes)


def estimate_pace(preset: Preset, device: torch.device) -> float | None:
    """Estimate the seconds for 1,000 images on a CPU, for one process; None on a GPU, where nothing is measured."""
    if device.type != "cpu":
        return None
    speed = multiplications_per_second(torch.get_num_threads(), preset.training.precision == "bfloat16")
    return 1000 * _multiplications(preset) / (_SHARE_OF_SPEED * speed)


def _multiplications(preset: Preset) -> float:
    """Count the multiplications of the convolutions for one image of a step, with its share of all penalties."""
    generator = sum(_generator_maps(preset.generator))
    discriminator = sum(_discriminator_maps(preset.discriminator))
    training = preset.training
    # Forward and backward passes take three times a forward pass, gradients of gradients about six times. The
    # generator's step needs both networks, but no gradient of the discriminator's weights; the discriminator's step
    # makes images without a gradient, and judges them and as many real ones.
    generator_passes, discriminator_passes = 3.0 + 1.0, 2.0 + 6.0
    if training.penalises_paths:
        generator_passes += 6 / (training.path_length_interval * training.path_length_shrink)
    if training.penalises_gradients:
        discriminator_passes += 6 / training.r1_interval
    return generator_passes * generator + discriminator_passes * discriminator


def _generator_maps(config: GeneratorConfig) -> list[float]:
    counts = []
    for resolution in config.block_resolutions:
        channels = config.channels(resolution)
        counts.append(9.0 * resolution**2 * channels**2)
        if resolution > config.block_resolutions[0]:
            counts.append(9.0 * (resolution // 2) ** 2 * config.channels(resolution // 2) * channels)
    return counts


def _discriminator_maps(config: DiscriminatorConfig) -> list[float]:
    counts = []
    for resolution in config.block_resolutions:
        channels = config.channels(resolution)
        counts.append(9.0 * resolution**2 * channels**2)
        if resolution > min(config.block_resolutions):
            counts.append(10.0 * (resolution // 2) ** 2 * channels * config.channels(resolution // 2))
    return counts


_SHARE_OF_SPEED: Final = 0.5
"""Share of a convolution's speed that training reaches, measured with phantom networks of 128 px on a CPU."""


@cache
def multiplications_per_second(threads: int, bfloat16: bool) -> float:
    """Time a typical convolution with its gradient several times, in less than a second; return the best pace."""
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    x = torch.ones(16, 64, 32, 32, dtype=dtype).contiguous(memory_format=torch.channels_last).requires_grad_()
    kernel = torch.ones(64, 64, 3, 3, dtype=dtype, requires_grad=True)
    seconds = math.inf
    for _ in range(4):
        began = time.perf_counter()
        torch.autograd.backward(F.conv2d(x, kernel, padding=1), x.detach())
        seconds = min(seconds, time.perf_counter() - began)
    return 3 * 16 * 32 * 32 * 64 * 64 * 9 / seconds


def estimate_bytes(preset: Preset, parameters: int, processes: int = 1) -> int:
    """Estimate the memory that training needs beside the data: weights, and the feature maps of the step that keeps
    most of them.

    Args:
        parameters: of generator and discriminator together.
    """
    weights = 5 * 4 * parameters  # weight, gradient, two moments, and the average or a copy in low precision
    networks: tuple[GeneratorConfig | DiscriminatorConfig, ...] = (preset.generator, preset.discriminator)
    values = sum(network.channels(r) * r * r for network in networks for r in network.block_resolutions)
    config: TrainingConfig = preset.training
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
