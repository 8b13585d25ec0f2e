"""Spaces in which it is measured how far a face lies from all faces of the training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from recognition.syndromes.assessment.answer import Novelty
from recognition.syndromes.cohorts.distances import scale_to_unit_length
from recognition.syndromes.features.layout import DESCRIPTOR, LANDMARKS

SPACES: Final = (DESCRIPTOR, LANDMARKS)
"""Blocks of the features that are spaces: descriptors of length 1, and landmarks in units of the eye distance."""

_LARGEST_SHARE: Final = 0.9
_REFUSED: Final = 0.01
"""Largest share of faces like those of the training that one space refuses, where there are enough faces for it."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NoveltySpace:
    """Faces of the training in one space.

    Attributes:
        faces: (n, p) float32.
        nearest: (n,) distance of each from the nearest other one.
    """

    faces: npt.NDArray[np.float32]
    nearest: Floats

    @classmethod
    def fit(cls, name: str, rows: npt.NDArray[np.float32]) -> Self:
        """Measure the distances between the faces of the training.

        Args:
            name: one of `SPACES`.
            rows: (n, p) block of the features of n persons, two or more.
        """
        faces = scale_block(name, rows)
        distances = np.stack([_measure(faces, face) for face in faces])
        np.fill_diagonal(distances, np.inf)
        return cls(faces, distances.min(axis=1))

    @property
    def limit(self) -> float:
        """Distance beyond which a face is unlike all faces of the training.

        It is the smallest one that refuses a face like those of n persons of the training with a probability of at
        most 1 %, or 1 / (n + 1) if that is more (a conformal rank: the face has the farthest nearest one of n + 1 faces
        no more often than each other).
        """
        n = len(self.nearest)
        return float(np.sort(self.nearest)[min(n, math.ceil((n + 1) * (1 - _REFUSED) - 1e-9)) - 1])

    def measure(self, name: str, row: npt.NDArray[np.float32]) -> Novelty:
        """Measure how far a face (p,) lies from all faces of the training."""
        distance = float(_measure(self.faces, scale_block(name, row[None])[0]).min())
        share = float((self.nearest >= distance).mean())
        return Novelty(min(round(share, 1), _LARGEST_SHARE), distance > self.limit)

    def knows(self, name: str, row: npt.NDArray[np.float32]) -> bool:
        """Tell whether a face (p,) is one of the training: nearer than half the smallest distance between persons."""
        distance = _measure(self.faces, scale_block(name, row[None])[0]).min()
        return bool(distance < self.nearest.min() / 2)


def bound_refusals(faces: int) -> float:
    """Return the largest probability that one space refuses a face like those of a training on this many."""
    return max(_REFUSED, 1 / (faces + 1))


def scale_block(name: str, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scale descriptors (n, p) to length 1; landmarks stay."""
    if name != DESCRIPTOR:
        return rows
    return scale_to_unit_length(rows).astype(np.float32)


def _measure(faces: npt.NDArray[np.float32], face: npt.NDArray[np.float32]) -> Floats:
    return np.asarray(np.linalg.norm(faces.astype(np.float64) - face, axis=1))
