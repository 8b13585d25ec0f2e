"""Result of one learner: score, calibration of the confidence, and confusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.csv_reports import format_csv
from core.statistics.shares import bound_share
from studies.quiz.questions import Question, Quiz

CONFIDENCE_LEVELS: Final = 6


@dataclass(frozen=True)
class QuizAnswer:
    """Answer of a learner.

    Attributes:
        choice: name of the condition that was chosen.
        level: confidence, from 0 (a guess) to CONFIDENCE_LEVELS - 1 (certain); None if it was not asked.
    """

    question: Question
    choice: str
    level: int | None

    @property
    def correct(self) -> bool:
        return self.choice == self.question.picture.condition


@dataclass(frozen=True)
class Share:
    """Share of right answers.

    Attributes:
        low, high: its interval of 95 % (Wilson).
    """

    correct: int
    answers: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class LevelResult:
    """Right answers of one level of confidence.

    Attributes:
        confidence: probability of being right that the level stands for.
    """

    confidence: float
    result: Share


@dataclass(frozen=True)
class QuizResult:
    """Result of a learner.

    Attributes:
        chance: share that guessing is expected to reach.
        levels: calibration, the lowest confidence first; levels that were not chosen are left out.
        overconfidence: mean confidence less the share of right answers; None if it was not asked.
        confusions: (right answer, wrong answer, number of times), the most frequent first.
    """

    score: Share
    chance: float
    levels: tuple[LevelResult, ...]
    overconfidence: float | None
    confusions: tuple[tuple[str, str, int], ...]


def list_confidences(choices: int) -> list[float]:
    """List the probabilities of being right that the levels stand for: from that of a guess to certainty."""
    guess = 1 / choices
    return [guess + (1 - guess) * level / (CONFIDENCE_LEVELS - 1) for level in range(CONFIDENCE_LEVELS)]


def evaluate_answers(quiz: Quiz, answers: Sequence[QuizAnswer]) -> QuizResult:
    """Evaluate the answers to a quiz, or to its first questions."""
    confidences = list_confidences(len(quiz.choices))
    score = _count_correct(answers)
    levels = []
    for level, confidence in enumerate(confidences):
        if given := [answer for answer in answers if answer.level == level]:
            levels.append(LevelResult(confidence, _count_correct(given)))
    rated = sum(level.result.answers for level in levels)
    over = sum((level.confidence - level.result.share) * level.result.answers for level in levels)
    wrong = Counter((answer.question.picture.condition, answer.choice) for answer in answers if not answer.correct)
    return QuizResult(
        score=score,
        chance=1 / len(quiz.choices),
        levels=tuple(levels),
        overconfidence=over / rated if rated else None,
        confusions=tuple((right, chosen, times) for (right, chosen), times in wrong.most_common()),
    )


def _count_correct(answers: Sequence[QuizAnswer]) -> Share:
    correct, count = sum(answer.correct for answer in answers), len(answers)
    share = correct / count if count else 0.0
    return Share(correct, count, share, *bound_share(share, count))


@dataclass(frozen=True)
class _Line:
    """Line of the table of results."""

    question: int
    image_set: str
    index: int
    age_group: str
    condition: str
    answer: str
    correct: int
    confidence: str


def format_answers(quiz: Quiz, answers: Sequence[QuizAnswer]) -> str:
    """Return the answers as CSV, a line for each; confidence is a probability in [0, 1], or empty."""
    confidences = list_confidences(len(quiz.choices))
    return format_csv(
        [
            _Line(
                question=answer.question.number,
                image_set=answer.question.picture.image_set,
                index=answer.question.picture.index,
                age_group=answer.question.picture.age_group,
                condition=answer.question.picture.condition,
                answer=answer.choice,
                correct=int(answer.correct),
                confidence="" if answer.level is None else f"{confidences[answer.level]:.2f}",
            )
            for answer in answers
        ]
    )
