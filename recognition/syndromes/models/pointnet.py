"""PointNet (Qi et al. 2017) on the points of a face: trained with PyTorch, read with NumPy.

Every point passes the same small network; the maximum over the points of each feature describes the face. The learnt
rotations of the input are left out, because the points already are in the frame of the face.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from core.errors import CheckpointError
from recognition.syndromes.features.face_points import Ints, name_regions
from recognition.syndromes.features.layout import LANDMARKS, POINTS, Layout
from recognition.syndromes.models.estimator import REASONS, Arrays, Estimator, Floats, Matrix, Predictor, Settings
from recognition.syndromes.models.reasons import Reason, rank_reasons

PUBLISHED_EPOCHS: Final = 4

TUNED_EPOCHS: Final = (4, 12, 36)
TUNED_RATES: Final = (1e-3, 4e-3)
"""Values of which the inner folds choose."""

_INNER_FOLDS: Final = 2


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


@dataclass(eq=False)
class PointNet(Estimator):
    """PointNet with four epochs, as published; the thesis does not state optimiser and batch.

    Attributes:
        epochs: passes over the training faces.
        rate: learning rate of Adam.
        batch: faces in a batch.
    """

    epochs: int = PUBLISHED_EPOCHS
    rate: float = 1e-3
    batch: int = 16

    BLOCKS: ClassVar[tuple[str, ...]] = (POINTS, LANDMARKS)

    def train(self, X: Matrix, patients: npt.NDArray[np.bool_]) -> PointNetPredictor:
        from recognition.syndromes.models.pointnet_training import Schedule, train_pointnet

        schedule = Schedule(self.epochs, self.rate, self.batch, None, self.seed)
        return train_pointnet(self.layout, X, patients, schedule)


@dataclass(eq=False)
class TunedPointNet(Estimator):
    """PointNet whose epochs and learning rate are those with the smallest log loss on inner folds.

    Attributes:
        epochs, rates: values that are tried.
        batch: faces in a batch.
        most_points: random points of a face that each training step takes, which saves time and adds variety.
    """

    epochs: Sequence[int] = TUNED_EPOCHS
    rates: Sequence[float] = TUNED_RATES
    batch: int = 16
    most_points: int = 128

    BLOCKS: ClassVar[tuple[str, ...]] = (POINTS, LANDMARKS)

    def train(self, X: Matrix, patients: npt.NDArray[np.bool_]) -> PointNetPredictor:
        from recognition.syndromes.models.pointnet_training import Schedule, choose_schedule, train_pointnet

        folds = _deal_folds(patients)
        usual = Schedule(max(self.epochs), self.rates[0], self.batch, self.most_points, self.seed)
        schedule = choose_schedule(self.layout, X, patients, folds, sorted(self.epochs), self.rates, usual)
        return train_pointnet(self.layout, X, patients, schedule)


def _deal_folds(patients: npt.NDArray[np.bool_]) -> Ints:
    """Deal the patients and the controls, each in their order, to the inner folds."""
    folds = np.zeros(len(patients), np.int64)
    for kind in (False, True):
        members = np.flatnonzero(patients == kind)
        folds[members] = np.arange(len(members)) % _INNER_FOLDS
    return folds
