"""Intensity of the smile (for example AU6 + AU12) against the accuracy of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.analysis.correlation import Correlation, correlate_ranks
from studies.analysis.crossed_answers import average_by
from studies.analysis.published import compute_student_p
from studies.answers.table import Answer, is_shown


@dataclass(frozen=True)
class SmileEffect:
    """Smile of the images and the answers to them.

    Attributes:
        condition: of the faces; empty for all.
        right, wrong: mean smile on images that were answered right and wrong, each answer counted.
        published_p: Student's test of the two, as if each answer had an image and a participant of its own.
        correlation: of the mean smile of the images of a face with its share of right answers, over faces.
    """

    condition: str
    right: float
    wrong: float
    published_p: float
    correlation: Correlation | None


def measure_smile(answers: Sequence[Answer], *, seed: int = 0) -> list[SmileEffect]:
    """Compare the smile with the accuracy, over all faces and by condition, where there are right and wrong answers."""
    conditions = sorted({answer.condition for answer in answers})
    effects = []
    for condition in ["", *(conditions if len(conditions) > 1 else [])]:
        given = [
            (answer.smile, answer)
            for answer in answers
            if answer.smile is not None and condition in ("", answer.condition)
        ]
        groups = [[(smile, answer) for smile, answer in given if answer.correct is want] for want in (True, False)]
        if all(is_shown(answer for _, answer in group) for group in groups):
            faces, smiles = [answer.face for _, answer in given], [smile for smile, _ in given]
            shares = average_by(faces, [answer.correct for _, answer in given])
            correlation = correlate_ranks(average_by(faces, smiles).tolist(), shares.tolist(), seed=seed)
            right, wrong = ([smile for smile, _ in group] for group in groups)
            means = float(np.mean(right)), float(np.mean(wrong))
            effects.append(SmileEffect(condition, *means, compute_student_p(right, wrong), correlation))
    return effects
