"""Start of a run, with networks of a preset or of the checkpoints that it fine-tunes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import ConfigError
from core.seen_images import NOTHING, SeenImages
from gen import checkpoint
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.training.presets import Preset
from gen.training.trainer import Trainer
from gen.training.warm_start import WarmStartReport, warm_start, warm_start_discriminator

FINE_TUNING_SPEED_KIMG = 100
"""Thousands of images in which p can move by 1 in fine-tuning, as published."""


@dataclass(frozen=True)
class Sources:
    """Networks to start from; None for new ones.

    Args:
        origin: origin of the run, for people.
        seen: images that the networks were trained on; none if they are new.
    """

    generator: Generator | None = None
    discriminator: Discriminator | None = None
    origin: str = "trained from scratch"
    seen: SeenImages = NOTHING


def read_sources(generator: Path | None, discriminator: Path | None) -> Sources:
    """Read the checkpoints that a run fine-tunes.

    Raises:
        CheckpointError: a file cannot be read, or holds the other network.
        ConfigError: a discriminator without its generator.
    """
    if generator is None:
        if discriminator is not None:
            raise ConfigError(f"--discriminator-from {discriminator} without --from; name its generator too")
        return Sources()
    info = checkpoint.read_info(generator)
    origin = f"fine-tuned from {generator.name} ({info.origin or 'origin unknown'}; sha256 {info.sha256[:16]})"
    seen = info.seen_images
    if discriminator is not None:  # the generator learns from the discriminator, which has seen these images
        seen |= checkpoint.read_info(discriminator).seen_images
    return Sources(checkpoint.load_generator(generator), _discriminator(discriminator), origin, seen)


def _discriminator(path: Path | None) -> Discriminator | None:
    net = None if path is None else checkpoint.load(path)
    if isinstance(net, Generator):
        raise ConfigError(f"{path} holds a generator; expected the discriminator trained with it")
    return net


def fit_preset(preset: Preset, vocabulary: Vocabulary, sources: Sources, identity: int = 0) -> Preset:
    """Adapt a preset to the data, with the sizes of the networks that it begins with and the pace of fine-tuning.

    Args:
        vocabulary: vocabulary of the data's labels.
        identity: number of values of an identity in the data.
    """
    generator, discriminator, training = preset.generator, preset.discriminator, preset.training
    if sources.generator is not None:
        generator = replace(
            sources.generator.config,
            resolution=generator.resolution,
            truncation_centre=generator.truncation_centre,
        )
        discriminator = _match_generator(sources, generator, discriminator)
        training = replace(training, ema_rampup=0)
        if training.ada is not None:
            training = replace(training, ada=replace(training.ada, speed_kimg=FINE_TUNING_SPEED_KIMG))
    return Preset(
        replace(generator, vocabulary=vocabulary),
        replace(discriminator, vocabulary=vocabulary, classifier=training.classifier_weight > 0, identity=identity),
        training,
    )


def _match_generator(sources: Sources, generator: GeneratorConfig, preset: DiscriminatorConfig) -> DiscriminatorConfig:
    if sources.discriminator is None:
        return replace(
            preset,
            channel_base=generator.channel_base,
            channel_max=generator.channel_max,
            conv_clamp=generator.conv_clamp,
        )
    source = sources.discriminator.config
    return replace(
        source,
        resolution=preset.resolution,
        mapping_layers=source.mapping_layers if source.vocabulary else preset.mapping_layers,
        mbstd_group_size=preset.mbstd_group_size,
    )


def begin(trainer: Trainer, sources: Sources) -> Mapping[str, WarmStartReport]:
    """Give a new trainer the weights of its sources, and report by network where every tensor came from.

    Raises:
        ConfigError, CheckpointError: sources that do not fit the networks.
    """
    reports = {}
    if sources.generator is not None:
        reports["generator"] = warm_start(trainer.generator, sources.generator, seed=trainer.config.seed)
        trainer.average.load_state_dict(trainer.generator.state_dict())
    if sources.discriminator is not None:
        reports["discriminator"] = warm_start_discriminator(
            trainer.discriminator, sources.discriminator, seed=trainer.config.seed
        )
    return reports
