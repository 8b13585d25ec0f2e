"""Participants against a classifier on the same images, by condition and age group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from core.errors import DatasetError
from core.statistics.multiple_tests import holm
from core.statistics.sign_flips import flip_signs
from studies.analysis.correlation import Correlation, correlate_ranks
from studies.analysis.crossed_answers import average_by
from studies.analysis.estimates import Estimate, estimate_share
from studies.analysis.published import compute_paired_p
from studies.answers.csv_rows import read_rows
from studies.answers.table import Answer, is_shown

_PROBABILITY: Final = "p:"

Probabilities = Mapping[str, Mapping[str, float]]
"""Probability of each class, by code of the image."""


@dataclass(frozen=True)
class GroupDifference:
    """Participants and classifier on the faces of one group.

    Attributes:
        condition, age_group: the group; empty for all.
        images: number of them.
        human: share of right answers, with its interval for other participants and faces.
        model: share of images that the classifier has right.
        p: of the difference, with faces as units and signs flipped; the participants are these ones. None for one face.
        holm: p corrected for the number of groups of a condition and an age; None for the other groups.
        published_p: paired t-test over participants of their accuracy against the classifier's on the same images, as
            in Duong et al. 2022. It holds for these very faces only.
    """

    condition: str
    age_group: str
    images: int
    human: Estimate
    model: float
    p: float | None
    holm: float | None
    published_p: float


@dataclass(frozen=True)
class HumanAndModel:
    """Comparison by group, and the correlation over faces.

    Attributes:
        correlation: of the share of right answers with the classifier's probability of the true condition.
    """

    groups: tuple[GroupDifference, ...]
    correlation: Correlation | None


def read_probabilities(path: Path) -> Probabilities:
    """Read the probabilities of a classifier: a CSV with the column `image` and a column `p:CLASS` for each class.

    Raises:
        DatasetError: the file cannot be read, lacks these columns, has an image twice, or has a value outside [0, 1].
    """
    table = read_rows(path)
    names = [name for name in table.header if name.startswith(_PROBABILITY)]
    if "image" not in table.header or not names:
        raise DatasetError(
            f"{path} has the columns {', '.join(table.header)}; expected image, and p:CLASS for each class"
        )
    probabilities: dict[str, Mapping[str, float]] = {}
    for row in table.rows:
        if (image := row.require("image")) in probabilities:
            raise row.error("image", "each image once")
        values = {name.removeprefix(_PROBABILITY): row.get_number(name) for name in names}
        for name, value in values.items():
            if value is None or not 0 <= value <= 1:
                raise row.error(_PROBABILITY + name, "a probability from 0 to 1")
        probabilities[image] = {name: value for name, value in values.items() if value is not None}
    return probabilities


def reduce_to_options(probabilities: Mapping[str, float], options: Sequence[str]) -> dict[str, float]:
    """Keep the options of a survey, and scale their probabilities to sum to 1.

    The most probable of them is the classifier's answer: four labels become two as in Duong et al. 2022.

    Raises:
        DatasetError: an option is no class, or all have probability 0.
    """
    if missing := [option for option in options if option not in probabilities]:
        raise DatasetError(
            f"the classifier has no class {missing[0]!r}; expected a column p:{missing[0]}, as of the options"
        )
    total = sum(probabilities[option] for option in options)
    if not total:
        raise DatasetError(f"the probabilities of {', '.join(options)} are all 0; expected one above 0")
    return {option: probabilities[option] / total for option in options}


def compare_with_model(answers: Sequence[Answer], probabilities: Probabilities, *, seed: int = 0) -> HumanAndModel:
    """Compare participants and classifier over all images, by condition, and by condition and age group.

    Raises:
        DatasetError: an image without probabilities, or as of `reduce_to_options`.
    """
    images = {answer.image: answer for answer in answers}
    if missing := [image for image in images if image not in probabilities]:
        raise DatasetError(
            f"{len(missing)} images have no probabilities, {missing[0]} for one; expected all that were shown"
        )
    given = tuple(sorted({option for answer in answers for option in (answer.condition, answer.answer)}))
    truths: dict[str, float] = {}
    right: dict[str, bool] = {}
    for image, answer in images.items():
        reduced = reduce_to_options(probabilities[image], answer.options or given)
        truths[image] = reduced.get(answer.condition, 0.0)
        right[image] = max(reduced, key=reduced.__getitem__) == answer.condition
    keys = {("", "")}
    keys |= {(answer.condition, "") for answer in answers}
    keys |= {(answer.condition, answer.age_group) for answer in answers}
    groups = []
    for condition, age in sorted(keys):
        chosen = [one for one in answers if condition in ("", one.condition) and age in ("", one.age_group)]
        if is_shown(chosen):
            groups.append(_compare_group(chosen, condition, age, right, seed))
    faces = [answer.face for answer in answers]
    shares = average_by(faces, [answer.correct for answer in answers])
    probable = average_by(faces, [truths[answer.image] for answer in answers])
    return HumanAndModel(
        tuple(_correct_by_holm(groups)), correlate_ranks(shares.tolist(), probable.tolist(), seed=seed)
    )


def _correct_by_holm(groups: Sequence[GroupDifference]) -> list[GroupDifference]:
    tested = {place: group.p for place, group in enumerate(groups) if group.age_group and group.p is not None}
    corrected = dict(zip(tested, holm([*tested.values()]), strict=True))
    return [replace(group, holm=corrected.get(place)) for place, group in enumerate(groups)]


def _compare_group(
    answers: Sequence[Answer], condition: str, age_group: str, right: Mapping[str, bool], seed: int
) -> GroupDifference:
    people: dict[str, list[tuple[bool, bool]]] = {}
    for answer in answers:
        people.setdefault(answer.participant, []).append((answer.correct, right[answer.image]))
    pairs = [np.mean(given, axis=0).tolist() for given in people.values()]
    images = {answer.image for answer in answers}
    differences = average_by(
        [answer.face for answer in answers], [answer.correct - right[answer.image] for answer in answers]
    )
    return GroupDifference(
        condition=condition,
        age_group=age_group,
        images=len(images),
        human=estimate_share(answers),
        model=sum(right[image] for image in images) / len(images),
        p=flip_signs(differences, seed=seed) if differences.size > 1 else None,
        holm=None,
        published_p=compute_paired_p(*zip(*pairs, strict=True)),
    )
