"""Invented people and a cheap estimator for the tests of cohorts."""

from __future__ import annotations

from collections.abc import Sequence

from recognition.syndromes.cohorts.person import Person


def make_people(
    ages: Sequence[float], syndrome: str | None = None, *, sex: str = "female", ancestry: str = "A"
) -> list[Person]:
    """Make a person of each age, named by syndrome and number."""
    name = f"{syndrome or 'control'}-{sex}-{ancestry}"
    return [Person(f"{name}-{at}", f"{name}-{at}.png", syndrome, sex, ancestry, age) for at, age in enumerate(ages)]
