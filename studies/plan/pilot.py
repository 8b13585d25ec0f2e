"""Design and variances of a study from the answers of a pilot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from statistics import median

from studies.analysis import compare
from studies.answers.table import Answer, list_variants
from studies.plan.simulate import Effects
from studies.plan.study_design import FaceGroup, StudyDesign


def describe_pilot(answers: Sequence[Answer], effect: float) -> tuple[StudyDesign, Effects]:
    """Describe the design and the variances of a pilot by its answers.

    The variances are those of the mixed model; those below 0 become 0. The effect of a pilot is not taken: the effects
    of small studies that look promising are too large on average.

    Args:
        effect: log odds of a right answer to the second variant minus those to the first, to plan for.

    Raises:
        DatasetError: the mixed model cannot be fitted to the answers.
    """
    model = compare(answers).model
    variants = tuple(list_variants(answer.variant for answer in answers))
    groups = dict.fromkeys((answer.condition, answer.age_group) for answer in answers)
    options = dict.fromkeys(option for answer in answers for option in (*answer.options, answer.condition))
    design = StudyDesign(
        name="pilot",
        groups=tuple(_describe_group(condition, age_group, answers) for condition, age_group in groups),
        options=tuple(options),
        participants=(0,) * (len(variants) - 1) + (len({answer.participant for answer in answers}),),
        variants=variants,
    )
    effects = Effects(
        variants={variants[1]: effect},
        participant_sd=sqrt(max(0.0, model.participant)),
        face_sd=sqrt(max(0.0, model.face)),
        participant_slope_sd=sqrt(max(0.0, model.participant_slope)),
        face_slope_sd=sqrt(max(0.0, model.face_slope)),
    )
    return design, effects


def _describe_group(condition: str, age_group: str, answers: Sequence[Answer]) -> FaceGroup:
    chosen = [answer for answer in answers if (answer.condition, answer.age_group) == (condition, age_group)]
    shown = Counter(answer.participant for answer in chosen)
    return FaceGroup(
        condition=condition,
        faces=len({answer.face for answer in chosen}),
        shown=round(median(shown.values())),
        accuracy=(sum(answer.correct for answer in chosen) + 0.5) / (len(chosen) + 1),
        age_group=age_group,
    )
