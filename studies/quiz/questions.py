"""Questions of a quiz, drawn so that the age of a face says nothing about its condition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from core.errors import RequestError
from studies.packs.balanced_draws import draw_balanced

MOST_QUESTIONS: Final = 200

USUAL_QUESTIONS: Final = 20


@dataclass(frozen=True)
class QuizPicture:
    """Labelled picture of an image set.

    Attributes:
        image_set, index: the picture.
        condition, age_group: its label.
        person: same for pictures of one person.
    """

    image_set: str
    index: int
    condition: str
    age_group: str
    person: str


@dataclass(frozen=True)
class Choice:
    """Condition that can be chosen as an answer.

    Attributes:
        name: as the labels of the pictures have it.
        label: full name.
        features: names of its facial features, the most frequent first; empty if none is known.
    """

    name: str
    label: str
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """Question which condition a picture shows.

    Attributes:
        number: place in the quiz, from 1.
        average: mean face of the same condition and age; None if there is none.
    """

    number: int
    picture: QuizPicture
    average: QuizPicture | None


@dataclass(frozen=True)
class Quiz:
    """Questions with the same choices."""

    choices: tuple[Choice, ...]
    questions: tuple[Question, ...]

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Full names of the conditions by their names."""
        return {choice.name: choice.label for choice in self.choices}


def draw_quiz(
    pictures: Sequence[QuizPicture],
    choices: Sequence[Choice],
    averages: Iterable[QuizPicture] = (),
    *,
    count: int | None = None,
    seed: int = 0,
) -> Quiz:
    """Draw a quiz with its questions in random order; the same arguments give the same quiz.

    Of each age group all conditions are drawn equally often; where `count` is no multiple of the number of conditions,
    one age group has a picture less of some of them. People who were not drawn yet come first.

    Args:
        pictures: all that may be drawn; those of other conditions than the choices are left out.
        choices: conditions that can be chosen.
        averages: mean faces, as feedback.
        count: number of questions; None takes as many as there can be, up to 20.

    Raises:
        RequestError: fewer than two choices, or more questions than balanced pictures.
    """
    names = [choice.name for choice in choices]
    if len(names) < 2:
        raise RequestError(
            "conditions", f"{', '.join(names) or 'none'}; a quiz needs two or more: add an image set of another one"
        )
    cells = _group(pictures)
    ages = dict.fromkeys(picture.age_group for picture in pictures)
    rounds = [age for age in ages for _ in range(min(len(cells.get((age, name), ())) for name in names))]
    most = min(MOST_QUESTIONS, len(rounds) * len(names))
    count = min(USUAL_QUESTIONS, most) if count is None else count
    if not 1 <= count <= most:
        raise RequestError(
            "questions",
            f"{count}; these pictures are enough for {most} questions with every condition equally often in each age "
            "group: ask for fewer, or add an image set",
        )
    rng = np.random.default_rng(seed)
    uses: Counter[str] = Counter()
    drawn: list[QuizPicture] = []
    shares = Counter(draw_balanced(rounds, str, -(-count // len(names)), rng))
    for age, number in reversed(shares.most_common()):
        for name in names:
            cell = cells[age, name]
            chosen = draw_balanced(cell, lambda _: "", number, rng, [uses[picture.person] for picture in cell])
            uses.update(picture.person for picture in chosen)
            drawn += chosen
    surplus = len(drawn) - count
    for name in rng.permutation(names)[:surplus].tolist():  # all of the last age group, which has most pictures
        drawn.remove(next(picture for picture in reversed(drawn) if picture.condition == name))
    means = {(mean.condition, mean.age_group): mean for mean in averages}
    shuffled = [drawn[at] for at in rng.permutation(count).tolist()]
    return Quiz(
        tuple(choices),
        tuple(
            Question(number, picture, means.get((picture.condition, picture.age_group)))
            for number, picture in enumerate(shuffled, start=1)
        ),
    )


def _group(pictures: Iterable[QuizPicture]) -> dict[tuple[str, str], list[QuizPicture]]:
    """Group pictures by age group and condition."""
    cells: dict[tuple[str, str], list[QuizPicture]] = {}
    for picture in pictures:
        cells.setdefault((picture.age_group, picture.condition), []).append(picture)
    return cells
