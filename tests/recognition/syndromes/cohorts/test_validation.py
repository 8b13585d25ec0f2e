from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from core.errors import ConfigError, DatasetError
from recognition.syndromes.cohorts.scores import compute_auc
from recognition.syndromes.cohorts.validation import (
    LeaveOneOut,
    RepeatedFolds,
    Scheme,
    number_groups,
    predict_unseen,
    split_rows,
)
from tests.recognition.syndromes.cohorts.people import Neighbours

SCHEMES: tuple[Scheme, ...] = (LeaveOneOut(), RepeatedFolds(5, 3))


class SeenFace(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Returns 1 for a face whose person it was fitted on, and refuses to be fitted on one class."""

    def fit(self, X: Any, y: Any) -> SeenFace:
        self.classes_ = np.unique(y)
        assert len(self.classes_) == 2
        self.seen_ = {*X[:, 0].tolist()}
        return self

    def predict_proba(self, X: Any) -> Any:
        seen = np.array([face in self.seen_ for face in X[:, 0].tolist()], dtype=float)
        return np.stack([1 - seen, seen], axis=1)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_picture_of_a_person_is_on_both_sides(scheme: Scheme) -> None:
    persons = np.repeat(np.arange(8), [1, 2, 3, 1, 1, 4, 1, 2])
    labels = (persons % 2).astype(np.int64)
    X = persons[:, None].astype(np.float64)
    assert predict_unseen(SeenFace(), X, labels, scheme, groups=persons).max() == 0
    assert predict_unseen(SeenFace(), X, labels, scheme).max() == 1


@pytest.mark.parametrize("size", [2, 3, 5, 7, 12])
def test_folds_hold_every_row_once_and_both_classes_in_proportion(size: int) -> None:
    y = np.repeat([1, 0], size)
    parts = [*split_rows(y, np.arange(2 * size), RepeatedFolds(5, 2), seed=1)]
    assert len(parts) == 2 * min(5, size)
    assert np.bincount(np.concatenate(parts)).tolist() == [2] * (2 * size)
    assert all(2 * y[part].sum() == len(part) for part in parts)


def test_another_seed_makes_other_folds_and_the_same_seed_the_same() -> None:
    y = np.repeat([1, 0], 10)
    drawn = [[part.tolist() for part in split_rows(y, np.arange(20), RepeatedFolds(5, 1), seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_leaving_one_out_of_balanced_groups_biases_nearest_neighbours_against_the_truth() -> None:
    """Without any difference between the groups the area is far below a half, unless pairs stay together."""
    generator = np.random.default_rng(0)
    labels, pairs = np.repeat([1, 0], 8), np.tile(np.arange(8), 2)
    schemes: list[tuple[Scheme, Any]] = [(LeaveOneOut(), None), (LeaveOneOut(), pairs), (RepeatedFolds(4, 1), None)]
    areas: list[list[float]] = [[], [], []]
    for _ in range(40):
        X = generator.normal(size=(16, 4))
        for (scheme, groups), found in zip(schemes, areas, strict=True):
            found.append(compute_auc(labels, predict_unseen(Neighbours(), X, labels, scheme, groups=groups)))
    alone, together, folds = map(np.mean, areas)
    assert alone < 0.44
    assert together > alone + 0.03
    assert 0.44 < folds < 0.56


def test_bad_input_is_refused() -> None:
    with pytest.raises(DatasetError):
        predict_unseen(SeenFace(), np.zeros((3, 1)), np.array([1, 0, 0]))
    with pytest.raises(ConfigError):
        RepeatedFolds(1)
    assert number_groups(["b", "a", "b"]).tolist() == [0, 1, 0]
