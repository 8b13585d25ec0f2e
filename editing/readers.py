"""What reads faces while they are edited: the oracle on phantoms; landmarks and descriptors on photographs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from faces.distances import Features
from faces.expression import CALIBRATED
from faces.images import Pixels, to_uint8
from faces.oracle import Oracle
from inversion.quality import Describe

SMILE: Final = "smile"
AGE: Final = "age"


@dataclass(frozen=True)
class Read:
    """What n faces show.

    Attributes:
        attributes: (n,) each, by name; NaN where nothing can be read. "smile" is in [0, 1], "age" in years, and each
            condition a probability.
        identity: (n, d), alike for alike people.
    """

    attributes: Mapping[str, Features]
    identity: Features

    def __getitem__(self, rows: npt.NDArray[np.bool_]) -> Read:
        """Some of the faces."""
        return Read({name: values[rows] for name, values in self.attributes.items()}, self.identity[rows])

    @staticmethod
    def cat(parts: Sequence[Read]) -> Read:
        """The faces of several readings by one reader as one."""
        attributes = {name: np.concatenate([part.attributes[name] for part in parts]) for name in parts[0].attributes}
        return Read(attributes, np.concatenate([part.identity for part in parts]))

    @property
    def smile(self) -> Features:
        return self.attributes[SMILE]

    @property
    def condition(self) -> list[str] | None:
        """The likeliest condition of each; None where conditions are not read."""
        names = [name for name in self.attributes if name not in (SMILE, AGE)]
        if not names:
            return None
        best = np.argmax([self.attributes[name] for name in names], axis=0)
        return [names[place] for place in best]


Reader: TypeAlias = Callable[[Tensor], Read]
"""Faces (n, 3, h, h) in [-1, 1] to what they show."""


def phantom_reader(oracle: Oracle) -> Reader:
    """Reads smile, age, conditions and identity of phantoms, as the oracle learnt them from their truth."""

    def read(images: Tensor) -> Read:
        seen = oracle.read_pixels(to_uint8(images))
        shares = torch.softmax(seen.condition_logits, dim=1)
        attributes = {SMILE: seen.smile, AGE: seen.age_years}
        attributes |= {name: shares[:, place] for place, name in enumerate(oracle.config.conditions)}
        return Read(
            {name: value.double().numpy() for name, value in attributes.items()}, seen.identity.double().numpy()
        )

    return read


def photograph_reader(landmarks: Callable[[Pixels], Features], describe: Describe) -> Reader:
    """Reads the smile of photographs from landmarks, and the identity by face descriptors; no condition and no age.

    Args:
        landmarks: (n, 68, 2) of uint8 (n, h, h, 3), NaN where none are found.
        describe: descriptors (n, 128) of uint8 (n, h, h, 3), NaN where no face is found.
    """

    def read(images: Tensor) -> Read:
        pixels = to_uint8(images)
        points = landmarks(pixels)
        known = np.isfinite(points).all(axis=(1, 2))
        smile = np.full(len(points), np.nan)
        if known.any():
            smile[known] = CALIBRATED(points[known])
        return Read({SMILE: smile}, describe(pixels))

    return read
