"""Frozen configurations of the networks, validated on construction and stored in every checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Self, TypeAlias, get_args

from core.errors import ConfigError
from gen.labels import Vocabulary

TruncationCentre: TypeAlias = Literal["global", "label"]


_LARGEST: Final = 1 << 20
"""Largest number in a configuration, which may come from somebody else's file."""

_MOST_LAYERS: Final = 256
"""Largest number of layers of a mapping network: each is an object, even where nothing is allocated for it."""


class _NetworkConfig:
    """Fields and checks that both networks share; the dataclasses below declare the fields in their own order."""

    resolution: int
    channel_base: int
    channel_max: int
    mapping_layers: int
    vocabulary: Vocabulary | None
    conv_clamp: float | None

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            least = 0 if field.name in ("mapping_layers", "identity") else 1
            most = _MOST_LAYERS if field.name == "mapping_layers" else _LARGEST
            if field.type == "int" and not (isinstance(value, int) and least <= value <= most):
                raise ConfigError(f"{field.name} is {value!r:.40}; expected an integer from {least} to {most:,}")
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise ConfigError(f"resolution is {self.resolution}; expected a power of two, 8 or more")
        if self.conv_clamp is not None and not self.conv_clamp > 0:
            raise ConfigError(f"conv_clamp is {self.conv_clamp!r}; expected a positive number or None")
        if self.channels(self.resolution) < 1:
            raise ConfigError(
                f"channel_base {self.channel_base} leaves no channel at {self.resolution} px; "
                f"expected {self.resolution} or more"
            )

    @property
    def c_dim(self) -> int:
        """Columns of a label; 0 without a vocabulary."""
        return self.vocabulary.c_dim if self.vocabulary else 0

    @property
    def block_resolutions(self) -> tuple[int, ...]:
        """4, 8, … resolution."""
        return tuple(2**k for k in range(2, self.resolution.bit_length()))

    def channels(self, resolution: int) -> int:
        """Return the number of feature maps at a resolution."""
        return min(self.channel_base // resolution, self.channel_max)

    def to_json(self) -> dict[str, Any]:
        data = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return data | {"vocabulary": self.vocabulary.to_json() if self.vocabulary else None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        vocabulary = None if data["vocabulary"] is None else Vocabulary.from_json(data["vocabulary"])
        return cls(**(dict(data) | {"vocabulary": vocabulary}))


@dataclass(frozen=True)
class GeneratorConfig(_NetworkConfig):
    """A StyleGAN2 generator.

    Args:
        resolution: side of the images in pixels, a power of two.
        z_dim: size of the random vector; also the size of the normalised label embedding.
        w_dim: size of a style latent.
        mapping_layers: fully connected layers from z (and the label) to w.
        channel_base: feature maps at resolution r are min(channel_base / r, channel_max).
        channel_max: see channel_base.
        vocabulary: conditions and ages of the labels; None for an unconditional network.
        conv_clamp: every layer's output is clamped to ± this; None for no clamp.
        truncation_centre: latent to which truncation moves others: "global", the one average latent (as published), or
            "label", the average latent of their own label, so that a truncated image keeps its condition and its age
            (Dobler et al. 2022, conditional truncation). "label" needs a vocabulary.
    """

    resolution: int
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    channel_base: int = 16384
    channel_max: int = 512
    vocabulary: Vocabulary | None = None
    conv_clamp: float | None = None
    truncation_centre: TruncationCentre = "global"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.truncation_centre not in get_args(TruncationCentre):
            expected = " or ".join(get_args(TruncationCentre))
            raise ConfigError(f"truncation_centre is {self.truncation_centre!r}; expected {expected}")

    @property
    def num_ws(self) -> int:
        """Style latents that one image takes: 2·log2(resolution) - 2."""
        return 2 * (self.resolution.bit_length() - 1) - 2

    def list_block_convolutions(self, resolution: int) -> tuple[str, ...]:
        """Return the names of the modulated 3x3 convolutions of a block, in the order of their use."""
        return ("conv1",) if resolution == 4 else ("conv0", "conv1")

    @property
    def convolutions(self) -> dict[str, int]:
        """Resolution of each modulated 3x3 convolution by its name (b4.conv1, b8.conv0, …), in the order of use."""
        return {f"b{r}.{name}": r for r in self.block_resolutions for name in self.list_block_convolutions(r)}


@dataclass(frozen=True)
class DiscriminatorConfig(_NetworkConfig):
    """A StyleGAN2 residual discriminator.

    Args:
        resolution, channel_base, channel_max, vocabulary, conv_clamp: as for the generator.
        mapping_layers: fully connected layers on the label embedding; 0 uses the embedding as it is.
        mbstd_group_size: images in a group of the minibatch standard deviation.
        classifier: whether to read the label too from the features, for the auxiliary loss of Odena et al. 2017.
        identity: how many numbers of the identity to read too (see `faces.measures.identities`); 0 for none.
    """

    resolution: int
    channel_base: int = 16384
    channel_max: int = 512
    vocabulary: Vocabulary | None = None
    conv_clamp: float | None = None
    mapping_layers: int = 8
    mbstd_group_size: int = 4
    classifier: bool = False
    identity: int = 0
