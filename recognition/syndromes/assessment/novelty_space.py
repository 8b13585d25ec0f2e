"""Spaces in which it is measured how far a face lies from all faces of the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from recognition.syndromes.assessment.answer import Novelty
from recognition.syndromes.cohorts.distances import scale_to_unit_length
from recognition.syndromes.features.layout import DESCRIPTOR, LANDMARKS

SPACES: Final = (DESCRIPTOR, LANDMARKS)
"""Blocks of the features that are spaces: descriptors of length 1, and landmarks in units of the eye distance."""

_LIMIT: Final = 0.99
_LARGEST_SHARE: Final = 0.9

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
        """Distance beyond which a face is unlike all faces of the training."""
        return float(np.quantile(self.nearest, _LIMIT))

    def measure(self, name: str, row: npt.NDArray[np.float32]) -> Novelty:
        """Measure how far a face (p,) lies from all faces of the training."""
        distance = float(_measure(self.faces, scale_block(name, row[None])[0]).min())
        share = float((self.nearest >= distance).mean())
        return Novelty(min(round(share, 1), _LARGEST_SHARE), distance > self.limit)


def scale_block(name: str, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scale descriptors (n, p) to length 1; landmarks stay."""
    if name != DESCRIPTOR:
        return rows
    return scale_to_unit_length(rows).astype(np.float32)


def _measure(faces: npt.NDArray[np.float32], face: npt.NDArray[np.float32]) -> Floats:
    return np.asarray(np.linalg.norm(faces.astype(np.float64) - face, axis=1))
