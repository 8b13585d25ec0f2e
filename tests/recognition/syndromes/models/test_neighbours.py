from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from recognition.syndromes.models.neighbours import Neighbours
from tests.recognition.syndromes.models.faces import LAYOUT, draw_faces


@pytest.mark.parametrize("weighting", ["uniform", "distance"])
def test_predicts_as_scikit_learn_on_unit_descriptors(weighting: str) -> None:
    X, y = draw_faces(40)
    unseen, _ = draw_faces(20, seed=1)
    unit = [rows[:, :16] / np.linalg.norm(rows[:, :16], axis=1, keepdims=True) for rows in (X, unseen)]
    theirs = KNeighborsClassifier(3, weights=weighting, algorithm="ball_tree").fit(unit[0], y)
    ours = Neighbours(LAYOUT, weighting=weighting).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(unseen), theirs.predict_proba(unit[1]), atol=1e-6)


def test_the_reason_is_the_number_of_patients_among_the_nearest_faces() -> None:
    X, y = draw_faces(30)
    model = Neighbours(LAYOUT).fit(X, y)
    for row in range(10):
        (reason,) = model.explain(X[row])
        probability = model.predict_proba(X[row : row + 1])[0, 1]
        assert reason.nearest == (round(3 * probability), 3)
        assert reason.weight == pytest.approx(probability - 0.5)
