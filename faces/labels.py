"""Default conditions and age groups, and the group of an age in years."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from core.errors import LabelError

CONDITIONS: Final = ("WS", "22q11DS", "other", "unaffected")
"""Williams syndrome, 22q11.2 deletion syndrome, other genetic conditions, and people without any."""

UNAFFECTED: Final = "unaffected"
"""Name for people without a condition, in every vocabulary that includes them."""


@dataclass(frozen=True)
class AgeGroup:
    """A half-open range of ages [from_years, to_years)."""

    name: str
    from_years: float
    to_years: float

    def __post_init__(self) -> None:
        if not 0 <= self.from_years < self.to_years:
            raise LabelError(
                f"age group {self.name!r} spans [{self.from_years}, {self.to_years}) years; "
                "expected 0 <= from_years < to_years"
            )

    def __contains__(self, years: float) -> bool:
        return self.from_years <= years < self.to_years


AGE_GROUPS: Final = (
    AgeGroup("infant", 0, 2),
    AgeGroup("child", 2, 10),
    AgeGroup("adolescent", 10, 20),
    AgeGroup("young_adult", 20, 35),
    AgeGroup("older_adult", 35, math.inf),
)


def find_age_group(years: float, groups: tuple[AgeGroup, ...] = AGE_GROUPS) -> AgeGroup:
    """Find the age group of an age in years.

    Raises:
        LabelError: no group holds it (a negative age, NaN, or a gap between the groups).
    """
    for group in groups:
        if years in group:
            return group
    ranges = ", ".join(f"{g.name} [{g.from_years:g}, {g.to_years:g})" for g in groups)
    raise LabelError(f"age {years!r} years is in no age group; expected one of {ranges}")
