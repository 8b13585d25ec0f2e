from __future__ import annotations

import numpy as np
import pytest

from recognition.syndromes.features.face_points import find_halves
from recognition.syndromes.models.distance_forest import DistanceForest, fit_forest, read_forest
from recognition.syndromes.models.point_distances import list_pairs, measure_all, measure_pairs
from tests.recognition.syndromes.models.faces import LAYOUT, draw_faces


def test_distances_are_those_of_the_listed_pairs_and_of_their_mirror_images() -> None:
    points = np.random.default_rng(0).normal(size=(3, 68, 3)).astype(np.float32)
    pairs, distances = list_pairs(68), measure_all(points)
    assert len(pairs) == 39 * 38
    np.testing.assert_allclose(distances, np.linalg.norm(points[:, pairs[:, 0]] - points[:, pairs[:, 1]], axis=2), 1e-5)
    np.testing.assert_array_equal(distances[:, ::7], measure_pairs(points, pairs[::7]))
    mirrored = measure_all(points[:, np.argsort(list_mirror())] * np.float32([-1, 1, 1]))
    np.testing.assert_allclose(mirrored, np.roll(distances, len(pairs) // 2, axis=1), 1e-5)


def test_a_head_has_36315_distances_in_each_half() -> None:
    pairs = list_pairs(510)
    assert pairs.shape == (2 * 36_315, 2)
    assert len(np.unique(pairs)) == 510


def list_mirror() -> list[int]:
    """Mirror images of the landmarks, as the two halves pair them."""
    image = {}
    for (i, j), (k, m) in zip(np.split(list_pairs(68), 2)[0], np.split(list_pairs(68), 2)[1], strict=True):
        image |= {i: k, j: m, k: i, m: j}
    return [int(image[point]) for point in range(68)]


def test_predicts_exactly_as_scikit_learn() -> None:
    X, y = draw_faces(30)
    unseen, _ = draw_faces(20, seed=1)
    seen, new = (measure_all(rows[:, LAYOUT["points"]].reshape(len(rows), 68, 3)) for rows in (X, unseen))
    forest = fit_forest(seen, y.astype(bool), 20, seed=3)
    predictor = read_forest(forest, LAYOUT, X, seen[y == 0])
    np.testing.assert_array_equal(predictor.predict_patients(unseen), forest.predict_proba(new)[:, 1])
    np.testing.assert_allclose(predictor.importances, forest.feature_importances_[forest.feature_importances_ > 0])


def test_names_the_distance_that_differs() -> None:
    """Patients have wide mouths: the most important distances, and the reasons of an answer, are of the mouth."""
    X, y = draw_faces(40, strength=0)
    for block, axes in (("points", 3), ("landmarks", 2)):
        places = X[:, LAYOUT[block]].reshape(40, 68, axes)
        places[y == 1, 48:50, 0] -= 0.3
        places[y == 1, 53:55, 0] += 0.3
        X[:, LAYOUT[block]] = places.reshape(40, -1)
    model = DistanceForest(LAYOUT, trees=30).fit(X, y)
    important = model.predictor_.list_important()
    assert len(important) <= 30
    assert all("mouth" in distance.name for distance in important[:5])
    assert sum(distance.importance for distance in important) <= 1
    midline = set.intersection(*({*half.tolist()} for half in find_halves(68)))
    assert all(len(distance.pairs) == 2 for distance in important if not midline.issuperset(distance.pairs[0]))
    reasons = model.explain(X[1])
    assert "mouth" in reasons[0].name
    assert {48, 49, 53, 54} & {*reasons[0].points}
    assert reasons[0].weight > 0


def test_the_reasons_add_up_to_the_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recognition.syndromes.models.distance_forest.REASONS", 10_000)
    X, y = draw_faces(30)
    model = DistanceForest(LAYOUT, trees=10).fit(X, y)
    at_roots = model.predictor_.share[model.predictor_.roots].mean()
    for x in X[:5]:
        total = sum(reason.weight for reason in model.explain(x))
        assert at_roots + total == pytest.approx(model.predict_proba(x[None])[0, 1])
