"""Intensity of the smile (for example AU6 + AU12) against the accuracy of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.analysis.correlation import Correlation, correlate_ranks
from studies.analysis.published import compute_student_p
from studies.answers.table import Answer


@dataclass(frozen=True)
class SmileEffect:
    """Smile of the images and the answers to them.

    Attributes:
        condition: of the faces; empty for all.
        right, wrong: mean smile on images that were answered right and wrong, each answer counted.
        published_p: Student's test of the two, as if each answer had an image and a participant of its own.
        correlation: of the smile with the share of right answers, over images.
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
        images: dict[str, list[bool]] = {}
        smiles: dict[str, float] = {}
        for answer in answers:
            if answer.smile is not None and condition in ("", answer.condition):
                images.setdefault(answer.image, []).append(answer.correct)
                smiles[answer.image] = answer.smile
        groups = [
            [smiles[name] for name, given in images.items() for one in given if one is want] for want in (True, False)
        ]
        if all(groups) and len(groups[0]) + len(groups[1]) > 2:
            shares = [float(np.mean(given)) for given in images.values()]
            correlation = correlate_ranks([smiles[name] for name in images], shares, seed=seed)
            right, wrong = (float(np.mean(group)) for group in groups)
            effects.append(SmileEffect(condition, right, wrong, compute_student_p(*groups), correlation))
    return effects
