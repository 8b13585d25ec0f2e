"""Progress of a learner through a quiz. The address of the page holds all of it, sealed; the service stores nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from studies.quiz.questions import Question, Quiz
from studies.quiz.scores import QuizAnswer


@dataclass(frozen=True)
class QuizRun:
    """A quiz, and the answers that a learner has given.

    Args:
        sets: ids of the image sets.
        questions: number of questions.
        seed: of the choice of questions.
        after_each: explain each answer at once; otherwise all of them at the end.
        confidence: ask how sure the learner is.
        answers: place of the choice, and level of confidence, for each question that was answered.
        explained: number of answers that were explained.
    """

    sets: Sequence[str]
    questions: int
    seed: int
    after_each: bool
    confidence: bool
    answers: Sequence[tuple[int, int | None]] = ()
    explained: int = 0

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the progress that `to_json` gave."""
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        """Return a value for a sealed token."""
        return asdict(self)

    def add(self, choice: int, level: int | None) -> Self:
        """Return the progress after the answer to the current question."""
        return replace(self, answers=[*self.answers, (choice, level)])

    def explain(self) -> Self:
        """Return the progress after all answers so far were explained."""
        return replace(self, explained=len(self.answers))

    @property
    def complete(self) -> bool:
        """Whether all questions were answered."""
        return len(self.answers) >= self.questions

    def find_question(self, quiz: Quiz) -> Question:
        """Return the question to answer next."""
        return quiz.questions[len(self.answers)]

    def list_answers(self, quiz: Quiz) -> list[QuizAnswer]:
        """Return the answers so far, each with its question."""
        return [
            QuizAnswer(question, quiz.choices[choice].name, level)
            for question, (choice, level) in zip(quiz.questions, self.answers, strict=False)
        ]
