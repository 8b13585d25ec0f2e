"""Comparison of two variants of the same faces: the recommended analysis of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studies.analysis.crossed_answers import CrossedAnswers, choose_variants, cross_answers
from studies.analysis.mixed_model import MixedModel, fit_mixed_model
from studies.answers.table import Answer


@dataclass(frozen=True)
class Comparison:
    """Difference between two variants of the same faces, for participants and faces such as those of the study.

    Attributes:
        variants: names of the first and the second variant.
        p: two-sided, of the hypothesis that the average difference is 0.
        difference: log odds of a right answer to the second variant minus those to the first, of the average
            participant and face.
        interval: of the difference, in logits.
        accuracies: share of right answers to each variant, over all participants and faces, by the model.
        accuracy_difference: second minus first of these.
        accuracy_interval: of that difference, from the interval in logits.
        level: of the intervals.
        answers, participants, faces: numbers of them.
        model: the fitted model with its variances.
    """

    variants: tuple[str, str]
    p: float
    difference: float
    interval: tuple[float, float]
    accuracies: tuple[float, float]
    accuracy_difference: float
    accuracy_interval: tuple[float, float]
    level: float
    answers: int
    participants: int
    faces: int
    model: MixedModel


def compare(answers: Sequence[Answer], variants: tuple[str, str] | None = None, *, level: float = 0.95) -> Comparison:
    """Compare two variants of the same faces by a mixed logistic regression (`studies.analysis.mixed_model`).

    Participants and faces are crossed random effects, and so is the effect of the variant on each of them.

    Args:
        answers: of three or more participants to three or more faces, each with both variants among them.
        variants: first and second; None takes those of the answers, if they have two.

    Raises:
        DatasetError: the answers cannot be compared.
    """
    variants = choose_variants(answers, variants)
    return compare_crossed(cross_answers(answers, variants), variants, level=level)


def compare_crossed(crossed: CrossedAnswers, variants: tuple[str, str], *, level: float = 0.95) -> Comparison:
    """Compare two variants as `compare` does, from arrays."""
    model = fit_mixed_model(crossed)
    low, high = model.compute_interval(level)
    first, second = model.compute_accuracies(model.effect)
    lowest, highest = (b - a for a, b in map(model.compute_accuracies, (low, high)))
    return Comparison(
        variants=variants,
        p=model.p,
        difference=model.effect,
        interval=(low, high),
        accuracies=(first, second),
        accuracy_difference=second - first,
        accuracy_interval=(lowest, highest),
        level=level,
        answers=crossed.correct.size,
        participants=crossed.counts[0],
        faces=crossed.counts[1],
        model=model,
    )
