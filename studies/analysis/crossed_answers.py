"""Right and wrong answers to two variants of pictures, by participant and face, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from studies.answers.table import Answer, list_variants

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_FEWEST = 3
"""Fewest participants, and fewest faces, that have answers to both variants."""


@dataclass(frozen=True)
class CrossedAnswers:
    """Answers of participants to faces in two variants, (n,) each; participants and faces are numbered from 0.

    Attributes:
        correct: 1 for a right answer, or else 0.
        second: 1 for the second variant, 0 for the first.
        participants, faces: who answered, and about which face.

    Raises:
        DatasetError: fewer than three participants or faces have answers to both variants, or the answers to one
            variant are all right or all wrong, so that its log odds are infinite.
    """

    correct: Floats
    second: Ints
    participants: Ints
    faces: Ints

    def __post_init__(self) -> None:
        for name, groups in (("participants", self.participants), ("faces", self.faces)):
            both = [set(groups[self.second == place].tolist()) for place in (0, 1)]
            if len(both[0] & both[1]) < _FEWEST:
                raise DatasetError(
                    f"{len(both[0] & both[1])} {name} have answers to both variants; expected {_FEWEST} or more"
                )
        for place, share in enumerate(self.shares):
            if share in (0, 1):
                raise DatasetError(
                    f"the answers to variant {place + 1} of 2 are all {'right' if share else 'wrong'}; expected both "
                    "right and wrong answers, as a difference of log odds would be infinite"
                )

    @property
    def shares(self) -> tuple[float, float]:
        """Share of right answers to the first and to the second variant."""
        return float(self.correct[self.second == 0].mean()), float(self.correct[self.second == 1].mean())

    @property
    def counts(self) -> tuple[int, int]:
        """Number of participants, and of faces."""
        return int(self.participants.max()) + 1, int(self.faces.max()) + 1


def choose_variants(answers: Sequence[Answer], variants: tuple[str, str] | None = None) -> tuple[str, str]:
    """Choose the two variants to compare: those named, or else the only two that the answers have.

    Raises:
        DatasetError: the answers have not exactly two variants and none are named, or have no answer to one.
    """
    present = list_variants(answer.variant for answer in answers)
    first, *others = variants or present or [""]
    if len(others) != 1 or first == others[0] or not {first, *others} <= {*present}:
        wanted = "two variants are compared" if variants is None else f"{' and '.join(variants)} were to be compared"
        raise DatasetError(f"{wanted}; the answers have {', '.join(present) or 'none'}: name two of these")
    return first, others[0]


def cross_answers(answers: Sequence[Answer], variants: tuple[str, str]) -> CrossedAnswers:
    """Number the participants and faces of the answers to two variants; raises as `CrossedAnswers` does."""
    chosen = [answer for answer in answers if answer.variant in variants]
    return CrossedAnswers(
        correct=np.array([answer.correct for answer in chosen], dtype=np.float64),
        second=np.array([answer.variant == variants[1] for answer in chosen], dtype=np.int64),
        participants=number_names([answer.participant for answer in chosen]),
        faces=number_names([answer.face for answer in chosen]),
    )


def average_by(names: Sequence[str], values: Sequence[float]) -> Floats:
    """Average the values of each name, in the order in which the names first appear."""
    groups = number_names(names)
    return np.asarray(np.bincount(groups, np.asarray(values, dtype=np.float64)) / np.bincount(groups))


def number_names(names: Sequence[str]) -> Ints:
    """Number names from 0 in the order in which they first appear."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
