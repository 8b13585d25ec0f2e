"""Intensity of the smile (for example AU6 + AU12) against the accuracy of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.analysis.correlation import Correlation, correlate_ranks
from studies.analysis.crossed_answers import average_by
from studies.analysis.published import compute_student_p
from studies.answers.table import Answer, is_shown, list_variants


@dataclass(frozen=True)
class SmileEffect:
    """Smile of the images and the answers to them.

    Attributes:
        condition: of the faces; empty for all.
        right, wrong: mean smile on images that were answered right and wrong, each answer counted.
        published_p: Student's test of the two, as if each answer had an image and a participant of its own.
        correlation: of the mean smile of the images of a face with its share of right answers, over faces.
        correlation_of_changes: of the change of a face's smile between two variants with that of its share of right
            answers, over the faces that are shown in both.
    """

    condition: str
    right: float
    wrong: float
    published_p: float
    correlation: Correlation | None
    correlation_of_changes: Correlation | None


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
            right, wrong = ([smile for smile, _ in group] for group in groups)
            effects.append(
                SmileEffect(
                    condition,
                    right=float(np.mean(right)),
                    wrong=float(np.mean(wrong)),
                    published_p=compute_student_p(right, wrong),
                    correlation=_correlate_faces([answer for _, answer in given], seed),
                    correlation_of_changes=_correlate_changes([answer for _, answer in given], seed),
                )
            )
    return effects


def _correlate_faces(answers: Sequence[Answer], seed: int) -> Correlation | None:
    means = _average_by_face(answers)
    return correlate_ranks([smile for smile, _ in means.values()], [share for _, share in means.values()], seed=seed)


def _correlate_changes(answers: Sequence[Answer], seed: int) -> Correlation | None:
    """Correlate the changes from the first to the second variant; None if there are not two."""
    variants = list_variants(answer.variant for answer in answers)
    if len(variants) != 2:
        return None
    first, second = (_average_by_face([answer for answer in answers if answer.variant == name]) for name in variants)
    changes = [np.subtract(second[face], first[face]) for face in first if face in second]
    return correlate_ranks([smile for smile, _ in changes], [share for _, share in changes], seed=seed)


def _average_by_face(answers: Sequence[Answer]) -> dict[str, tuple[float, float]]:
    """Return the mean smile and the share of right answers of each face."""
    faces = [answer.face for answer in answers]
    smiles = average_by(faces, [answer.smile or 0.0 for answer in answers]).tolist()
    shares = average_by(faces, [answer.correct for answer in answers]).tolist()
    return dict(zip(dict.fromkeys(faces), zip(smiles, shares, strict=True), strict=True))
