"""Confidence of the participants against the accuracy of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.statistics.mean_intervals import bound_mean
from core.statistics.roc_area import compute_area
from studies.analysis.estimates import Estimate, estimate_share
from studies.answers.table import FEWEST, Answer, is_shown

_MOST_LEVELS: Final = 11


@dataclass(frozen=True)
class ConfidenceLevel:
    """Accuracy of the answers of one range of confidence."""

    lowest: float
    highest: float
    answers: int
    accuracy: Estimate


@dataclass(frozen=True)
class Confidence:
    """Confidence and accuracy.

    Attributes:
        levels: each confidence on a scale of up to 11 levels, or else five ranges with as many answers.
        left_out: number of levels that too few participants chose to be shown.
        discrimination: mean over participants of the probability that a right answer is given with more confidence
            than a wrong one (the area under the ROC curve; 0.5 is chance), with Student's interval; None if fewer than
            three participants have both right and wrong answers.
        participants: number of those who have both.
    """

    levels: tuple[ConfidenceLevel, ...]
    left_out: int
    discrimination: Estimate | None
    participants: int


def measure_confidence(answers: Sequence[Answer]) -> Confidence | None:
    """Compare confidence and accuracy; None if no answer has a confidence."""
    given = [(answer.confidence, answer) for answer in answers if answer.confidence is not None]
    if not given:
        return None
    values = np.array([value for value, _ in given])
    different = np.unique(values)
    ends = different if different.size <= _MOST_LEVELS else np.unique(np.quantile(values, [0.2, 0.4, 0.6, 0.8, 1.0]))
    place = np.searchsorted(ends, values)
    levels, left_out = [], 0
    for level in range(ends.size):
        inside = [(value, answer) for (value, answer), own in zip(given, place, strict=True) if own == level]
        if is_shown(answer for _, answer in inside):
            within = [value for value, _ in inside]
            share = estimate_share([answer for _, answer in inside])
            levels.append(ConfidenceLevel(min(within), max(within), len(inside), share))
        else:
            left_out += bool(inside)
    areas = _measure_areas(given)
    return Confidence(
        tuple(levels), left_out, Estimate(*bound_mean(areas)) if len(areas) >= FEWEST else None, len(areas)
    )


def _measure_areas(given: Sequence[tuple[float, Answer]]) -> list[float]:
    """Compute the area under the ROC curve of each participant who has both right and wrong answers."""
    people: dict[str, tuple[list[float], list[float]]] = {}
    for value, answer in given:
        people.setdefault(answer.participant, ([], []))[answer.correct].append(value)
    areas = []
    for wrong, right in people.values():
        if wrong and right:
            areas.append(compute_area(np.array(right), np.array(wrong)))
    return areas
