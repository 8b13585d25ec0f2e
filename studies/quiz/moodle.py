"""Quizzes as Moodle XML, which the question bank of Moodle imports; the pictures lie in the file.

Format: "Moodle XML format" in the documentation of Moodle. A question is of the type `multichoice` with one right
answer. A text that shows pictures has them as `file` entries beside it, addressed by `@@PLUGINFILE@@`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import IO
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from studies.quiz.questions import Question, Quiz, QuizPicture
from studies.quiz.wording import PROMPT, explain_answer, name_quiz, show_question


def write_moodle(quiz: Quiz, notice: str, read: Callable[[QuizPicture], bytes], file: IO[bytes]) -> None:
    """Write a quiz as Moodle XML, question by question. The same quiz gives the same bytes.

    Args:
        notice: statement that the pictures are synthetic, shown with each answer.
        read: returns the JPEG file of a picture.
    """
    file.write(b'<?xml version="1.0" encoding="UTF-8"?>\n<quiz>\n')
    file.write(_serialise(_write_category(name_quiz(quiz), notice)))
    for question in quiz.questions:
        file.write(_serialise(_write_question(quiz, question, notice, read)))
    file.write(b"</quiz>\n")


def _write_category(name: str, notice: str) -> Element:
    """Write the category of the question bank that the questions go into; a slash would begin a category below it."""
    element = Element("question", {"type": "category"})
    _add_text(SubElement(element, "category"), f"$course$/top/{name.replace('/', '//')}")
    _add_text(SubElement(element, "info", {"format": "html"}), notice)
    return element


def _write_question(quiz: Quiz, question: Question, notice: str, read: Callable[[QuizPicture], bytes]) -> Element:
    element = Element("question", {"type": "multichoice"})
    _add_text(SubElement(element, "name"), f"Picture {question.number:03d}")
    shown = "face.jpg"
    prompt = Element("p")
    prompt.text = PROMPT
    picture = Element("p")
    picture.append(show_question(quiz, question, f"@@PLUGINFILE@@/{shown}"))
    _add_html(element, "questiontext", [picture, prompt], {shown: read(question.picture)})
    mean = None if question.average is None else "average.jpg"
    answer = explain_answer(quiz, question, mean and f"@@PLUGINFILE@@/{mean}", notice)
    _add_html(element, "generalfeedback", answer, {mean: read(question.average)} if mean and question.average else {})
    for name, value in {
        "defaultgrade": "1",
        "penalty": "0",
        "hidden": "0",
        "single": "true",
        "shuffleanswers": "false",
        "answernumbering": "none",
        "showstandardinstruction": "0",
    }.items():
        SubElement(element, name).text = value
    for choice in quiz.choices:
        fraction = "100" if choice.name == question.picture.condition else "0"
        option = SubElement(element, "answer", {"fraction": fraction, "format": "plain_text"})
        _add_text(option, choice.label)
        _add_text(SubElement(option, "feedback", {"format": "html"}), "")
    return element


def _add_text(parent: Element, text: str) -> None:
    SubElement(parent, "text").text = text


def _add_html(parent: Element, name: str, parts: Iterable[Element], files: Mapping[str, bytes]) -> None:
    """Add a text in HTML with its pictures."""
    element = SubElement(parent, name, {"format": "html"})
    _add_text(element, "".join(tostring(part, encoding="unicode", method="html") for part in parts))
    for file, data in files.items():
        entry = SubElement(element, "file", {"name": file, "path": "/", "encoding": "base64"})
        entry.text = base64.b64encode(data).decode("ascii")


def _serialise(element: Element) -> bytes:
    indent(element, " ")
    data: bytes = tostring(element, encoding="utf-8")
    return data + b"\n"
