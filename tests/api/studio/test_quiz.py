"""A quiz in the studio: what its pages tell, and when."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from api.provenance.marks import read_claim
from tests.api.studio.conftest import Studio, csrf_of

QUIZ = "/studio/teach/quiz"
FORM = {
    "conditions": ["WS", "22q11DS", "unaffected"],
    "ages": ["infant", "child", "adolescent", "young_adult", "older_adult"],
    "questions": "4",
    "seed": "7",
    "feedback": "each",
    "confidence": "on",
}


@pytest.fixture(scope="module")
def teacher(studio: Studio) -> httpx.Client:
    return studio.visit(studio.sets_only)


def post(http: httpx.Client, path: str, page: str, **values: object) -> httpx.Response:
    return http.post(path, data={"csrf": csrf_of(page), **values})


def links(page: str, pattern: str) -> list[str]:
    return [unescape(found) for found in re.findall(rf'(?:href|src|action)="({pattern}[^"]*)"', page)]


def set_up(http: httpx.Client, **values: object) -> str:
    """Make a quiz and return its page."""
    answer = post(http, QUIZ, http.get(QUIZ).text, **FORM | values)
    for _ in range(600):
        if links(answer.text, "/studio/teach/run"):
            return answer.text
        answer = http.get(answer.url)
        assert answer.status_code == 200, answer.text
    raise AssertionError("the image sets of the quiz were not made")


def test_a_quiz_says_why_age_groups_are_left_out(teacher: httpx.Client) -> None:
    assert "2 of 5 age groups" in set_up(teacher)
    assert "of 5 age groups" not in set_up(teacher, questions="15")


@pytest.fixture(scope="module")
def first_question(teacher: httpx.Client) -> str:
    [begin] = links(set_up(teacher), "/studio/teach/run")
    return begin


def take(http: httpx.Client, start: str, choice: str = "WS", level: str = "5") -> Iterator[str]:
    """Answer all questions alike, and yield each page."""
    page = http.get(start).text
    while True:
        yield page
        if forward := links(page, r"/studio/teach/run\?at="):
            [action] = set(forward) if 'name="choice"' in page else forward[-1:]
        if 'name="choice"' in page:
            page = post(http, action, page, choice=choice, level=level).text
        elif "answers.csv" in page:
            return
        else:
            page = http.get(action).text


def test_a_quiz_is_taken_to_its_result(teacher: httpx.Client, first_question: str) -> None:
    pages = list(take(teacher, first_question))
    assert ['name="choice"' in page for page in pages] == [True, False] * 4 + [False]
    [table] = links(pages[-1], "/studio/teach/run/answers.csv")
    rows = [*csv.DictReader(teacher.get(table).text.splitlines())]
    assert [row["answer"] for row in rows] == ["WS"] * 4
    correct = sum(int(row["correct"]) for row in rows)
    assert [row["condition"] for row in rows].count("WS") == correct
    assert f"{correct} of 4" in pages[-1]


def test_a_question_does_not_tell_its_answer(teacher: httpx.Client, first_question: str) -> None:
    page = teacher.get(first_question).text
    assert "/v1/" not in page
    [face] = links(page, "/studio/teach/run/picture")
    picture = teacher.get(face)
    assert picture.headers["Content-Type"] == "image/webp"
    claim = read_claim(picture.content)
    assert claim is not None
    assert claim.what == {"quiz": True}
    [alternative] = re.findall(r'src="/studio/teach/run/picture[^>]*alt="([^"]*)"', page)
    assert alternative.startswith("synthetic face")
    assert not any(word in alternative for word in ("Williams", "22q11", "unaffected"))


def test_answers_at_the_end_are_explained_there(teacher: httpx.Client) -> None:
    [begin] = links(set_up(teacher, feedback="end"), "/studio/teach/run")
    *questions, result = take(teacher, begin)
    assert len(questions) == 4
    assert all('name="choice"' in page for page in questions)
    wrong = result.count("Average face of your answer")
    assert len(links(result, "/studio/teach/run/picture")) == 8 + wrong  # faces and averages
    assert 0 < wrong < 4


def test_the_mark_is_on_every_page(teacher: httpx.Client, first_question: str) -> None:
    for page in take(teacher, first_question):
        assert "ffffffffffff" in page
        assert "Synthetic faces of people who do not exist" in page


def test_an_answer_left_out_is_asked_for_again(teacher: httpx.Client, first_question: str) -> None:
    page = teacher.get(first_question).text
    for values in ({}, {"choice": "WS"}, {"level": "1"}, {"choice": "nobody", "level": "9"}):
        answer = post(teacher, first_question, page, **values)
        assert answer.status_code == 422
        assert 'class="error"' in answer.text


@pytest.mark.parametrize(
    "values",
    [{"conditions": ["WS"]}, {"ages": []}, {"questions": "0"}, {"questions": "x"}, {"seed": "-1"}, {"seed": "9" * 30}],
)
def test_what_is_no_quiz_is_refused_beside_its_field(teacher: httpx.Client, values: dict[str, object]) -> None:
    answer = post(teacher, QUIZ, teacher.get(QUIZ).text, **FORM | values)
    assert answer.status_code == 422
    assert f'id="{next(iter(values))}-error"' in answer.text


def test_nobody_else_opens_a_quiz_or_its_pictures(studio: Studio, teacher: httpx.Client, first_question: str) -> None:
    other, page = studio.visit(studio.other), teacher.get(first_question).text
    [face] = links(page, "/studio/teach/run/picture")
    assert other.get(first_question).status_code == 404
    assert other.get(face).status_code == 404
    assert teacher.get(face).status_code == 200


def test_an_address_that_was_changed_opens_nothing(teacher: httpx.Client, first_question: str) -> None:
    page = teacher.get(first_question).text
    [face] = links(page, "/studio/teach/run/picture")
    for path in (
        first_question[:-3] + "AAA",
        face[:-3] + "AAA",
        "/studio/teach/run?at=",
        face.replace("/picture?of", "?at"),
    ):
        assert teacher.get(path).status_code == 404


def test_the_answers_of_an_unfinished_quiz_are_no_table(teacher: httpx.Client, first_question: str) -> None:
    assert teacher.get(first_question.replace("/run?", "/run/answers.csv?")).status_code == 404
