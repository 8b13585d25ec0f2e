"""Question to one model: how well does it tell unseen patients from unseen controls after training on given people?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recognition.syndromes.cohorts.scores import compute_auc
from recognition.syndromes.comparison.tasks import Answer, Task
from recognition.syndromes.features.face_features import Matrix
from recognition.syndromes.features.layout import Layout
from recognition.syndromes.models.registry import MODELS


@dataclass(frozen=True)
class HoldoutTask(Task):
    """Asks for the area under the curve of unseen people: `auc`.

    The rows are those of the training patients and their controls, then those of the unseen patients and controls.

    Attributes:
        trained: number of people in the training, patients and controls.
    """

    trained: int

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        return np.concatenate(
            [np.repeat([1, 0], count // 2) for count in (self.trained, len(self.rows) - self.trained)]
        )

    def answer(self, X: Matrix, layout: Layout) -> Answer:
        train, test = slice(0, self.trained), slice(self.trained, None)
        model = MODELS[self.model](layout, self.seed).fit(X[train], self.labels[train])
        return {"auc": float(compute_auc(self.labels[test], model.predict_proba(X[test])[:, 1]))}


def make_holdout(model: str, seed: int, training: Any, unseen: Any) -> HoldoutTask:
    """Make the question for rows of the features: patients and controls, (2n,) and (2m,)."""
    rows = tuple(int(row) for row in (*training, *unseen))
    return HoldoutTask(model, rows, seed, len(training))
