"""Hybrid of a face descriptor and a clinical face phenotype space, with nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from recognition.syndromes.features.layout import APPEARANCE, DESCRIPTOR, DISTANCES
from recognition.syndromes.models.estimator import REASONS, Estimator, Floats, Matrix, Predictor
from recognition.syndromes.models.nearest_faces import (
    check_neighbours,
    count_patients,
    measure_to_faces,
    share_patients,
    unit_descriptors,
)
from recognition.syndromes.models.reasons import Reason, rank_reasons

COMPONENTS: Final = 170
"""Most principal components of appearance, and of distances: together 340 numbers, as published. There are never more
than training faces minus one."""

_WEIGHTS: Final = {DESCRIPTOR: 1.0, APPEARANCE: 0.5, DISTANCES: 0.5}
"""Share of each block in the mean squared distance; those of the phenotype space have as much as the descriptor."""


@dataclass(frozen=True)
class HybridPredictor(Predictor):
    """Fitted `Hybrid`.

    Attributes:
        appearance_mean, appearance_axes, distances_mean, distances_axes: principal components of the training faces:
            mean (d,) and axes (d, k), which are scaled so that each block has its share in the distances.
        descriptor_scale: factor of the descriptors of length 1.
        known: the training faces (m, 128 + k + k).
        patients: (m,).
    """

    appearance_mean: Floats
    appearance_axes: Matrix
    distances_mean: Floats
    distances_axes: Matrix
    descriptor_scale: float
    known: Floats
    patients: npt.NDArray[np.bool_]
    neighbours: int
    weighting: str

    def predict_patients(self, X: Matrix) -> Floats:
        return share_patients(self.measure(X), self.patients, self.neighbours, self.weighting)

    def explain(self, x: Matrix) -> tuple[Reason, ...]:
        """Count the patients among the nearest faces, by all blocks and by each alone."""
        row = self.project(x[None])
        distances = measure_to_faces(row, self.known)[0]
        reasons = [count_patients("all blocks", distances, self.patients, self.neighbours, self.weighting)]
        start = 0
        for block, width in self._widths().items():
            columns = slice(start, start + width)
            start += width
            distances = measure_to_faces(row[:, columns], self.known[:, columns])[0]
            reason = count_patients(f"{block} alone", distances, self.patients, self.neighbours)
            reasons.append(replace(reason, weight=reason.weight / len(_WEIGHTS)))
        return rank_reasons(reasons, REASONS)

    def measure(self, X: Matrix) -> Floats:
        """Compute the distances (n, m) of faces to the training faces."""
        return measure_to_faces(self.project(X), self.known)

    def project(self, X: Matrix) -> Floats:
        """Compute the coordinates (n, 128 + k + k) of faces."""
        parts = [unit_descriptors(X, self.layout) * self.descriptor_scale]
        for block, mean, axes in (
            (APPEARANCE, self.appearance_mean, self.appearance_axes),
            (DISTANCES, self.distances_mean, self.distances_axes),
        ):
            parts.append((X[:, self.layout[block]] - mean) @ axes.astype(np.float64))
        return np.hstack(parts)

    def _widths(self) -> dict[str, int]:
        axes = {APPEARANCE: self.appearance_axes.shape[1], DISTANCES: self.distances_axes.shape[1]}
        return {DESCRIPTOR: self.known.shape[1] - sum(axes.values())} | axes


@dataclass(eq=False)
class Hybrid(Estimator):
    """Nearest neighbours by a descriptor beside appearance and distances, each reduced to principal components.

    It stands for the hybrid of the thesis, whose phenotype space (Ferry et al. 2014) was not published with its trained
    parts. The components are fitted to the training faces alone.

    Attributes:
        neighbours: number of nearest faces that count.
        weighting: "uniform" as published, or "distance".
    """

    neighbours: int = 3
    weighting: str = "uniform"

    BLOCKS: ClassVar[tuple[str, ...]] = (DESCRIPTOR, APPEARANCE, DISTANCES)

    def train(self, X: Matrix, patients: npt.NDArray[np.bool_]) -> HybridPredictor:
        check_neighbours(self.neighbours, self.weighting, len(X))
        appearance_mean, appearance_axes = _fit_axes(X[:, self.layout[APPEARANCE]], _WEIGHTS[APPEARANCE])
        distances_mean, distances_axes = _fit_axes(X[:, self.layout[DISTANCES]], _WEIGHTS[DISTANCES])
        unit = unit_descriptors(X, self.layout)
        fitted = HybridPredictor(
            self.layout,
            appearance_mean,
            appearance_axes,
            distances_mean,
            distances_axes,
            _scale(unit - unit.mean(axis=0), _WEIGHTS[DESCRIPTOR]),
            np.empty((0, 0)),
            patients,
            self.neighbours,
            self.weighting,
        )
        return replace(fitted, known=fitted.project(X))


def _fit_axes(rows: Matrix, weight: float) -> tuple[Floats, Matrix]:
    """Fit principal components, and return their mean (d,) and their scaled axes (d, k) in float32.

    There are fewer faces than numbers, so that the matrix of products of faces gives the axes fastest.
    """
    x = rows.astype(np.float64)
    mean = x.mean(axis=0)
    centred = x - mean
    values, vectors = np.linalg.eigh(centred @ centred.T)
    kept = values > 1e-9 * max(values[-1], 1e-12)
    kept[: max(0, len(values) - min(COMPONENTS, len(x) - 1))] = False
    axes = centred.T @ (vectors[:, kept] / np.sqrt(values[kept]))[:, ::-1]
    scaled: Matrix = (axes * _scale(centred @ axes, weight)).astype(np.float32)
    return mean, scaled


def _scale(centred: Floats, weight: float) -> float:
    """Return the factor that gives rows the mean squared length `weight`."""
    squared = float((centred**2).sum(axis=1).mean())
    return float(np.sqrt(weight / squared)) if squared > 0 else 1.0
