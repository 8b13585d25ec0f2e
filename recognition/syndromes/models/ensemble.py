"""Ensemble of models: the mean of their probabilities, and the prediction of most of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from core.errors import CheckpointError
from recognition.syndromes.features.layout import DESCRIPTOR, LANDMARKS, POINTS, Layout
from recognition.syndromes.models.distance_forest import DistanceForest, DistanceForestPredictor
from recognition.syndromes.models.estimator import REASONS, Arrays, Estimator, Floats, Matrix, Predictor, Settings
from recognition.syndromes.models.neighbours import Neighbours, NeighboursPredictor
from recognition.syndromes.models.pointnet import PointNet
from recognition.syndromes.models.pointnet_predictor import PointNetPredictor
from recognition.syndromes.models.reasons import Reason, rank_reasons

MEMBERS: Final = ("neighbours", "pointnet", "distances")
"""Names of the models of the ensemble, as in the registry."""


def average_probabilities(members: npt.NDArray[np.floating[Any]]) -> Floats:
    """Return the probabilities (n,) of the ensemble, from those of its members (k, n)."""
    mean: Floats = members.mean(axis=0, dtype=np.float64)
    return mean


def vote(predictions: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """Return what most of the members (k, n) predict, 0 or 1. It can differ from what the mean probability says."""
    most: npt.NDArray[np.int64] = (2 * predictions.sum(axis=0) > len(predictions)).astype(np.int64)
    return most


@dataclass(frozen=True)
class EnsemblePredictor(Predictor):
    """Fitted `Ensemble`.

    Attributes:
        neighbours, pointnet, distances: its members.
    """

    neighbours: NeighboursPredictor
    pointnet: PointNetPredictor
    distances: DistanceForestPredictor

    def predict_patients(self, X: Matrix) -> Floats:
        return average_probabilities(np.stack([member.predict_patients(X) for member in self._members().values()]))

    def predict(self, X: Matrix) -> npt.NDArray[np.int64]:
        """Return what most of the members predict."""
        return vote(np.stack([member.predict(X) for member in self._members().values()]))

    def explain(self, x: Matrix) -> tuple[Reason, ...]:
        members = self._members().values()
        reasons = [replace(r, weight=r.weight / len(members)) for member in members for r in member.explain(x)]
        return rank_reasons(reasons, REASONS)

    def to_arrays(self) -> tuple[Arrays, Settings]:
        arrays: Arrays = {}
        settings: Settings = {"layout": self.layout.to_json()}
        for name, member in self._members().items():
            parts, settings[name] = member.to_arrays()
            arrays |= {f"{name}/{part}": array for part, array in parts.items()}
        return arrays, settings

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> Self:
        parts: dict[str, Arrays] = {name: {} for name in MEMBERS}
        for path, array in arrays.items():
            name, _, part = path.partition("/")
            parts.setdefault(name, {})[part] = array
        if parts.keys() != set(MEMBERS) or settings.keys() != {*MEMBERS, "layout"}:
            raise CheckpointError(f"the file holds {', '.join(parts)}; expected {', '.join(MEMBERS)}: train it again")
        return cls(
            Layout.from_json(settings["layout"]),
            NeighboursPredictor.from_arrays(parts["neighbours"], settings["neighbours"]),
            PointNetPredictor.from_arrays(parts["pointnet"], settings["pointnet"]),
            DistanceForestPredictor.from_arrays(parts["distances"], settings["distances"]),
        )

    def _members(self) -> dict[str, Predictor]:
        return {"neighbours": self.neighbours, "pointnet": self.pointnet, "distances": self.distances}


@dataclass(eq=False)
class Ensemble(Estimator):
    """Nearest faces, PointNet and distances together, as in the thesis.

    Where the members' own predictions are at hand, `average_probabilities` and `vote` save their training.
    """

    BLOCKS: ClassVar[tuple[str, ...]] = (DESCRIPTOR, POINTS, LANDMARKS)

    def train(self, X: Matrix, patients: npt.NDArray[np.bool_]) -> EnsemblePredictor:
        return EnsemblePredictor(
            self.layout,
            Neighbours(self.layout, self.seed).train(X, patients),
            PointNet(self.layout, self.seed).train(X, patients),
            DistanceForest(self.layout, self.seed).train(X, patients),
        )
