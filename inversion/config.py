"""Frozen configurations of an inverter's networks, validated when made and stored with the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal, Self, TypeAlias, get_args

from core.errors import ConfigError
from gen.config import DiscriminatorConfig

Head: TypeAlias = Literal["shared", "separable", "plain"]
"""How the hypernetwork emits a kernel; see `inversion.networks.hypernetwork`."""


UNJUDGED: Final = "unjudged"
"""Word for a result without a verdict, because no limits are known for its inverter."""


class _Stages:
    """Residual network in four stages, each of which halves its maps unless a subclass keeps them."""

    side: int
    widths: tuple[int, ...]
    units: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.side < 32 or self.side & (self.side - 1):
            raise ConfigError(f"side is {self.side}; expected a power of two, 32 or more")
        for name in ("widths", "units"):
            value = getattr(self, name)
            if len(value) != 4 or min(value) < 1:
                raise ConfigError(f"{name} is {value}; expected four numbers of 1 or more, one for each stage")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        values = {field.name: data[field.name] for field in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


@dataclass(frozen=True)
class EncoderConfig(_Stages):
    """IR-SE encoder into W; the defaults are IR-SE-50, as published.

    Args:
        side: of the images that it sees, in pixels; others are resized.
        widths: feature maps of the four stages.
        units: residual units of the four stages.
    """

    side: int = 256
    widths: tuple[int, ...] = (64, 128, 256, 512)
    units: tuple[int, ...] = (3, 4, 14, 3)


@dataclass(frozen=True)
class TrunkConfig:
    """Encoder into W on the residual blocks of a discriminator; see `inversion.networks.trunk_encoder`.

    Args:
        discriminator: whose blocks; its head is left out.
        maps: so many of its last feature maps are read.
    """

    discriminator: DiscriminatorConfig
    maps: int = 2

    def __post_init__(self) -> None:
        blocks = len(self.discriminator.block_resolutions) - 1
        if not 1 <= self.maps <= blocks:
            raise ConfigError(f"maps is {self.maps}; expected 1 to {blocks}, as many as there are blocks")
        headless = replace(self.discriminator, vocabulary=None, classifier=False, identity=0)
        object.__setattr__(self, "discriminator", headless)

    def to_json(self) -> dict[str, Any]:
        return {"discriminator": self.discriminator.to_json(), "maps": self.maps}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(DiscriminatorConfig.from_json(data["discriminator"]), data["maps"])


@dataclass(frozen=True)
class LayerEncoderConfig(_Stages):
    """IR-SE encoder into W+, with a head for each layer of the generator; the defaults are those of pSp at 1024 px.

    Args:
        side: of the images that it sees, in pixels; others are resized.
        widths: feature maps of the four stages.
        units: residual units of the four stages.
        rows: layers of the generator, one row of the latent each.
        pyramid: the heads of later rows see larger maps (pSp, e4e); otherwise all see the last maps (ReStyle).
        relative: the rows after the first are offsets from it (e4e).
        passes: 0 for an encoder that sees the image alone, as pSp and e4e. Otherwise it sees the image and its current
            reconstruction so many times, and each answer is added to the last latent (ReStyle).
    """

    side: int = 256
    widths: tuple[int, ...] = (64, 128, 256, 512)
    units: tuple[int, ...] = (3, 4, 14, 3)
    rows: int = 18
    pyramid: bool = True
    relative: bool = False
    passes: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rows < 1 or self.passes < 0:
            raise ConfigError(f"rows is {self.rows}, passes is {self.passes}; expected 1 or more, and 0 or more")


def encoder_config(data: Mapping[str, Any]) -> EncoderConfig | TrunkConfig | LayerEncoderConfig:
    """Read the configuration of an encoder of any kind from its `to_json`."""
    if "discriminator" in data:
        return TrunkConfig.from_json(data)
    return LayerEncoderConfig.from_json(data) if "rows" in data else EncoderConfig.from_json(data)


@dataclass(frozen=True)
class HypernetworkConfig(_Stages):
    """Hypernetwork that sees a face and its reconstruction; the defaults are those of HyperStyle, with ResNet-34.

    Args:
        side: of the images that it sees, in pixels; others are resized.
        widths: feature maps of the four stages.
        units: residual units of the four stages.
        shared_width: feature maps within the blocks of kernels that share their last matrices.
        other_width: feature maps within the other blocks.
        other_head: how the kernels that do not share are emitted, "separable" or "plain".
        layers: convolutions that get offsets, by the names of `Generator.kernel_shapes`; None for all.
    """

    side: int = 256
    widths: tuple[int, ...] = (64, 128, 256, 512)
    units: tuple[int, ...] = (3, 4, 6, 3)
    shared_width: int = 128
    other_width: int = 256
    other_head: Head = "separable"
    layers: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("shared_width", "other_width"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 1 or more")
        if self.other_head not in get_args(Head) or self.other_head == "shared":
            raise ConfigError(f"other_head is {self.other_head!r}; expected 'separable' or 'plain'")

    @property
    def features(self) -> int:
        """Number of feature maps that the blocks of the kernels start from."""
        return self.widths[-1]

    @property
    def features_side(self) -> int:
        """Side of these maps: the first convolution and three of the four stages halve."""
        return self.side // 16

    @property
    def halvings(self) -> int:
        """Halvings that take these maps to a single pixel."""
        return int(math.log2(self.features_side))
