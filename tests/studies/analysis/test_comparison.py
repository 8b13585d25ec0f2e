from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import DatasetError
from studies.analysis import compare
from studies.answers.table import Answer
from studies.plan.simulate import Effects, simulate_answers
from studies.plan.study_design import PATEL


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    return simulate_answers(PATEL, Effects({"edited": -1.0}), seed=5)


def test_a_known_effect_is_found(answers: list[Answer]) -> None:
    comparison = compare(answers)
    assert comparison.variants == ("reconstructed", "edited")
    assert comparison.p < 0.001
    assert comparison.interval[0] < -1 < comparison.interval[1] < 0
    assert comparison.accuracy_interval[0] < comparison.accuracy_difference < comparison.accuracy_interval[1] < 0
    assert (comparison.answers, comparison.participants, comparison.faces) == (56 * 32, 56, 32)


def test_the_order_of_variants_is_the_callers(answers: list[Answer]) -> None:
    comparison = compare(answers, ("edited", "reconstructed"))
    assert comparison.difference == pytest.approx(-compare(answers).difference, abs=1e-3)


def test_the_order_of_answers_does_not_matter(answers: list[Answer]) -> None:
    assert compare(answers[::-1]).p == pytest.approx(compare(answers).p, rel=1e-3)


def test_answers_that_cannot_be_compared_are_refused(answers: list[Answer]) -> None:
    one_variant = [answer for answer in answers if answer.variant == "edited"]
    with pytest.raises(DatasetError, match="edited"):
        compare(one_variant)
    with pytest.raises(DatasetError, match="masked"):
        compare(answers, ("masked", "edited"))
    with pytest.raises(DatasetError, match="2"):
        compare([answer for answer in answers if answer.participant in ("P001", "P040")])
    with pytest.raises(DatasetError, match="2"):
        compare([replace(a, answer=a.condition) if a.variant == "edited" else a for a in answers])
    with pytest.raises(DatasetError):
        compare([])
