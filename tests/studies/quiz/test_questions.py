from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RequestError
from studies.quiz.questions import draw_quiz
from tests.studies.quiz.small_quiz import AGES, CHOICES, draw_small_quiz, list_pictures


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 45), seed=st.integers(0, 99))
def test_age_says_nothing_about_the_condition(count: int, seed: int) -> None:
    quiz = draw_small_quiz(count, seed)
    pictures = [question.picture for question in quiz.questions]
    assert len(set(pictures)) == len(pictures) == count
    assert [question.number for question in quiz.questions] == list(range(1, count + 1))
    cells = Counter((picture.age_group, picture.condition) for picture in pictures)
    spreads = []
    for age in AGES:
        counts = [cells[age, choice.name] for choice in CHOICES]
        spreads.append(max(counts) - min(counts))
    assert sorted(spreads)[:-1] == [0] * (len(AGES) - 1)
    assert max(spreads) <= 1
    ages = Counter(picture.age_group for picture in pictures)
    assert max(ages.values()) - min(ages[age] for age in AGES) <= len(CHOICES)


def test_an_age_group_without_one_of_the_conditions_is_left_out() -> None:
    pictures = [one for one in list_pictures() if (one.condition, one.age_group) != ("WS", "infant")]
    quiz = draw_quiz(pictures, CHOICES, count=30)
    assert {question.picture.age_group for question in quiz.questions} == {"child", "young_adult"}
    with pytest.raises(RequestError):
        draw_quiz(pictures, CHOICES, count=31)


def test_nobody_is_shown_twice_while_others_were_not_shown() -> None:
    quiz = draw_small_quiz(15)
    assert max(Counter(question.picture.person for question in quiz.questions).values()) == 1


def test_the_seed_determines_the_quiz() -> None:
    assert draw_small_quiz(12, 3) == draw_small_quiz(12, 3)
    assert draw_small_quiz(12, 3) != draw_small_quiz(12, 4)


def test_the_average_is_that_of_condition_and_age() -> None:
    for question in draw_small_quiz(45).questions:
        picture, mean = question.picture, question.average
        assert (mean is None) == (picture.condition == "unaffected")
        assert mean is None or (mean.condition, mean.age_group) == (picture.condition, picture.age_group)


def test_one_condition_is_no_quiz() -> None:
    with pytest.raises(RequestError):
        draw_quiz(list_pictures(), CHOICES[:1])
