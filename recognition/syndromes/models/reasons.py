"""Reasons of an answer: parts of a face, or terms, with what each contributed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

ReasonKind: TypeAlias = Literal["distance", "region", "block", "term"]


@dataclass(frozen=True)
class Reason:
    """One reason of an answer.

    Attributes:
        kind: a distance between two points of the face, a region of it, a block of the features, or an HPO term.
        name: text for people, as "nose – mouth".
        weight: contribution to the probability; above 0 it speaks for the syndrome.
        points: numbers of the points in the block "points", for a distance.
        nearest: number of patients among the nearest faces by a block, and number of these faces.
    """

    kind: ReasonKind
    name: str
    weight: float
    points: tuple[int, ...] = ()
    nearest: tuple[int, int] | None = None


def rank_reasons(reasons: Iterable[Reason], most: int) -> tuple[Reason, ...]:
    """Return the reasons with the largest weights, whatever their sign, the largest first."""
    return tuple(sorted(reasons, key=lambda reason: -abs(reason.weight))[:most])
