"""PointNet (Qi et al. 2017) on the points of a face: trained with PyTorch, read with NumPy.

Every point passes the same small network; the maximum over the points of each feature describes the face. The learnt
rotations of the input are left out, because the points already are in the frame of the face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from recognition.syndromes.features.face_points import Ints
from recognition.syndromes.features.layout import LANDMARKS, POINTS
from recognition.syndromes.models.estimator import Estimator, Matrix
from recognition.syndromes.models.pointnet_predictor import PointNetPredictor

PUBLISHED_EPOCHS: Final = 4

TUNED_EPOCHS: Final = (4, 12, 36)
TUNED_RATES: Final = (1e-3, 4e-3)
"""Values of which the inner folds choose."""

_INNER_FOLDS: Final = 2


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
