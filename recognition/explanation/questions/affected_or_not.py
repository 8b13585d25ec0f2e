"""Relevance of facial regions in affected and unaffected persons, and in persons of different conditions.

The tests are those of Sümer et al. 2023: Student's or Welch's t-test where both groups look normal and equally
dispersed, otherwise the test of Mann and Whitney. Persons, with the mean of their faces, are the units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from core.errors import DatasetError
from core.statistics.multiple_tests import holm
from faces.labels import UNAFFECTED
from recognition.explanation.questions.group_size import LEAST_FACES, refuse_small_group
from recognition.explanation.questions.relevance_table import Floats, RelevanceTable
from recognition.statistics import Interval, Sampling, resample_means

PUBLISHED_LEVEL: Final = 0.001
"""Level below which p, times the number of methods, counts as significant in the study."""

_ASSUMPTION_LEVEL: Final = 0.05


@dataclass(frozen=True)
class GroupTest:
    """Comparison of the relevance of a region in persons with a condition and in unaffected persons.

    Attributes:
        affected, unaffected: numbers of persons.
        difference: mean of the affected less that of the unaffected, with its bootstrap interval by person.
        test: "Student", "Welch" or "Mann-Whitney".
        p: two-sided.
        bonferroni: p times the number of methods, as published, at most 1.
        holm: p after Holm's correction over all tests of the table.
    """

    condition: str
    region: str
    method: str
    affected: int
    unaffected: int
    difference: Interval
    test: str
    p: float
    bonferroni: float
    holm: float


@dataclass(frozen=True)
class ConditionsTest:
    """Test of Kruskal and Wallis whether the relevance of a region differs between conditions.

    Attributes:
        persons: number of persons of all conditions.
        statistic: H of the test.
        p, holm: p-value, and after Holm's correction over all tests of the table.
    """

    region: str
    method: str
    persons: int
    statistic: float
    p: float
    holm: float


def compare_with_unaffected(
    table: RelevanceTable, unaffected: str = UNAFFECTED, sampling: Sampling | None = None
) -> tuple[GroupTest, ...]:
    """Compare every other condition with the unaffected, for each region and method.

    Raises:
        DatasetError: nobody is unaffected, nobody is affected, or a group has fewer than five persons.
    """
    groups = _group_persons(table)
    if unaffected not in groups or len(groups) == 1:
        raise DatasetError(
            f"the faces have the conditions {', '.join(groups)}; expected {unaffected} and one or more others"
        )
    values = table.average_persons().mean(axis=0)
    tests = []
    for condition in (name for name in groups if name != unaffected):
        for r, region in enumerate(table.regions):
            for m, method in enumerate(table.methods):
                some, others = (_take_known(values[groups[name], m, r]) for name in (condition, unaffected))
                if min(len(some), len(others)) < LEAST_FACES:  # a region that few faces have, as ears under hair
                    continue
                name, p = choose_test(some, others)
                difference = _difference_interval(some, others, sampling)
                bonferroni = min(1.0, p * len(table.methods))
                sizes = len(some), len(others)
                tests.append(GroupTest(condition, region, method, *sizes, difference, name, p, bonferroni, p))
    corrected = holm([test.p for test in tests])
    return tuple(replace(test, holm=p) for test, p in zip(tests, corrected, strict=True))


def choose_test(first: Floats, second: Floats) -> tuple[str, float]:
    """Test two groups as the study does, and return the test's name and its two-sided p-value."""
    from scipy.stats import levene, mannwhitneyu, shapiro, ttest_ind  # take 2 seconds

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return "Mann-Whitney", float(mannwhitneyu(first, second).pvalue)
    assumptions = (shapiro(first), shapiro(second), levene(first, second))
    if min(float(result.pvalue) for result in assumptions) <= _ASSUMPTION_LEVEL:
        return "Mann-Whitney", float(mannwhitneyu(first, second).pvalue)
    equal = len(first) == len(second)  # the library of the study takes Welch's test for groups of different sizes
    return "Student" if equal else "Welch", float(ttest_ind(first, second, equal_var=equal).pvalue)


def count_significant(tests: Sequence[GroupTest]) -> dict[tuple[str, str], int]:
    """Count the methods whose p, after Bonferroni's correction, is below `PUBLISHED_LEVEL`, by condition and region."""
    counts: dict[tuple[str, str], int] = {}
    for test in tests:
        key = (test.condition, test.region)
        counts[key] = counts.get(key, 0) + (test.bonferroni < PUBLISHED_LEVEL)
    return counts


def compare_conditions(table: RelevanceTable) -> tuple[ConditionsTest, ...]:
    """Test for each region and method whether the conditions differ; none with a single condition.

    Raises:
        DatasetError: a condition has fewer than five persons.
    """
    from scipy.stats import kruskal  # takes 2 seconds

    groups = _group_persons(table)
    values = table.average_persons().mean(axis=0)
    tests = []
    for r, region in enumerate(table.regions):
        for m, method in enumerate(table.methods):
            parts = [_take_known(values[rows, m, r]) for rows in groups.values()]
            parts = [part for part in parts if len(part) >= LEAST_FACES]
            together = np.concatenate(parts) if parts else np.empty(0)
            if len(parts) > 1 and np.ptp(together) > 0:
                result = kruskal(*parts)
                p = float(result.pvalue)
                tests.append(ConditionsTest(region, method, len(together), float(result.statistic), p, p))
    corrected = holm([test.p for test in tests])
    return tuple(replace(test, holm=p) for test, p in zip(tests, corrected, strict=True))


def _group_persons(table: RelevanceTable) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for row, condition in enumerate(table.conditions):
        groups.setdefault(condition, []).append(row)
    for condition, rows in groups.items():
        refuse_small_group(condition, [table.persons[row] for row in rows])
    return groups


def _take_known(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _difference_interval(first: Floats, second: Floats, sampling: Sampling | None) -> Interval:
    sampling = sampling or Sampling()
    some, others = (
        resample_means(values, range(len(values)), sampling, stream) for stream, values in enumerate((first, second))
    )
    low, high = np.quantile(some - others, sampling.tails)
    return Interval(float(first.mean() - second.mean()), float(low), float(high))
