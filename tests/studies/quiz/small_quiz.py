"""Pictures of a quiz without files: five people of each condition in each age group."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from studies.quiz.questions import Choice, Quiz, QuizPicture, draw_quiz

AGES: Final = ("infant", "child", "young_adult")
CHOICES: Final = (
    Choice("WS", "Williams syndrome", ("Wide mouth", "Long <philtrum>")),
    Choice("22q11DS", "22q11.2 deletion syndrome"),
    Choice("unaffected", "unaffected"),
)
NOTICE: Final = "Synthetic & nobody."


def list_pictures(people: int = 5) -> list[QuizPicture]:
    cells = [(choice.name, person, age) for choice in CHOICES for person in range(people) for age in AGES]
    return [
        QuizPicture("a" * 32, index, condition, age, f"{condition}-{person}")
        for index, (condition, person, age) in enumerate(cells)
    ]


def list_averages() -> list[QuizPicture]:
    cells = [(choice.name, age) for choice in CHOICES[:2] for age in AGES]
    return [QuizPicture("b" * 32, index, *cell, "average") for index, cell in enumerate(cells)]


def draw_small_quiz(count: int = 8, seed: int = 0) -> Quiz:
    return draw_quiz(list_pictures(), CHOICES, list_averages(), count=count, seed=seed)


def read(picture: QuizPicture) -> bytes:
    return f"{picture.image_set[0]}{picture.index}".encode()


def parse(data: bytes) -> Element:
    return ElementTree.fromstring(data)  # noqa: S314  our own
