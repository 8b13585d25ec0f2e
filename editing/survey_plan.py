"""Plan of a survey: which pictures each version shows, counterbalanced and blinded; one seed makes one plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import DirectionError

Version: TypeAlias = Literal["A", "B"]

_CODE_DIGITS: Final = 8


@dataclass(frozen=True)
class Person:
    """One photographed person of a survey.

    Attributes:
        name: unique name of the photograph; never shown to participants.
        group: group within which the pictures are balanced, for example a condition; empty if there is none.
        source: how the owner of the survey knows the photograph: its file, or a reference of the owner's; only the key
            of the answers shows it. Empty if it is not known.
    """

    name: str
    group: str = ""
    source: str = ""


@dataclass(frozen=True)
class Stimulus:
    """One picture of one version of a survey.

    Attributes:
        version: of the survey; each participant sees one.
        order: place in it, from 1.
        code: its file name, which says nothing.
        person: whom it shows.
        edited: the edited picture, not the reconstruction.
    """

    version: Version
    order: int
    code: str
    person: Person
    edited: bool


def plan_survey(people: Sequence[Person], seed: int) -> list[Stimulus]:
    """Plan two versions of a survey with every person once in each: edited in one, as reconstructed in the other.

    In both, half of each group is edited, to within one. The order is the same in both versions, so that whoever is
    compared saw the same person at the same place.

    Args:
        people: with names of their own, two or more.
        seed: of halves, order and codes.

    Raises:
        DirectionError: fewer than two people, or one twice.
    """
    names = [person.name for person in people]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise DirectionError(f"{', '.join(twice)} twice; name each photograph once")
    if len(people) < 2:
        raise DirectionError(f"{len(people)} people; expected 2 or more, so that versions can differ")
    rng = np.random.default_rng(seed)
    edited_in_a = _draw_halves(people, rng)
    order = rng.permutation(len(people))
    codes = _draw_codes(2 * len(people), rng)
    stimuli = []
    versions: tuple[tuple[Version, bool], ...] = (("A", False), ("B", True))
    for version, swapped in versions:
        for place, at in enumerate(order, 1):
            edited = bool(edited_in_a[at]) != swapped
            stimuli.append(Stimulus(version, place, codes.pop(), people[at], edited))
    return stimuli


def _draw_halves(people: Sequence[Person], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Draw who is edited in version A: half of each group; odd groups are rounded up and down in turn."""
    chosen = np.zeros(len(people), dtype=bool)
    one_more = bool(rng.integers(2))
    for group in dict.fromkeys(person.group for person in people):
        members = rng.permutation([at for at, person in enumerate(people) if person.group == group])
        half = len(members) // 2
        if len(members) % 2:
            half += one_more
            one_more = not one_more
        chosen[members[:half]] = True
    return chosen


def _draw_codes(count: int, rng: np.random.Generator) -> list[str]:
    """Draw different random names of hexadecimal digits."""
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        drawn[f"{rng.integers(16**_CODE_DIGITS):0{_CODE_DIGITS}x}"] = None
    return list(drawn)
