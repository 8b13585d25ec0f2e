from __future__ import annotations

import numpy as np
import pytest

from core.errors import ConfigError, DatasetError
from recognition.syndromes.cohorts.permutation import (
    combine_p_values,
    permute_labels,
    score_estimator,
    score_neighbours,
)
from recognition.syndromes.cohorts.scores import Ints, compute_auc
from tests.recognition.syndromes.cohorts.people import Neighbours, check_uniform


def pair_up(size: int) -> tuple[Ints, Ints]:
    return np.repeat([1, 0], size), np.tile(np.arange(size), 2)


def test_all_labellings_of_few_pairs_are_tried() -> None:
    labels, pairs = pair_up(4)
    values = np.array([4.0, 5, 6, 7, 1, 2, 3, 0])
    test = permute_labels(lambda labels: compute_auc(labels, values), labels, pairs)
    assert test.exact
    assert (test.score, test.p, len(test.null)) == (1, 1 / 16, 16)
    sampled = permute_labels(lambda labels: compute_auc(labels, values), labels, pairs, permutations=14)
    assert not sampled.exact
    assert sampled.p >= 1 / 15


def test_labels_are_exchanged_inside_the_pairs_only() -> None:
    labels, pairs = pair_up(6)
    seen = []
    permute_labels(lambda labels: float(len(seen.append(labels) or seen)), labels, pairs, permutations=20)  # type: ignore[func-returns-value]
    assert all((np.bincount(pairs, one) == 1).all() for one in seen)
    assert len({tuple(one.tolist()) for one in seen}) > 15


@pytest.mark.parametrize("paired", [True, False])
def test_p_is_uniform_where_patients_are_like_controls(paired: bool) -> None:
    """The two of a pair are like each other, as people of one age and sex are."""
    generator = np.random.default_rng(0)
    labels, pairs = pair_up(8)
    found = []
    for seed in range(150):
        faces = np.tile(2 * paired * generator.normal(size=(8, 3)), (2, 1)) + generator.normal(size=(16, 3))
        groups = pairs if paired else None
        score = score_neighbours(faces, groups)
        found.append(permute_labels(score, labels, groups, permutations=99, seed=seed).p)
    check_uniform(found)


def test_a_difference_between_patients_and_controls_is_found() -> None:
    labels, pairs = pair_up(12)
    faces = np.random.default_rng(0).normal(size=(24, 3)) + 1.5 * labels[:, None]
    assert permute_labels(score_neighbours(faces, pairs), labels, pairs, permutations=199).p < 0.02
    assert permute_labels(score_neighbours(faces), labels, permutations=199).p < 0.02


def test_the_fast_score_of_neighbours_is_that_of_the_estimator() -> None:
    labels, pairs = pair_up(7)
    faces = np.random.default_rng(0).normal(size=(14, 3))
    fast, slow = score_neighbours(faces, pairs), score_estimator(Neighbours(), faces, pairs)
    assert fast(labels) == pytest.approx(slow(labels))
    assert fast(1 - labels) == pytest.approx(slow(1 - labels)) == pytest.approx(fast(labels))


def test_runs_are_combined_without_the_claim_that_they_are_independent() -> None:
    assert combine_p_values([0.02, 0.02, 0.02]) == pytest.approx(0.04)
    assert combine_p_values([0.9, 0.5]) == 1
    assert combine_p_values([0.03]) == 0.03


def test_bad_input_is_refused() -> None:
    labels, pairs = pair_up(3)
    with pytest.raises(DatasetError):
        permute_labels(lambda labels: 0.0, labels, np.array([0, 0, 1, 1, 2, 2]))
    with pytest.raises(ConfigError):
        permute_labels(lambda labels: 0.0, labels, pairs, permutations=0)
