"""The oracle: a small network that reads a phantom's attributes back from the pixels of its picture.

The truth of a phantom is known, so the oracle's own error is known too, and it can say how much of the condition, the
age, the smile and the identity a generated or edited picture carries. It has seen phantoms and nothing else: on
photographs its condition and its age mean nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core import tensor_files
from core.errors import CheckpointError, ConfigError, ImageError
from faces.images import Pixels, to_tensor
from faces.labels import AGE_GROUPS, CONDITIONS, AgeGroup

SIDE: Final = 128
"""Side in pixels of what the network sees; other sizes are resized, with antialiasing."""

OLDEST_YEARS: Final = 90.0
"""Where the open age group ends for the oracle: phantoms are drawn up to this age."""

STEADY_R2: Final = 0.5
"""Least share of the variance of an entry of the identity that must be read in every age group to tell people apart
at all ages. Beards and grey hair come with age, so not every entry can be read in an infant."""

_BATCH: Final = 128


@dataclass(frozen=True)
class OracleConfig:
    """Configuration of an oracle: the attributes that it reads and the widths of its network.

    Args:
        conditions, ages: the vocabulary of its reading.
        identity: numbers of the identity, as many as `faces.phantoms.person.identity_vector` has.
        widths: feature maps of the convolutions at 32, 16, 8 and 4 pixels.
        features: size of the features that distances are measured on.
        bins_per_age: steps within an age group that ages are read in, equal in years.
    """

    conditions: tuple[str, ...] = CONDITIONS
    ages: tuple[AgeGroup, ...] = AGE_GROUPS
    identity: int = 18
    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    features: int = 192
    bins_per_age: int = 8

    def __post_init__(self) -> None:
        sizes = {"identity": self.identity, "features": self.features, "bins_per_age": self.bins_per_age}
        for name, value in sizes.items() | {(f"widths[{i}]", width) for i, width in enumerate(self.widths)}:
            if value < 1:
                raise ConfigError(f"{name} is {value}; expected 1 or more")
        if len(self.widths) != 4:
            raise ConfigError(f"{len(self.widths)} widths; expected four, for 32, 16, 8 and 4 pixels")

    def age_edges(self) -> npt.NDArray[np.float64]:
        """Compute the borders of the age bins in years, (ages · bins_per_age + 1,); the borders of the groups are among
        them."""
        tops = [min(group.to_years, OLDEST_YEARS) for group in self.ages]
        steps = [
            np.linspace(group.from_years, top, self.bins_per_age, endpoint=False)
            for group, top in zip(self.ages, tops, strict=True)
        ]
        return np.concatenate([*steps, [tops[-1]]])

    def to_json(self) -> dict[str, Any]:
        ages = [
            asdict(group) | {"to_years": None if math.isinf(group.to_years) else group.to_years} for group in self.ages
        ]
        return asdict(self) | {"ages": ages}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        ages = (
            AgeGroup(age["name"], age["from_years"], math.inf if age["to_years"] is None else age["to_years"])
            for age in data["ages"]
        )
        given = {field.name: data[field.name] for field in fields(cls)}
        return cls(
            **given | {"conditions": tuple(data["conditions"]), "ages": tuple(ages), "widths": tuple(data["widths"])}
        )


@dataclass(frozen=True)
class Reading:
    """Attributes that the oracle reads from n pictures. All float32 on the CPU.

    Attributes:
        condition_logits: (n, conditions).
        age_logits: (n, ages), log-probabilities of the age groups.
        age_years: (n,) in [0, 90].
        smile: (n,) in [0, 1].
        identity: (n, 18) `faces.phantoms.person.identity_vector`, each entry standardised over phantoms.
        features: (n, d) for distances.
    """

    condition_logits: Tensor
    age_logits: Tensor
    age_years: Tensor
    smile: Tensor
    identity: Tensor
    features: Tensor

    def __len__(self) -> int:
        return len(self.age_years)

    @property
    def condition(self) -> Tensor:
        """(n,) int64, place of the most likely condition in the oracle's vocabulary."""
        return self.condition_logits.argmax(dim=1)

    @property
    def age_group(self) -> Tensor:
        """(n,) int64, place of the most likely age group."""
        return self.age_logits.argmax(dim=1)

    def __getitem__(self, rows: Any) -> Reading:
        """Select pictures by slice, mask or indices."""
        return Reading(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @staticmethod
    def cat(parts: list[Reading]) -> Reading:
        return Reading(**{field.name: torch.cat([getattr(p, field.name) for p in parts]) for field in fields(Reading)})


class Oracle(nn.Module):
    """Images (n, 3, h, h) in [-1, 1] -> Reading.

    Five convolutions and two dense layers, 27 million multiplications a picture: a core reads a thousand a second.
    Ages are read as a distribution over bins that the groups' borders separate; a group's probability is that of its
    bins, and the age in years is the mean over bins on the scale log(1 + years).
    """

    def __init__(self, config: OracleConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or OracleConfig()
        self.convolutions = convolutions(config.widths)
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(config.widths[-1] * 16, config.features, bias=False),
            nn.BatchNorm1d(config.features),
            nn.ReLU(),
        )
        self._split = [len(config.conditions), len(config.ages) * config.bins_per_age, 1, config.identity]
        self.heads = nn.Linear(config.features, sum(self._split))
        self.register_buffer("identity_mean", torch.zeros(config.identity))
        self.register_buffer("identity_deviation", torch.ones(config.identity))
        self.identity_mean: Tensor
        self.identity_deviation: Tensor
        edges = torch.from_numpy(config.age_edges())
        self.register_buffer("bin_years", ((edges[1:] + edges[:-1]) / 2).float(), persistent=False)
        self.bin_years: Tensor

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Compute condition logits, logits of the age bins, smile, identity and features of images (n, 3, 128, 128)."""
        features = self.dense(self.convolutions(images.contiguous(memory_format=torch.channels_last)))
        condition, bins, smile, identity = torch.split(self.heads(features), self._split, dim=1)
        return condition, bins, smile[:, 0], identity, features

    @torch.inference_mode()
    def read(self, images: Tensor) -> Reading:
        """Read the attributes of pictures.

        Args:
            images: (n, 3, h, h) float32 in [-1, 1], any n and h.

        Raises:
            ImageError: another shape.
        """
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3] or not len(images):
            raise ImageError(f"images are {tuple(images.shape)}; expected (n, 3, h, h) in [-1, 1], n of 1 or more")
        if self.training:
            raise ConfigError("the oracle is in training mode; call eval() before it reads")
        return Reading.cat([self._read(part) for part in torch.split(images, _BATCH)])

    def read_pixels(self, images: Pixels) -> Reading:
        """Read the attributes of pictures uint8 (n, h, h, 3)."""
        parts = range(0, len(images), _BATCH)
        return Reading.cat([self.read(to_tensor(images[at : at + _BATCH])) for at in parts])

    def features(self, images: Pixels) -> npt.NDArray[np.float64]:
        """Compute features (n, d) of uint8 (n, h, h, 3), for distances between sets of pictures."""
        return self.read_pixels(images).features.double().numpy()

    def _read(self, images: Tensor) -> Reading:
        device = self.heads.weight.device
        condition, bins, smile, identity, features = self(resize(images.to(device)))
        chance = bins.softmax(dim=1)
        years = torch.expm1(chance @ torch.log1p(self.bin_years))
        reading = Reading(condition, self.age_groups(bins), years, smile.clamp(0, 1), identity, features)
        return Reading(**{field.name: getattr(reading, field.name).cpu() for field in fields(Reading)})

    def age_groups(self, bins: Tensor) -> Tensor:
        """Compute log-probabilities (n, ages) of the groups from logits (n, ages · bins_per_age) of the bins."""
        return bins.log_softmax(dim=1).reshape(len(bins), len(self.config.ages), -1).logsumexp(dim=2)

    def standardise(self, identity: npt.NDArray[np.floating]) -> Tensor:
        """Scale identity vectors (n, 18) to those that the oracle reads: float32, mean 0 and deviation 1 over
        phantoms."""
        return (torch.from_numpy(identity).float() - self.identity_mean) / self.identity_deviation


def resize(images: Tensor) -> Tensor:
    """Resize images (n, 3, h, h) to (n, 3, 128, 128)."""
    if images.shape[2] == SIDE:
        return images
    return F.interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)


def convolutions(widths: tuple[int, int, int, int]) -> nn.Sequential:
    """Make five convolutions that map images (n, 3, 128, 128) to (n, widths[-1], 4, 4)."""
    a, b, c, d = widths
    return nn.Sequential(
        *_layer(3, a, kernel=7, stride=4),
        *_layer(a, b, kernel=3, stride=2),
        *_layer(b, c, kernel=3, stride=2),
        *_layer(c, c, kernel=3, stride=1),
        *_layer(c, d, kernel=3, stride=2),
    )


def _layer(before: int, after: int, *, kernel: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    ]


@dataclass(frozen=True)
class OracleInfo:
    """Description of an oracle that its file holds.

    Args:
        config: see OracleConfig.
        figures: what it reaches on unseen phantoms, by name.
        origin: data, seeds and training.
        licence: SPDX name.
        sha256: of the file.
    """

    config: OracleConfig
    figures: Mapping[str, Any]
    origin: str
    licence: str
    sha256: str

    @property
    def steady(self) -> list[int]:
        """Places of the identity's entries that are read at every age (see STEADY_R2); all, where it is not known."""
        return steady_entries(self.figures.get("identity_r2_least_of_ages", [])) or [*range(self.config.identity)]


def steady_entries(least_r2: Sequence[float]) -> list[int]:
    """Find the places of the entries whose explained variance is at least STEADY_R2 in every age group."""
    return [place for place, value in enumerate(least_r2) if value >= STEADY_R2]


def save(path: Path, oracle: Oracle, *, figures: Mapping[str, Any], origin: str, licence: str = "Apache-2.0") -> None:
    """Write an oracle; the file appears whole or not at all. Matrices and kernels are stored in float16."""
    header = {
        "network": "oracle",
        "config": oracle.config.to_json(),
        "figures": dict(figures),
        "origin": origin,
        "licence": licence,
    }
    tensor_files.write(path, state_to_store(oracle), header)


def round_weights(network: nn.Module) -> None:
    """Round the weights in place as `state_to_store` does, so that the measured weights are those of the file."""
    state = network.state_dict()
    network.load_state_dict({name: tensor.to(state[name].dtype) for name, tensor in state_to_store(network).items()})


def state_to_store(network: nn.Module) -> dict[str, Tensor]:
    """Return the state of a network in the form in which its file holds it: matrices and kernels in float16."""
    return {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in network.state_dict().items()}


def load(path: Path) -> tuple[Oracle, OracleInfo]:
    """Load an oracle in evaluation mode on the CPU, and the metadata of its file.

    Raises:
        CheckpointError: no such file, a damaged one, not an oracle, or tensors that do not fit its configuration.
    """
    tensors, header = tensor_files.read(path)
    if header.get("network") != "oracle":
        raise CheckpointError(f"{path} holds no oracle; `gestaltgen oracle train` makes one")
    try:
        config = OracleConfig.from_json(header["config"])
        info = OracleInfo(config, header["figures"], header["origin"], header["licence"], tensor_files.sha256(path))
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is not an oracle's file: {error!r} in its header") from None
    with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten below
        oracle = Oracle(config)
    own = oracle.state_dict()
    try:
        oracle.load_state_dict({name: t.to(own[name].dtype) if name in own else t for name, t in tensors.items()})
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not hold the tensors of its configuration: {error}") from None
    return oracle.eval().requires_grad_(False), info
