"""Nearest neighbours by a face descriptor, the first model of the comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from recognition.syndromes.features.layout import DESCRIPTOR
from recognition.syndromes.models.estimator import Estimator, Floats, Matrix, Predictor
from recognition.syndromes.models.nearest_faces import (
    check_neighbours,
    count_patients,
    measure_to_faces,
    share_patients,
    unit_descriptors,
)
from recognition.syndromes.models.reasons import Reason


@dataclass(frozen=True)
class NeighboursPredictor(Predictor):
    """Fitted `Neighbours`.

    Attributes:
        known: descriptors (m, d) of the training faces, of length 1.
        patients: (m,).
    """

    known: Floats
    patients: npt.NDArray[np.bool_]
    neighbours: int
    weighting: str

    def predict_patients(self, X: Matrix) -> Floats:
        return share_patients(self.measure(X), self.patients, self.neighbours, self.weighting)

    def explain(self, x: Matrix) -> tuple[Reason, ...]:
        distances = self.measure(x[None])[0]
        return (count_patients(DESCRIPTOR, distances, self.patients, self.neighbours, self.weighting),)

    def measure(self, X: Matrix) -> Floats:
        """Compute the distances (n, m) of faces to the training faces; they are 0 to 2."""
        return measure_to_faces(unit_descriptors(X, self.layout), self.known)


@dataclass(eq=False)
class Neighbours(Estimator):
    """Share of patients among the nearest faces.

    The thesis states neither metric nor scaling. Here the distance is Euclidean between descriptors of length 1, which
    orders faces as the cosine does. With three neighbours, the probability has four values only; `weighting`
    "distance" makes it continuous.

    Attributes:
        neighbours: number of nearest faces that count.
        weighting: "uniform" as published, or "distance".
    """

    neighbours: int = 3
    weighting: str = "uniform"

    BLOCKS: ClassVar[tuple[str, ...]] = (DESCRIPTOR,)

    def train(self, X: Matrix, patients: npt.NDArray[np.bool_]) -> NeighboursPredictor:
        check_neighbours(self.neighbours, self.weighting, len(X))
        known = unit_descriptors(X, self.layout)
        return NeighboursPredictor(self.layout, known, patients, self.neighbours, self.weighting)
