"""The model of face and HPO terms on simulated people."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from core.errors import ConfigError, DatasetError
from recognition.syndromes.features.layout import DESCRIPTOR, TERMS, Layout
from recognition.syndromes.models.face_and_terms import FaceAndTerms, FaceAndTermsPredictor, Parts

TYPICAL = ("HP:0001250", "HP:0001252", "HP:0001629", "HP:0000365")
OTHERS = ("HP:0000023", "HP:0000085", "HP:0000829", "HP:0001643", "HP:0002119", "HP:0002650", "HP:0004322")
LAYOUT = Layout(((DESCRIPTOR, 6), (TERMS, 11)), TYPICAL + OTHERS)

Data = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


def draw_people(count: int, face: float, terms: float, seed: int = 0) -> Data:
    """Draw people, every second one a patient, whose face and terms differ by these amounts from the controls'."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    faces = rng.normal(size=(count, 6)) + face * y[:, None]
    chances = np.where(np.arange(11) < 4, 0.3 + terms * y[:, None], 0.3)
    return np.hstack([faces, rng.random((count, 11)) < chances]).astype(np.float32), y


def separate(model: FaceAndTerms, people: Data) -> float:
    """Return the difference of the mean probabilities of patients and controls."""
    probabilities = model.predict_proba(people[0])[:, 1]
    return float(probabilities[people[1] == 1].mean() - probabilities[people[1] == 0].mean())


@pytest.mark.parametrize(("parts", "face", "terms"), [("face", 1.5, 0.0), ("terms", 0.0, 0.6), ("both", 0.0, 0.6)])
def test_unseen_people_are_told_apart_by_the_part_that_differs(parts: Parts, face: float, terms: float) -> None:
    model = FaceAndTerms(LAYOUT, parts=parts).fit(*draw_people(50, face, terms))
    assert separate(model, draw_people(60, face, terms, seed=1)) > 0.3
    assert separate(model, draw_people(60, 0, 0, seed=2)) < 0.15


def test_the_answer_does_not_depend_on_the_order_of_people_or_on_anything_drawn() -> None:
    X, y = draw_people(40, 0.5, 0.3)
    order = np.random.default_rng(4).permutation(40)
    model = FaceAndTerms(LAYOUT).fit(X, y)
    again = clone(model).fit(X[order], y[order])
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_allclose(model.predict_proba(X[:1]), model.predict_proba(X)[:1], rtol=1e-9)


def test_somebody_without_terms_that_count_is_assessed_by_the_face_alone() -> None:
    X, y = draw_people(40, 0.5, 0.3)
    X[:6, LAYOUT[TERMS]] = 0
    model = FaceAndTerms(LAYOUT).fit(X, y)
    alone = FaceAndTerms(LAYOUT, parts="face").fit(X, y)
    found, by_face = model.predict_proba(X), alone.predict_proba(X)
    np.testing.assert_allclose(found[:6], by_face[:6], rtol=1e-9)
    assert (found[6:] != by_face[6:]).any()
    assert isinstance(model.predictor_, FaceAndTermsPredictor)
    assert model.predictor_.name_parts(X) == ["both" if row.any() else "face" for row in X[:, LAYOUT[TERMS]]]
    assert [reason.weight for reason in model.explain(X[0])][1:] == [0.0]
    faces_only = FaceAndTerms(Layout(LAYOUT.blocks[:1])).fit(X[:, :6], y)
    np.testing.assert_array_equal(faces_only.predict_proba(X[:, :6]), by_face)


def test_a_loaded_model_predicts_the_same_and_needs_only_arrays_and_json() -> None:
    X, y = draw_people(30, 0.5, 0.3)
    X[0, LAYOUT[TERMS]] = 0
    for rows in (slice(30), slice(8)):
        model = FaceAndTerms(LAYOUT).fit(X[rows], y[rows])
        arrays, settings = model.to_arrays()
        loaded = FaceAndTermsPredictor.from_arrays(arrays, json.loads(json.dumps(settings)))
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
        assert loaded.explain(X[1]) == model.explain(X[1])


def test_reasons_are_the_shares_of_face_and_terms_and_the_effect_of_each_term() -> None:
    X, y = draw_people(40, 0.3, 0.6)
    model = FaceAndTerms(LAYOUT).fit(X, y)
    typical = X[1].copy()
    typical[LAYOUT[TERMS]] = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    reasons = model.explain(typical)
    probability = model.predict_proba(typical[None])[0, 1]
    assert [reason.kind for reason in reasons] == ["block", "block", "term", "term", "term"]
    assert reasons[1].weight > 0.04
    assert abs(reasons[0].weight) < abs(reasons[1].weight)
    assert 0 < probability - reasons[0].weight - reasons[1].weight < 1
    for column, reason in [
        (index, reason) for index in (0, 1, 10) for reason in reasons if LAYOUT.terms[index] in reason.name
    ]:
        without = typical.copy()
        without[6 + column] = 0
        assert reason.weight == pytest.approx(probability - model.predict_proba(without[None])[0, 1])


def test_terms_that_nobody_of_the_training_set_has_count_by_their_ancestors() -> None:
    model = FaceAndTerms(LAYOUT).fit(*draw_people(40, 0.0, 0.6))
    below = ("HP:0007359", "HP:0006829", "HP:0011682", "HP:0000405")  # focal-onset seizure and others
    apart = ("HP:0000047", "HP:0001744", "HP:0000963", "HP:0000872")  # hypospadias and others
    layout = Layout(((DESCRIPTOR, 6), (TERMS, 8)), below + apart)
    x = np.zeros((2, 14), dtype=np.float32)
    x[0, 6:10], x[1, 10:] = 1, 1
    like, unlike = replace(model.predictor_, layout=layout).predict_patients(x)
    assert like > unlike + 0.3


def test_few_people_are_described_by_a_logistic_regression() -> None:
    X, y = draw_people(8, 2.0, 0.0)
    model = FaceAndTerms(Layout(LAYOUT.blocks[:1]), limits=(1.0,)).fit(X[:, :6], y)
    scaled = (X[:, :6] - X[:, :6].mean(axis=0)) / X[:, :6].std(axis=0)
    unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    expected = LogisticRegression(class_weight="balanced").fit(unit, y).predict_proba(unit)
    np.testing.assert_allclose(model.predict_proba(X[:, :6]), expected, atol=1e-4)


def test_too_few_people_and_an_unknown_part_are_refused() -> None:
    X, y = draw_people(12, 0.0, 0.0)
    with pytest.raises(DatasetError):
        FaceAndTerms(LAYOUT).fit(X[:3], y[:3])
    with pytest.raises(ConfigError):
        FaceAndTerms(LAYOUT, parts="ears").fit(X, y)  # type: ignore[arg-type]
    X[:, LAYOUT[TERMS]] = 0
    with pytest.raises(DatasetError):
        FaceAndTerms(LAYOUT, parts="terms").fit(X, y)
