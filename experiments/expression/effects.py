"""Effect of an edit on the probability of the true condition, paired by person, with pooled seeds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from core.errors import DatasetError
from core.statistics.multiple_tests import holm
from experiments.expression.views import IDEAL, PHOTOGRAPH, RECONSTRUCTION, REST, SMILE
from recognition.predictions import Predictions
from recognition.statistics import Interval, Sampling, mean_interval, permutation_p

Views = Mapping[str, Predictions]
"""Predictions of one ensemble, or of several pooled, for each view of the same persons in the same order."""


@dataclass(frozen=True)
class ViewChange:
    """Change from one view of a person to another.

    Attributes:
        name: for people.
        before, after: views that the service made.
        drawn: the same two views as drawings.
    """

    name: str
    before: str
    after: str
    drawn: tuple[str, str]


TO_SMILE: Final = ViewChange("to a smile", RECONSTRUCTION, SMILE, (PHOTOGRAPH, IDEAL[SMILE]))
TO_REST: Final = ViewChange("to rest", RECONSTRUCTION, REST, (PHOTOGRAPH, IDEAL[REST]))
REST_TO_SMILE: Final = ViewChange("rest to smile", REST, SMILE, (IDEAL[REST], IDEAL[SMILE]))
CHANGES: Final = (TO_SMILE, TO_REST, REST_TO_SMILE)


@dataclass(frozen=True)
class EditEffect:
    """Effect of a change of view, for the persons of one condition.

    Attributes:
        condition: the true condition.
        change: name of the change.
        persons: number of persons; each counts once for every seed.
        before, after: mean probability of the true condition.
        difference: mean of after - before, with the interval of its bootstrap by person.
        p: two-sided p-value of the permutation test by person.
        p_holm: the same after Holm's correction over the conditions.
    """

    condition: str
    change: str
    persons: int
    before: float
    after: float
    difference: Interval
    p: float
    p_holm: float


def measure_effects(
    runs: Sequence[Views],
    change: ViewChange,
    *,
    drawn: bool = False,
    only: Collection[str] | None = None,
    less: Sequence[Views] | None = None,
    sampling: Sampling | None = None,
) -> list[EditEffect]:
    """Measure the effect of a change in each condition that has persons.

    Args:
        runs: predictions of each seed.
        change: the change.
        drawn: compare the drawings, without the service.
        only: persons to include; None for all.
        less: predictions of another arm with the same seeds, whose effect is subtracted; before and after are then the
            means of the two effects.
        sampling: settings of intervals and tests.

    Raises:
        DatasetError: views of different persons.
    """
    names = change.drawn if drawn else (change.before, change.after)
    before, after = (np.concatenate([run[view].of_truth for run in runs]) for view in names)
    every = [run[view] for run in (*runs, *(less or ())) for view in names]
    first = every[0]
    if any(one.persons != first.persons or one.conditions != first.conditions for one in every):
        raise DatasetError(
            "views are of different persons; expected the same ones in the same order: measure them anew"
        )
    if less is not None:
        was, became = (np.concatenate([run[view].of_truth for run in less]) for view in names)
        before, after = became - was, after - before
    persons = np.array(first.persons * len(runs), dtype=object)
    conditions = np.array(first.conditions * len(runs), dtype=object)
    kept = np.ones(len(persons), dtype=bool) if only is None else np.array([person in only for person in persons])
    found = []
    for condition in first.classes:
        inside = np.flatnonzero((conditions == condition) & kept)
        if inside.size:
            difference, of = after[inside] - before[inside], persons[inside].tolist()
            interval, p = mean_interval(difference, of, sampling), permutation_p(difference, of, sampling)
            means = float(before[inside].mean()), float(after[inside].mean())
            found.append(EditEffect(condition, change.name, len(set(of)), *means, interval, p, p))
    corrected = holm([one.p for one in found])
    return [replace(one, p_holm=p) for one, p in zip(found, corrected, strict=True)]
