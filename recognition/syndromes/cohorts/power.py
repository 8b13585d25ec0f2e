"""Power of the tests of a group, by drawing small groups from many patients and their matched controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.errors import ConfigError, DatasetError
from core.progress import SILENT, Progress, stepping_bar
from recognition.statistics import Interval
from recognition.syndromes.cohorts.distances import Descriptors
from recognition.syndromes.cohorts.grouping import measure_group, rank_newcomer
from recognition.syndromes.cohorts.scores import Floats, compute_auc, measure_share

SIZES: Final = (3, 4, 5, 6, 8, 10, 15, 20, 30, 40)
"""Numbers of patients at which the power is measured."""


@dataclass(frozen=True)
class GroupPower:
    """Power at one number of patients.

    Attributes:
        patients: number of them, with as many matched controls.
        groups: number of groups drawn.
        found: share of the groups that the test finds to be one (p at most the level).
        told_apart: share of further controls who are unlike the group (p at most the level). It is 0 for groups so
            small that no p is that small.
        kept: share of further patients who are not.
        separation: probability that a further patient has a larger p than a further control; ties count half.
    """

    patients: int
    groups: int
    found: Interval
    told_apart: Interval
    kept: Interval
    separation: float


def simulate_power(
    patients: Descriptors,
    controls: Descriptors,
    sizes: Sequence[int] = SIZES,
    *,
    groups: int = 200,
    level: float = 0.05,
    permutations: int = 199,
    seed: int = 0,
    progress: Progress = SILENT,
) -> list[GroupPower]:
    """Measure the power of `measure_group` and `measure_likeness` for groups drawn from many patients.

    The groups of one size have people in common, so that the intervals are too narrow unless there are many more
    patients than in a group.

    Args:
        patients: (n, p) descriptors of patients with one syndrome.
        controls: (n, p) of their controls, in the same order.
        sizes: numbers of patients, 2 or more and below n: one further pair is drawn as newcomers.
        groups: drawn groups of each size.
        level: a test rejects where p is at most this.
        permutations, seed: see `permute_labels`.

    Raises:
        ConfigError: no groups.
        DatasetError: patients and controls that are not pairs, or a size out of range.
    """
    if groups < 1:
        raise ConfigError(f"{groups} groups; expected 1 or more")
    if len(patients) != len(controls) or not all(2 <= size < len(patients) for size in sizes):
        raise DatasetError(
            f"{len(patients)} patients, {len(controls)} controls and groups of {', '.join(map(str, sizes))}; expected "
            "a control for each patient, and groups of two patients or more that leave one out"
        )
    results = []
    with stepping_bar(progress, "drawing groups", len(sizes)) as advance:
        for size in sizes:
            p_values = _draw_groups(patients, controls, size, groups, permutations, seed)
            results.append(_summarise(size, p_values, level))
            advance(1)
    return results


def _draw_groups(
    patients: Descriptors, controls: Descriptors, size: int, groups: int, permutations: int, seed: int
) -> Floats:
    """Draw groups of one size; returns the p of each, of a further patient, and of a further control, (groups, 3)."""
    generator = np.random.default_rng([seed, size])
    labels, pairs = np.repeat([1, 0], size), np.tile(np.arange(size), 2)
    p_values = []
    for number in range(groups):
        *drawn, last = generator.choice(len(patients), size + 1, replace=False)
        members, others = patients[drawn], controls[drawn]
        together = np.concatenate([members, others])
        test = measure_group(together, labels, pairs, permutations=permutations, seed=number)
        newcomers = [rank_newcomer(members, others, group[last])[1] for group in (patients, controls)]
        p_values.append([test.p, *newcomers])
    return np.array(p_values)


def _summarise(size: int, p_values: Floats, level: float) -> GroupPower:
    of_group, of_patients, of_controls = p_values.T
    groups = len(p_values)
    return GroupPower(
        size,
        groups,
        found=measure_share(of_group <= level),
        told_apart=measure_share(of_controls <= level),
        kept=measure_share(of_patients > level),
        separation=compute_auc(np.repeat([1, 0], groups), np.concatenate([of_patients, of_controls])),
    )
