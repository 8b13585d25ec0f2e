"""Presets of networks and training, as values; use dataclasses.replace for variants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, get_type_hints

from core.errors import ConfigError
from core.setting_values import parse_value
from gen.augmentation.ada import AdaConfig
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.training.recipe import TrainingConfig


@dataclass(frozen=True)
class Preset:
    """Configurations of both networks and of their training."""

    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    training: TrainingConfig


def phantom(resolution: int = 128, processes: int = 1) -> Preset:
    """Make the preset of small networks for a CPU, trained without augmentation on any number of drawn faces."""
    return Preset(
        GeneratorConfig(resolution, 128, 128, 2, channel_base=4096, channel_max=128, truncation_centre="label"),
        DiscriminatorConfig(resolution, channel_base=4096, channel_max=128, mapping_layers=2, classifier=True),
        TrainingConfig(
            batch=16,
            r1_gamma=0.5 * (resolution / 64) ** 2,
            path_length_weight=0,
            classifier_weight=1,
        ),
    )


def paper256(resolution: int = 256, processes: int = 1) -> Preset:
    """Make the preset of Duong et al. 2022, who fine-tuned FFHQ weights: half affected, half unaffected, adaptive
    augmentation."""
    return Preset(
        GeneratorConfig(resolution, conv_clamp=256),
        DiscriminatorConfig(resolution, conv_clamp=256, mbstd_group_size=8),
        TrainingConfig(
            batch=64,
            learning_rate=0.0025,
            r1_gamma=1,
            ema_halflife_images=20_000,
            ema_rampup=0,
            augment="bgc",
            ada=AdaConfig(target=0.6),
            sampling="half_affected",
        ),
    )


def gpu(resolution: int = 256, processes: int = 1) -> Preset:
    """Make the preset of full-size networks, which need a GPU; the recipe follows resolution and processes (Karras et
    al. 2020, "Training Generative Adversarial Networks with Limited Data").

    The batch grows with the number of processes, up to 4096 / resolution images for each and 64 in all.
    """
    batch = max(min(processes * min(4096 // resolution, 32), 64), processes)
    channel_base = 32768 if resolution >= 512 else 16384
    return Preset(
        GeneratorConfig(resolution, mapping_layers=2, channel_base=channel_base, conv_clamp=256),
        DiscriminatorConfig(
            resolution,
            channel_base=channel_base,
            conv_clamp=256,
            mbstd_group_size=min(batch // processes, 4),
        ),
        TrainingConfig(
            batch=batch,
            learning_rate=0.002 if resolution >= 1024 else 0.0025,
            r1_gamma=0.0002 * resolution**2 / batch,
            path_length_shrink=2 if batch >= 2 * processes else 1,
            ema_halflife_images=batch * 10_000 / 32,
            ema_rampup=0.05,
            augment="bgc",
            ada=AdaConfig(target=0.6),
        ),
    )


def cpu(resolution: int = 128, processes: int = 1) -> Preset:
    """Make the preset of networks as small as those of `phantom`, trained with adaptive augmentation, which few
    photographs need."""
    small = phantom(resolution, processes)
    return replace(small, training=replace(small.training, augment="bgc", ada=AdaConfig(target=0.6)))


AUTO: Final = "auto"
"""Name that stands for one of the presets, see `choose_preset`."""

CPU_SIZE: Final = 128
"""Largest side in pixels of the images that `auto` trains on a CPU."""

_BY_NAME: Final[Mapping[str, Callable[[int, int], Preset]]] = {
    "phantom": phantom,
    "paper256": paper256,
    "cpu": cpu,
    "gpu": gpu,
}

PRESETS: Final = ("phantom", "paper256", AUTO, "cpu", "gpu")
"""Names of the presets."""


def choose_preset(name: str, *, on_cpu: bool, fine_tunes: bool) -> str:
    """Choose the preset that a name stands for, and return its name.

    `auto` is `cpu` on a CPU and `gpu` elsewhere. Fine-tuning takes its networks from a checkpoint, so `auto` is `gpu`
    there on any device.

    Raises:
        ConfigError: an unknown name.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}; expected one of {', '.join(PRESETS)}")
    if name != AUTO:
        return name
    return "cpu" if on_cpu and not fine_tunes else "gpu"


def choose_size(name: str, size: int | None, data_size: int, *, on_cpu: bool, fine_tunes: bool) -> int:
    """Choose the side in pixels to which images are reduced: `size`, or the data's, for `auto` on a CPU at most 128."""
    if size is not None:
        return size
    if name == AUTO and choose_preset(name, on_cpu=on_cpu, fine_tunes=fine_tunes) == "cpu":
        return min(data_size, CPU_SIZE)
    return data_size


def make_preset(name: str, resolution: int, processes: int = 1) -> Preset:
    """Make a preset for images of a size; `auto` becomes the preset of a GPU.

    Raises:
        ConfigError: an unknown name.
    """
    return _BY_NAME[choose_preset(name, on_cpu=False, fine_tunes=False)](resolution, processes)


def vary(chosen: Preset, changes: Mapping[str, str]) -> Preset:
    """Change values of a preset, written as people write them.

    Args:
        changes: value by name: a field of TrainingConfig ("r1_gamma"), one of its ADA ("ada.target"), or one of a
            network ("generator.channel_base"). Values are JSON, or a bare word.

    Raises:
        ConfigError: an unknown name, or a value that is not valid.
    """
    parts: dict[str, Any] = {
        "": chosen.training,
        "ada": chosen.training.ada or AdaConfig(),
        "generator": chosen.generator,
        "discriminator": chosen.discriminator,
    }
    values: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for name, text in changes.items():
        part, _, field = name.rpartition(".")
        kinds = get_type_hints(type(parts[part])) if part in parts else {}
        if field not in kinds or field in _NOT_VARIED:
            names = [field for field in get_type_hints(TrainingConfig) if field not in _NOT_VARIED]
            raise ConfigError(
                f"unknown setting {name!r}; expected one of {', '.join(names)}, or a field of ada., generator. or "
                "discriminator., as ada.target"
            )
        values[part][field] = parse_value(name, text, kinds[field])
    training = values[""]
    if values["ada"]:
        training["ada"] = replace(parts["ada"], **values["ada"])
    elif training.get("augment", "") is None:
        training["ada"] = None
    return Preset(
        replace(chosen.generator, **values["generator"]),
        replace(chosen.discriminator, **values["discriminator"]),
        replace(chosen.training, **training),
    )


_NOT_VARIED: Final = ("ada", "vocabulary", "resolution", "classifier", "identity")
"""Made of other values, or of the data."""
