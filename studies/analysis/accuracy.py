"""Accuracy of the answers by condition, variant, age group and version, and confusion of the conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from studies.analysis.estimates import Estimate, estimate_share
from studies.answers.table import Answer, is_shown, list_variants

_GROUPINGS: Final = (
    (),
    ("condition",),
    ("variant",),
    ("age_group",),
    ("version",),
    ("condition", "variant"),
    ("condition", "age_group"),
)


@dataclass(frozen=True)
class Accuracy:
    """Share of right answers of a group of answers.

    Attributes:
        group: fields of the answers with their values, such as {"condition": "WS", "variant": "edited"}; empty for all.
        answers, correct, participants, faces: numbers of them.
        accuracy: with the interval for other participants and faces.
    """

    group: Mapping[str, str]
    answers: int
    correct: int
    participants: int
    faces: int
    accuracy: Estimate


@dataclass(frozen=True)
class Confusion:
    """Number of answers of each kind to the faces of each condition.

    Attributes:
        variant: of the pictures; empty for all.
        conditions, options: names of the rows and the columns.
        counts: (conditions, options).
    """

    variant: str
    conditions: tuple[str, ...]
    options: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


def measure_accuracies(answers: Sequence[Answer]) -> list[Accuracy]:
    """Measure the accuracy of all answers, and by each field, and pair of fields, in which they differ."""
    return [_measure(group, given) for group, given in _group_answers(answers) if is_shown(given)]


def list_small_groups(answers: Sequence[Answer]) -> list[Mapping[str, str]]:
    """List the groups of so few participants that no result shows them."""
    return [group for group, given in _group_answers(answers) if not is_shown(given)]


def describe_groups(groups: Sequence[Mapping[str, str]]) -> str:
    """Describe groups in words, such as "condition WS, variant edited"."""
    fields = ([f"{name.replace('_', ' ')} {value or 'unknown'}" for name, value in group.items()] for group in groups)
    return "; ".join(map(", ".join, fields))


def count_confusions(answers: Sequence[Answer]) -> list[Confusion]:
    """Count the answers to each condition, over all pictures and, if there are several variants, for each."""
    variants = list_variants(answer.variant for answer in answers)
    conditions = tuple(sorted({answer.condition for answer in answers}))
    chosen = {option for answer in answers for option in (answer.answer, *answer.options)}
    options = (*conditions, *sorted(chosen - {*conditions}))
    confusions = []
    for variant in ["", *(variants if len(variants) > 1 else [])]:
        rows = {}
        for condition in conditions:
            given = [one for one in answers if variant in ("", one.variant) and one.condition == condition]
            if is_shown(given):
                counts = Counter(answer.answer for answer in given)
                rows[condition] = tuple(counts[option] for option in options)
        if rows:
            confusions.append(Confusion(variant, tuple(rows), options, tuple(rows.values())))
    return confusions


def _group_answers(answers: Sequence[Answer]) -> Iterator[tuple[Mapping[str, str], Sequence[Answer]]]:
    for names in _GROUPINGS:
        groups: dict[tuple[str, ...], list[Answer]] = {}
        for answer in answers:
            groups.setdefault(tuple(getattr(answer, name) for name in names), []).append(answer)
        if all(len({values[place] for values in groups}) > 1 for place in range(len(names))):
            yield from ((dict(zip(names, values, strict=True)), groups[values]) for values in sorted(groups))


def _measure(group: Mapping[str, str], answers: Sequence[Answer]) -> Accuracy:
    return Accuracy(
        group=group,
        answers=len(answers),
        correct=sum(answer.correct for answer in answers),
        participants=len({answer.participant for answer in answers}),
        faces=len({answer.face for answer in answers}),
        accuracy=estimate_share(answers),
    )
