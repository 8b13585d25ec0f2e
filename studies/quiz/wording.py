"""Words of a quiz on learning platforms, as elements of HTML that Moodle and QTI share."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from studies.quiz.questions import Question, Quiz, QuizPicture

PROMPT: Final = "Which condition does this synthetic face show?"

_SHOWN_FEATURES: Final = 8
_SHOWN_PIXELS: Final = "256"


def name_quiz(quiz: Quiz) -> str:
    """Return the name of a quiz, with the conditions that it asks for."""
    return "Synthetic faces: " + ", ".join(choice.label for choice in quiz.choices)


def write_age(picture: QuizPicture) -> str:
    """Return the age group of a picture in words."""
    return picture.age_group.replace("_", " ")


def show_question(quiz: Quiz, question: Question, address: str) -> Element:
    """Return the picture of a question. Its alternative text says no more than the question may."""
    text = f"Synthetic face, {write_age(question.picture)}, picture {question.number} of {len(quiz.questions)}"
    return _show_picture(address, text)


def explain_answer(quiz: Quiz, question: Question, average: str | None, notice: str) -> list[Element]:
    """Explain the right answer: the label, facial features, the mean face, and that all of it is synthetic.

    Args:
        average: address of the mean face; None leaves it out.
        notice: statement that the pictures are synthetic, and by which weights they were made.
    """
    [choice] = [choice for choice in quiz.choices if choice.name == question.picture.condition]
    label = f"{choice.label}, {write_age(question.picture)}"
    parts = [_write_paragraph(f"The face was made with the label: {label}.")]
    if choice.features:
        features = ", ".join(choice.features[:_SHOWN_FEATURES])
        parts.append(
            _write_paragraph(f"Facial features (Human Phenotype Ontology), the most frequent first: {features}.")
        )
    if average is not None:
        parts += [_write_paragraph(f"The average face of this label ({label}):"), Element("p")]
        parts[-1].append(_show_picture(average, f"Average synthetic face, {label}"))
    return [*parts, _write_paragraph(notice)]


def _write_paragraph(text: str) -> Element:
    paragraph = Element("p")
    paragraph.text = text
    return paragraph


def _show_picture(address: str, text: str) -> Element:
    return Element("img", {"src": address, "alt": text, "width": _SHOWN_PIXELS, "height": _SHOWN_PIXELS})
