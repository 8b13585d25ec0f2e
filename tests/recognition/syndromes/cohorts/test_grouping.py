from __future__ import annotations

import numpy as np
import pytest

from core.errors import DatasetError
from recognition.syndromes.cohorts.distances import measure_distances
from recognition.syndromes.cohorts.grouping import (
    approximate_rank,
    count_intruders,
    expect_rank,
    measure_group,
    measure_likeness,
)
from tests.recognition.syndromes.cohorts.people import check_uniform

LINE = np.array([[0.0], [1.0], [5.0], [1.5], [7.0], [9.0]])
LABELS = np.array([1, 1, 1, 0, 0, 0])


def test_intruders_are_counted_as_by_hand() -> None:
    distances = measure_distances(LINE, LINE)
    np.fill_diagonal(distances, np.inf)
    assert count_intruders(distances, LABELS).tolist() == [0, 1, 2]
    test = measure_group(LINE, LABELS, permutations=30)
    assert test.improvement == pytest.approx((1 + 3 / 3) * (1 + 1 / 2 + 1 / 3) / 3)
    assert test.published_improvement == pytest.approx((1 + (9 + 4 + 1) / 16) * (1 + 1 / 2 + 1 / 3) / 3)


@pytest.mark.parametrize(("patients", "controls"), [(2, 10), (5, 5), (10, 300)])
def test_the_expected_rank_is_exact_and_the_published_one_near(patients: int, controls: int) -> None:
    generator, others = np.random.default_rng(0), patients - 1 + controls
    ranks = [1 + generator.choice(others, patients - 1, replace=False).min() for _ in range(4000)]
    error = float(np.std(ranks)) / np.sqrt(4000)
    assert expect_rank(patients, controls) == pytest.approx(np.mean(ranks), abs=4 * error)
    assert approximate_rank(patients, controls) == pytest.approx(expect_rank(patients, controls), rel=0.15)


@pytest.mark.parametrize("paired", [True, False])
def test_p_is_uniform_where_the_group_is_none(paired: bool) -> None:
    generator = np.random.default_rng(1)
    labels, pairs = np.repeat([1, 0], 8), np.tile(np.arange(8), 2)
    found = []
    for seed in range(150):
        faces = np.tile(paired * generator.normal(size=(8, 3)), (2, 1)) + generator.normal(size=(16, 3))
        found.append(measure_group(faces, labels, pairs if paired else None, permutations=99, seed=seed).p)
    check_uniform(found)


def test_a_group_is_found_to_be_one() -> None:
    generator = np.random.default_rng(0)
    labels, pairs = np.repeat([1, 0], 10), np.tile(np.arange(10), 2)
    faces = np.concatenate([generator.normal(0, 0.4, (10, 5)), generator.normal(0, 1.5, (10, 5))])
    test = measure_group(faces, labels, pairs, permutations=299)
    assert test.p < 0.05
    assert test.improvement > 1.3 * test.by_chance > 1
    assert (test.patients, test.controls, test.exact) == (10, 10, False)


def test_p_of_a_newcomer_holds_its_level_and_tells_controls_apart() -> None:
    generator = np.random.default_rng(0)
    of_group, of_controls = [], []
    for _ in range(150):
        patients, controls = generator.normal(0, 0.5, (7, 4)), generator.normal(0, 2, (12, 4))
        of_group.append(measure_likeness(patients, controls, generator.normal(0, 0.5, 4)).p)
        of_controls.append(measure_likeness(patients, controls, generator.normal(0, 2, 4)).p)
    check_uniform(of_group)
    assert min(of_group) >= 1 / 8
    assert np.mean(np.array(of_controls) <= 1 / 8) > 0.6


def test_the_answer_about_a_newcomer_says_how_many_controls_are_as_alike() -> None:
    patients, controls = np.array([[0.0], [1.0], [2.1]]), np.array([[10.0], [12.0], [15.0], [0.9]])
    near, far = (measure_likeness(patients, controls, np.array([at])) for at in (1.05, 11.0))
    assert (near.intruders, far.intruders) == (0, 3)
    assert near.p > far.p == 1 / 4
    assert near.controls_alike <= 1 / 4
    assert far.controls_alike == 1


def test_too_few_people_are_refused() -> None:
    with pytest.raises(DatasetError):
        measure_group(LINE[:2], np.array([1, 0]))
    with pytest.raises(DatasetError):
        measure_likeness(LINE[:1], LINE[3:], LINE[1])
