"""Derivation of a network's configuration from the shapes of its tensors, for checkpoints that do not tell it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from core.errors import CheckpointError, ConfigError
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary


def config_from_shapes(
    state: Mapping[str, Tensor], vocabulary: Vocabulary | None = None, conv_clamp: float | None = None
) -> GeneratorConfig | DiscriminatorConfig:
    """Find the configuration whose network has these tensors, named as in our checkpoints or in StyleGAN2-ADA.

    Args:
        vocabulary: names for the columns of the labels, where the tensors have a label embedding.
        conv_clamp: limit of the layers' output, which shapes do not show. They do not show the group size of a
            discriminator's minibatch standard deviation either; the default is used.

    Raises:
        CheckpointError: no network has such tensors, or the label columns are not the vocabulary's.
    """
    generates = any(name.startswith("synthesis.") for name in state)
    try:
        return _generator(state, vocabulary, conv_clamp) if generates else _discriminator(state, vocabulary, conv_clamp)
    except KeyError as error:
        raise CheckpointError(f"these are not the tensors of a StyleGAN2 network: {error} is missing") from None
    except (ConfigError, IndexError, ValueError) as error:
        raise CheckpointError(f"these are not the tensors of a StyleGAN2 network: {error}") from None


def _generator(state: Mapping[str, Tensor], vocabulary: Vocabulary | None, clamp: float | None) -> GeneratorConfig:
    maps = {r: len(state[f"synthesis.b{r}.conv1.weight"]) for r in _resolutions(state, r"synthesis\.b(\d{1,4})\.")}
    labels = _check_columns(state, vocabulary)
    return GeneratorConfig(
        z_dim=state["mapping.fc0.weight"].shape[1] // (2 if labels else 1),
        w_dim=state["synthesis.b4.conv1.affine.weight"].shape[1],
        mapping_layers=_layers(state),
        vocabulary=vocabulary,
        conv_clamp=clamp,
        **_sizes(maps),
    )


def _discriminator(
    state: Mapping[str, Tensor], vocabulary: Vocabulary | None, clamp: float | None
) -> DiscriminatorConfig:
    maps = {r: len(state[f"b{r}.conv0.weight"]) for r in _resolutions(state, r"b(\d{1,4})\.") if r > 4}
    maps[4] = len(state["b4.conv.weight"])
    labels = _check_columns(state, vocabulary)
    return DiscriminatorConfig(
        mapping_layers=_layers(state) if labels else DiscriminatorConfig.mapping_layers,
        vocabulary=vocabulary,
        conv_clamp=clamp,
        classifier="b4.classify.weight" in state,
        identity=len(state.get("b4.identify.bias", ())),
        **_sizes(maps),
    )


def _resolutions(state: Mapping[str, Tensor], pattern: str) -> set[int]:
    return {int(match[1]) for name in state if (match := re.match(pattern, name))}


def _layers(state: Mapping[str, Tensor]) -> int:
    return sum(re.fullmatch(r"mapping\.fc\d+\.weight", name) is not None for name in state)


def _sizes(maps: Mapping[int, int]) -> dict[str, Any]:
    """Find resolution and channel limits from the number of feature maps at each resolution."""
    resolution = max(maps)
    sizes: dict[str, Any] = {
        "resolution": resolution,
        "channel_base": maps[resolution] * resolution,
        "channel_max": max(maps.values()),
    }
    config = DiscriminatorConfig(**sizes)
    expected = {r: config.channels(r) for r in config.block_resolutions}
    if expected != dict(maps):
        raise ConfigError(
            f"feature maps by resolution are {dict(sorted(maps.items()))}; expected min(channel_base / r, channel_max)"
        )
    return sizes


def _check_columns(state: Mapping[str, Tensor], vocabulary: Vocabulary | None) -> bool:
    """Check that the labels have the vocabulary's columns, and tell whether the network has labels."""
    if "mapping.embed.weight" in state:
        columns = state["mapping.embed.weight"].shape[1]
    elif "mapping.embed.condition_weight" in state:
        columns = state["mapping.embed.condition_weight"].shape[1] + state["mapping.embed.age_weight"].shape[1]
    else:
        columns = 0
    expected = vocabulary.c_dim if vocabulary else 0
    if columns != expected:
        raise CheckpointError(
            f"the labels have {columns} columns and the vocabulary has {expected}; give a vocabulary with as many "
            "conditions and ages together, or none for a network without labels"
        )
    return columns > 0
