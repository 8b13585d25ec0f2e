"""Reasons of an answer: parts of a face, or faces like it, with what each contributed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

ReasonKind: TypeAlias = Literal["distance", "region", "block", "term", "patient", "control"]


@dataclass(frozen=True)
class Reason:
    """One reason of an answer.

    Attributes:
        kind: a distance between two points of the face, a region of it, a block of the features, an HPO term, or a
            patient or a control of the training who looks like it.
        name: text for people, as "nose – mouth".
        weight: contribution to the probability; above 0 it speaks for the syndrome.
        points: numbers of the points in the block "points", for a distance.
        person: number of the person among the training faces of the model, for a patient or a control.
        distance: distance to this person, in the unit of the model.
    """

    kind: ReasonKind
    name: str
    weight: float
    points: tuple[int, ...] = ()
    person: int | None = None
    distance: float | None = None


def rank_reasons(reasons: Iterable[Reason], most: int) -> tuple[Reason, ...]:
    """Return the reasons with the largest weights, whatever their sign, the largest first."""
    return tuple(sorted(reasons, key=lambda reason: -abs(reason.weight))[:most])
