from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError, DatasetError
from recognition.syndromes.cohorts.matching import MatchingRule, Method, Reason, match
from recognition.syndromes.cohorts.person import Person
from tests.recognition.syndromes.cohorts.people import make_people

RULE = MatchingRule()
METHODS: tuple[Method, ...] = ("assignment", "greedy")


@st.composite
def groups(draw: st.DrawFn) -> tuple[list[Person], list[Person]]:
    one = st.tuples(st.integers(0, 12), st.sampled_from(["female", "male"]), st.sampled_from("AB"))
    return tuple(  # type: ignore[return-value]
        [
            Person(f"{name}{at}", f"{name}{at}.png", name or None, sex, ancestry, float(age))
            for at, (age, sex, ancestry) in enumerate(draw(st.lists(one, max_size=12)))
        ]
        for name in ("WS", "")
    )


@settings(max_examples=60, deadline=None)
@given(groups(), st.integers(0, 5), st.randoms())
def test_nobody_is_used_twice_and_the_rule_is_kept(
    people: tuple[list[Person], list[Person]], seed: int, shuffling: Random
) -> None:
    patients, controls = people
    matched = {}
    for method in METHODS:
        matching = matched[method] = match(patients, controls, RULE, method, seed)
        names = [one.person for one in (*matching.people, *(patient for patient, _ in matching.unmatched))]
        assert len(set(names)) == len(names)
        assert all(RULE.admits(patient, control) for patient, control in matching.pairs)
        assert sorted(patients) == sorted([p for p, _ in matching.pairs] + [p for p, _ in matching.unmatched])
        for patient, reason in matching.unmatched:
            admitted = any(RULE.admits(patient, control) for control in controls)
            assert (reason is Reason.TAKEN) == admitted
    assert len(matched["assignment"].pairs) >= len(matched["greedy"].pairs)
    for method in METHODS:
        shuffled = [sorted(group, key=lambda one: shuffling.random()) for group in people]
        assert match(shuffled[0], shuffled[1], RULE, method, seed) == matched[method]


def test_assignment_matches_patients_whom_the_greedy_way_leaves_out() -> None:
    patients, controls = make_people([6, 8], "WS"), make_people([7, 9], None)
    assert all(len(match(patients, controls, seed=seed).pairs) == 2 for seed in range(30))
    assert {len(match(patients, controls, method="greedy", seed=seed).pairs) for seed in range(30)} == {1, 2}


@pytest.mark.parametrize("method", METHODS)
def test_a_control_of_the_same_age_is_preferred_and_others_are_redrawn(method: Method) -> None:
    patients = make_people([6.2, 20.5], "WS")
    controls = make_people([5, 6.9, 7.5, *range(21, 27)], None)
    drawn = [match(patients, controls, method=method, seed=seed).pairs for seed in range(20)]
    assert {pairs[0][1].age for pairs in drawn} == {6.9}
    assert len({pairs[1][1].age for pairs in drawn}) >= 4


def test_the_limits_of_age_are_within_the_rule() -> None:
    patient, *_ = make_people([9], "WS")
    assert [RULE.admits(patient, one) for one in make_people([5.9, 6, 12, 12.1])] == [False, True, True, False]
    newborn, *_ = make_people([0], "WS")
    assert [RULE.admits(newborn, one) for one in make_people([0, 0.1])] == [True, False]


def test_unmatched_patients_are_reported_with_the_reason() -> None:
    controls = [*make_people([30, 8], None), *make_people([3], None, ancestry="B")]
    patients = [
        *make_people([8], "A", sex="male"),
        *make_people([8], "B", ancestry="C"),
        *make_people([3], "C"),
        *make_people([8, 8], "D"),
    ]
    matching = match(patients, controls)
    assert [reason for _, reason in matching.unmatched] == [Reason.SEX, Reason.ANCESTRY, Reason.AGE, Reason.TAKEN]


def test_people_and_labels_are_in_one_order() -> None:
    matching = match(make_people([4, 8, 15], "WS"), make_people([5, 9, 16]))
    assert [one.syndrome for one in matching.people] == ["WS"] * 3 + [None] * 3
    assert matching.labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert matching.pair_numbers.tolist() == [0, 1, 2, 0, 1, 2]
    assert np.isclose([p.age + 1 for p, _ in matching.pairs], [c.age for _, c in matching.pairs]).all()


def test_bad_input_is_refused() -> None:
    with pytest.raises(DatasetError):
        match(make_people([4], "WS"), make_people([5, 9], "WS"))
    with pytest.raises(ConfigError):
        match([], [], method="optimal")  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        MatchingRule(lower=1.1)
