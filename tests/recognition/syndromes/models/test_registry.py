"""What holds for every model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict

from core.errors import CheckpointError, ConfigError
from recognition.syndromes.features.layout import Layout
from recognition.syndromes.models.estimator import Estimator
from recognition.syndromes.models.registry import MODELS, load, to_arrays
from tests.recognition.syndromes.models.faces import LAYOUT, draw_faces


def make_small_model(name: str) -> Estimator:
    """Make a model that learns fast."""
    model = MODELS[name](LAYOUT, 5)
    if name == "pointnet_tuned":
        model.set_params(epochs=(2, 8), rates=(4e-3,))
    if name == "distances":
        model.set_params(trees=10)
    return model


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_model_is_an_estimator_of_scikit_learn_that_finds_a_clear_difference(name: str) -> None:
    X, y = draw_faces(32, strength=2)
    seen = cross_val_predict(clone(make_small_model(name)), X, y, cv=2, method="predict_proba")
    assert seen.shape == (32, 2)
    assert seen[y == 1, 1].mean() > seen[y == 0, 1].mean() + 0.3


def test_the_order_of_the_faces_does_not_matter(name: str) -> None:
    X, y = draw_faces(24)
    unseen, _ = draw_faces(10, seed=1)
    order = np.random.default_rng(3).permutation(len(X))
    one, other = make_small_model(name).fit(X, y), make_small_model(name).fit(X[order], y[order])
    np.testing.assert_array_equal(one.predict_proba(unseen), other.predict_proba(unseen))
    np.testing.assert_array_equal(X[one.order_], X[order][other.order_])


def test_a_loaded_model_is_the_same(name: str) -> None:
    X, y = draw_faces(24)
    unseen, _ = draw_faces(10, seed=1)
    model = make_small_model(name).fit(X, y)
    arrays, settings = to_arrays(name, model)
    again = load({key: array.copy() for key, array in arrays.items()}, json.loads(json.dumps(settings)))
    np.testing.assert_array_equal(again.predict_proba(unseen), model.predict_proba(unseen))
    np.testing.assert_array_equal(again.predict(unseen), model.predict(unseen))
    assert again.explain(unseen[0]) == model.explain(unseen[0])


def test_refuses_faces_without_a_block_and_other_labels(name: str) -> None:
    X, y = draw_faces(24)
    model = make_small_model(name)
    gap = X.copy()
    gap[4, LAYOUT[model.BLOCKS[0]]] = np.nan
    for rows, labels in ((gap, y), (X[:, 1:], y), (X, y[1:]), (X, 0 * y), (X, y + 1)):
        with pytest.raises(ConfigError):
            model.fit(rows, labels)
    with pytest.raises(ConfigError):
        MODELS[name](Layout((("other", LAYOUT.width),)), 0).fit(X, y)


def test_arrays_of_no_model_are_refused() -> None:
    with pytest.raises(CheckpointError):
        load({}, {"model": "other"})
    with pytest.raises(CheckpointError):
        load({}, {"model": "neighbours", "layout": LAYOUT.to_json()})
