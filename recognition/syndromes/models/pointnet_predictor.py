"""Fitted PointNet, which predicts and explains with NumPy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from core.errors import CheckpointError
from recognition.syndromes.features.face_points import name_regions
from recognition.syndromes.features.layout import POINTS, Layout
from recognition.syndromes.models.estimator import REASONS, Arrays, Floats, Matrix, Predictor, Settings
from recognition.syndromes.models.reasons import Reason, rank_reasons


@dataclass(frozen=True)
class Dense:
    """Layer weight (out, in), bias (out,)."""

    weight: Matrix
    bias: Matrix

    def __call__(self, x: Matrix) -> Matrix:
        return np.asarray(x @ self.weight.T + self.bias, np.float32)


@dataclass(frozen=True)
class PointNetPredictor(Predictor):
    """Fitted `PointNet`, whose normalisations are part of the dense layers.

    Attributes:
        shared: layers that every point passes, with a rectifier after each.
        head: layers from the maxima to the logit, with a rectifier between them.
        usual: mean of the maxima over the controls.
        points: (m, 3) mean of the training faces.
        landmarks: (68, 2) mean of the training faces.
    """

    shared: tuple[Dense, ...]
    head: tuple[Dense, ...]
    usual: Matrix
    points: Matrix
    landmarks: Matrix

    def predict_patients(self, X: Matrix) -> Floats:
        # One face at a time: the last bits of a product of matrices depend on their size.
        logits = [self._read(self._describe(row).max(axis=0))[0] for row in self._points(X)]
        patients: Floats = 1 / (1 + np.exp(-np.array(logits, np.float64)))
        return patients

    def explain(self, x: Matrix) -> tuple[Reason, ...]:
        """Return the regions of the points that decided: how each feature's maximum differs from that of an average
        control, times its gradient, at the point where the maximum is."""
        features = self._describe(self._points(x[None])[0])
        maxima = features.max(axis=0)
        first, last = self.head
        gradient = (last.weight * (first(maxima) > 0)) @ first.weight
        probability = self.predict_patients(x[None])[0]
        changes = gradient[0] * (maxima - self.usual) * probability * (1 - probability)
        regions = name_regions(self.points, self.landmarks)
        weights: dict[str, float] = defaultdict(float)
        for point, change in zip(features.argmax(axis=0), changes, strict=True):
            weights[regions[point]] += float(change)
        return rank_reasons((Reason("region", region, weight) for region, weight in weights.items()), REASONS)

    def to_arrays(self) -> tuple[Arrays, Settings]:
        arrays: Arrays = {"usual": self.usual, "points": self.points, "landmarks": self.landmarks}
        for part, layers in (("shared", self.shared), ("head", self.head)):
            for number, layer in enumerate(layers):
                arrays |= {f"{part}.{number}.{item.name}": getattr(layer, item.name) for item in fields(layer)}
        return arrays, {"layout": self.layout.to_json(), "shared": len(self.shared), "head": len(self.head)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> Self:
        try:
            shared, head = (
                tuple(
                    Dense(arrays[f"{part}.{number}.weight"], arrays[f"{part}.{number}.bias"])
                    for number in range(settings[part])
                )
                for part in ("shared", "head")
            )
            rest = arrays["usual"], arrays["points"], arrays["landmarks"]
            return cls(Layout.from_json(settings["layout"]), shared, head, *rest)
        except KeyError as error:
            raise CheckpointError(f"the file of a PointNet lacks {error}; train the model again") from None

    def _points(self, X: Matrix) -> Matrix:
        return X[:, self.layout[POINTS]].reshape(len(X), -1, 3)

    def _describe(self, points: Matrix) -> Matrix:
        """Compute the features (m, d) of points (m, 3)."""
        for layer in self.shared:
            points = np.maximum(layer(points), 0)
        return points

    def _read(self, maxima: Matrix) -> Matrix:
        first, last = self.head
        return last(np.maximum(first(maxima), 0))
