from __future__ import annotations

import csv

import pytest

from studies.quiz.scores import CONFIDENCE_LEVELS, QuizAnswer, evaluate_answers, format_answers, list_confidences
from tests.studies.quiz.small_quiz import draw_small_quiz

QUIZ = draw_small_quiz(9)


def answer(*, wrong: int = 0, level: int | None = None) -> list[QuizAnswer]:
    """Answer all questions; the first `wrong` of other conditions than WS as WS."""
    answers = []
    for question in QUIZ.questions:
        right = question.picture.condition
        mistaken = wrong > 0 and right != "WS"
        wrong -= mistaken
        answers.append(QuizAnswer(question, "WS" if mistaken else right, level))
    return answers


def test_the_score_has_an_interval_and_chance_beside_it() -> None:
    result = evaluate_answers(QUIZ, answer(wrong=3))
    assert (result.score.correct, result.score.answers, result.chance) == (6, 9, pytest.approx(1 / 3))
    assert 0.3 < result.score.low < 6 / 9 < result.score.high < 0.9
    assert result.overconfidence is None
    assert result.levels == ()


def test_wrong_answers_are_counted_by_what_they_were_taken_for() -> None:
    confusions = evaluate_answers(QUIZ, answer(wrong=4)).confusions
    assert {chosen for _, chosen, _ in confusions} == {"WS"}
    assert {right for right, _, _ in confusions} == {"22q11DS", "unaffected"}
    assert sum(times for _, _, times in confusions) == 4


def test_confidence_is_compared_with_the_share_of_right_answers() -> None:
    result = evaluate_answers(QUIZ, answer(wrong=3, level=CONFIDENCE_LEVELS - 1))
    [level] = result.levels
    assert (level.confidence, level.result.answers) == (pytest.approx(1), 9)
    assert result.overconfidence == pytest.approx(1 / 3)
    assert evaluate_answers(QUIZ, answer(level=0)).overconfidence == pytest.approx(-2 / 3)


def test_a_guess_is_as_likely_right_as_chance() -> None:
    assert list_confidences(2) == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 1])
    assert list_confidences(4)[0] == 0.25


def test_the_table_has_a_line_for_each_answer() -> None:
    rows = [*csv.DictReader(format_answers(QUIZ, answer(wrong=2, level=1)).splitlines())]
    assert [int(row["question"]) for row in rows] == list(range(1, 10))
    assert sum(int(row["correct"]) for row in rows) == 7
    assert {row["confidence"] for row in rows} == {"0.47"}
