"""Accuracies are recovered within their intervals, and confusions counted."""

from __future__ import annotations

import numpy as np
import pytest

from studies.analysis.accuracy import count_confusions, measure_accuracies
from studies.analysis.estimates import estimate_share
from studies.answers.table import Answer
from studies.plan.simulate import Effects, simulate_answers
from studies.plan.study_design import DUONG_22Q, DUONG_WS, StudyDesign


def count_recovered(design: StudyDesign, seed: int) -> tuple[int, int]:
    """Count the groups of condition and age whose true accuracy is in the interval, and all of them."""
    rows = measure_accuracies(simulate_answers(design, Effects(), seed))
    intervals = {(row.group["condition"], row.group["age_group"]): row.accuracy for row in rows if len(row.group) == 2}
    inside = [
        intervals[group.condition, group.age_group].low
        <= group.accuracy
        <= intervals[group.condition, group.age_group].high
        for group in design.groups
    ]
    return sum(inside), len(inside)


@pytest.mark.parametrize("design", [DUONG_22Q, DUONG_WS], ids=lambda design: design.name)
def test_accuracies_by_age_are_recovered_within_their_intervals(design: StudyDesign) -> None:
    assert count_recovered(design, seed=3) == (10, 10)


def test_intervals_hold_their_level_with_few_faces() -> None:
    counts = np.array([count_recovered(DUONG_22Q, seed) for seed in range(10, 22)])
    assert 0.9 <= counts[:, 0].sum() / counts[:, 1].sum() <= 0.995


def test_participants_of_one_opinion_count_once() -> None:
    """Many answers about one face, and many answers of one person, say little about others."""
    same = [
        Answer(f"P{p}", f"i{f}", f"f{f}", "WS", "edited", "WS" if f % 2 else "AS") for p in range(40) for f in range(6)
    ]
    independent = [Answer(f"P{n}", f"i{n}", f"f{n}", "WS", "edited", "WS" if n % 2 else "AS") for n in range(240)]
    wide, narrow = estimate_share(same), estimate_share(independent)
    assert wide.high - wide.low > 4 * (narrow.high - narrow.low)


@pytest.mark.parametrize("answer", ["WS", "AS"])
def test_shares_of_none_and_all_have_an_interval(answer: str) -> None:
    share = estimate_share([Answer(f"P{n}", "i", f"f{n % 4}", "WS", "edited", answer) for n in range(12)])
    assert 0 <= share.low < share.high <= 1
    assert share.value == (answer == "WS")


def test_groups_and_confusions_are_counted() -> None:
    answers = [
        Answer(f"P{p}", image, face, condition, variant, answer, options=("WS", "AS", "none"))
        for p in range(3)
        for image, face, condition, variant, answer in (
            ("a", "f", "WS", "edited", "none" if p else "WS"),
            ("b", "g", "AS", "reconstructed", "WS"),
        )
    ]
    rows = {tuple(row.group.values()): (row.correct, row.answers) for row in measure_accuracies(answers)}
    assert rows[()] == (1, 6)
    assert rows["WS",] == (1, 3)
    assert rows["AS", "reconstructed"] == (0, 3)
    every, *variants = count_confusions(answers)
    assert (every.conditions, every.options) == (("AS", "WS"), ("AS", "WS", "none"))
    assert every.counts == ((0, 3, 0), (0, 1, 2))
    assert [(one.variant, one.counts) for one in variants] == [
        ("reconstructed", ((0, 3, 0),)),
        ("edited", ((0, 1, 2),)),
    ]
