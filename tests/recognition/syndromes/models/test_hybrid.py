from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from recognition.syndromes.models.hybrid import Hybrid
from tests.recognition.syndromes.models.faces import LAYOUT, draw_faces


def test_the_hybrid_is_nearest_neighbours_on_scaled_principal_components() -> None:
    X, y = draw_faces(30)
    unseen, _ = draw_faces(12, seed=1)
    parts = []
    for block, weight in (("descriptor", 1.0), ("appearance", 0.5), ("distances2d", 0.5)):
        seen, new = X[:, LAYOUT[block]].astype(np.float64), unseen[:, LAYOUT[block]].astype(np.float64)
        if block == "descriptor":
            seen, new = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (seen, new))
        else:
            axes = PCA(29).fit(seen)
            seen, new = axes.transform(seen), axes.transform(new)
        scale = np.sqrt(weight / ((seen - seen.mean(axis=0)) ** 2).sum(axis=1).mean())
        parts.append((seen * scale, new * scale))
    known, rows = (np.hstack([part[place] for part in parts]) for place in (0, 1))
    theirs = KNeighborsClassifier(3, algorithm="ball_tree").fit(known, y)
    model = Hybrid(LAYOUT).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(unseen), theirs.predict_proba(rows))
    distances = np.sort(model.predictor_.measure(unseen), axis=1)[:, :3]
    np.testing.assert_allclose(distances, theirs.kneighbors(rows)[0], rtol=1e-4)


def test_reasons_are_patients_among_the_nearest_by_all_blocks_and_by_each() -> None:
    X, y = draw_faces(30, strength=3)
    reasons = Hybrid(LAYOUT).fit(X, y).explain(X[1])
    assert [reason.nearest for reason in reasons] == [(3, 3)] * 4
    assert [reason.weight for reason in reasons] == pytest.approx([1 / 2] + [1 / 6] * 3)
