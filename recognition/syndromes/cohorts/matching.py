"""Matching of each patient with one control of the same sex, ancestry and about the same age."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DatasetError
from recognition.syndromes.cohorts.person import Person

Method: TypeAlias = Literal["assignment", "greedy"]

_ROUNDING: Final = 1e-9
"""Relative tolerance of the limits of age: a third of 9 years is not exact."""


@dataclass(frozen=True)
class MatchingRule:
    """Rule by which a control may be matched with a patient: same sex, same ancestry, and an age within limits.

    Args:
        lower, upper: smallest and largest age of the control, as multiples of the patient's.

    Raises:
        ConfigError: limits that exclude the same age.
    """

    lower: float = 2 / 3
    upper: float = 4 / 3

    def __post_init__(self) -> None:
        if not (0 <= self.lower <= 1 <= self.upper and math.isfinite(self.upper)):
            raise ConfigError(
                f"ages of controls from {self.lower:g} to {self.upper:g} times the patient's; expected limits of which "
                "the lower is 0 to 1 and the upper is 1 or more"
            )

    def admits_age(self, patient: Person, control: Person) -> bool:
        low, high = self.lower * (1 - _ROUNDING) * patient.age, self.upper * (1 + _ROUNDING) * patient.age
        return low <= control.age <= high

    def admits(self, patient: Person, control: Person) -> bool:
        """Tell whether the two may be matched."""
        return (patient.sex, patient.ancestry) == (control.sex, control.ancestry) and self.admits_age(patient, control)


class Reason(StrEnum):
    """Reason why a patient has no control."""

    SEX = "no control of this sex"
    ANCESTRY = "no control of this sex and ancestry"
    AGE = "no control of this sex and ancestry at a similar age"
    AGE_ALONE = "no control of this sex at a similar age"
    TAKEN = "all similar controls are matched with other patients"


@dataclass(frozen=True)
class Matching:
    """Pairs of a patient and a control, in the order of the patients; nobody is in two pairs.

    Attributes:
        pairs: (patient, control).
        unmatched: patients without control, each with the reason.
    """

    pairs: tuple[tuple[Person, Person], ...]
    unmatched: tuple[tuple[Person, Reason], ...] = ()

    def describe(self) -> str:
        """Describe in words how many patients have a control, with the reasons of the others."""
        reasons = Counter(str(reason) for _, reason in self.unmatched)
        text = f"{len(self.pairs)} of {len(self.pairs) + len(self.unmatched)} patients have a control"
        return text + "".join(f", {reason}: {count}" for reason, count in sorted(reasons.items()))

    @property
    def people(self) -> tuple[Person, ...]:
        """The patients, then their controls in the same order, (2n,)."""
        return tuple(patient for patient, _ in self.pairs) + tuple(control for _, control in self.pairs)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """1 for each patient and 0 for each control, (2n,)."""
        return np.repeat([1, 0], len(self.pairs))

    @property
    def pair_numbers(self) -> npt.NDArray[np.int64]:
        """Number of the pair of each of the people, (2n,)."""
        return np.tile(np.arange(len(self.pairs)), 2)


def match(
    patients: Sequence[Person],
    controls: Sequence[Person],
    rule: MatchingRule | None = None,
    method: Method = "assignment",
    seed: int = 0,
) -> Matching:
    """Match each patient with one control, at random among those that the rule admits.

    A control of the same age in whole years is preferred. "greedy" is the published way: one patient after the other,
    in random order, draws from the controls that are left. "assignment" matches as many patients as possible, and as
    many of them as possible at the same age; what that leaves open is drawn at random.

    Args:
        controls: the controls, or patients with another syndrome.
        seed: of the draw; another seed redraws the controls. The order of the people does not matter.

    Raises:
        ConfigError: an unknown method.
        DatasetError: the same person twice.
    """
    rule = rule or MatchingRule()
    patients, controls = sorted(patients), sorted(controls)
    names = [one.person for one in (*patients, *controls)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DatasetError(f"person {twice!r} is listed twice; expected everybody once, as a patient or as a control")
    allowed = np.array([[rule.admits(patient, control) for control in controls] for patient in patients], dtype=bool)
    allowed = allowed.reshape(len(patients), len(controls))
    same_age = np.equal.outer(*(np.floor([one.age for one in group]) for group in (patients, controls)))
    # Costs order the controls of a patient: same age first, at random within both groups.
    costs = np.random.default_rng(seed).random(allowed.shape) + len(patients) * ~same_age
    if method == "greedy":
        chosen = _choose_greedily(allowed, costs, seed)
    elif method == "assignment":
        chosen = _assign(allowed, costs)
    else:
        raise ConfigError(f"matching method {method!r}; expected 'assignment' or 'greedy'")
    return Matching(
        tuple((patient, controls[chosen[at]]) for at, patient in enumerate(patients) if at in chosen),
        tuple((patient, _explain(patient, controls, rule)) for at, patient in enumerate(patients) if at not in chosen),
    )


def _choose_greedily(allowed: npt.NDArray[np.bool_], costs: npt.NDArray[np.float64], seed: int) -> dict[int, int]:
    """Return the column that each row chooses from those left; rows in random order."""
    left, chosen = allowed.copy(), {}
    for row in np.random.default_rng([seed, 1]).permutation(len(allowed)):
        if left[row].any():
            chosen[int(row)] = column = int(np.where(left[row], costs[row], np.inf).argmin())
            left[:, column] = False
    return chosen


def _assign(allowed: npt.NDArray[np.bool_], costs: npt.NDArray[np.float64]) -> dict[int, int]:
    """Return a column for as many rows as possible, at the smallest sum of costs."""
    from scipy.optimize import linear_sum_assignment

    # One pair that is not allowed costs more than all the others together.
    forbidden = (len(allowed) + 1) * (costs.max(initial=0) + 1)
    rows, columns = linear_sum_assignment(np.where(allowed, costs, forbidden))
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True) if allowed[row, column]}


def _explain(patient: Person, controls: Sequence[Person], rule: MatchingRule) -> Reason:
    """Return why an unmatched patient has no control."""
    of_sex = [one for one in controls if one.sex == patient.sex]
    of_ancestry = [one for one in of_sex if one.ancestry == patient.ancestry]
    if not of_sex:
        return Reason.SEX
    if not of_ancestry:
        return Reason.ANCESTRY
    if any(rule.admits_age(patient, one) for one in of_ancestry):
        return Reason.TAKEN
    return Reason.AGE if patient.ancestry else Reason.AGE_ALONE
