from __future__ import annotations

import base64
import io
from xml.etree.ElementTree import Element

import pytest

from studies.quiz.moodle import write_moodle
from tests.studies.quiz.small_quiz import CHOICES, NOTICE, draw_small_quiz, parse, read


def export() -> bytes:
    file = io.BytesIO()
    write_moodle(draw_small_quiz(), NOTICE, read, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def questions() -> list[Element]:
    root = parse(export())
    assert root.tag == "quiz"
    return list(root)


def text_of(question: Element, path: str) -> str:
    return question.findtext(f"{path}/text") or ""


def test_the_same_quiz_gives_the_same_bytes() -> None:
    assert export() == export()


def test_questions_follow_their_category(questions: list[Element]) -> None:
    assert [question.get("type") for question in questions] == ["category", *["multichoice"] * 8]
    assert text_of(questions[0], "category").startswith("$course$/top/")


def test_each_question_has_one_right_answer(questions: list[Element]) -> None:
    for element, question in zip(questions[1:], draw_small_quiz().questions, strict=True):
        answers = {
            text_of(element, f"answer[{n}]"): one.get("fraction") for n, one in enumerate(element.iter("answer"), 1)
        }
        [right] = [choice.label for choice in CHOICES if choice.name == question.picture.condition]
        assert answers == {choice.label: "100" if choice.label == right else "0" for choice in CHOICES}
        assert element.findtext("single") == "true"


def test_texts_find_their_pictures(questions: list[Element]) -> None:
    for element, question in zip(questions[1:], draw_small_quiz().questions, strict=True):
        for name, picture in (("questiontext", question.picture), ("generalfeedback", question.average)):
            files = {file.get("name"): base64.b64decode(file.text or "") for file in element.findall(f"{name}/file")}
            assert [*files.values()] == ([] if picture is None else [read(picture)])
            assert all(f'src="@@PLUGINFILE@@/{file}"' in text_of(element, name) for file in files)


def test_a_question_does_not_tell_its_answer(questions: list[Element]) -> None:
    asked = [text_of(element, "questiontext") + text_of(element, "name") for element in questions[1:]]
    assert not any(choice.label in text or choice.name in text for choice in CHOICES for text in asked)
    assert all(' alt="Synthetic face' in text for text in asked)


def test_the_explanation_names_features_and_origin(questions: list[Element]) -> None:
    texts = [text_of(element, "generalfeedback") for element in questions[1:]]
    assert all("Synthetic &amp; nobody." in text for text in texts)
    assert sum("Long &lt;philtrum&gt;" in text for text in texts) == sum(
        question.picture.condition == "WS" for question in draw_small_quiz().questions
    )
