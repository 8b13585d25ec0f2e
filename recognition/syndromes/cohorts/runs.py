"""Runs of a comparison: controls redrawn for each, a model's scores in each, and their mean and deviation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.errors import ConfigError
from recognition.syndromes.cohorts.matching import Matching, MatchingRule, Method, match
from recognition.syndromes.cohorts.permutation import combine_p_values
from recognition.syndromes.cohorts.person import Cohort, Person
from recognition.syndromes.cohorts.scores import Floats, Scores, Spread, summarise_intervals

FEWEST_PAIRS: Final = 5
"""Pairs below which two groups are not compared: every model can be validated on as many, in five folds too."""


@dataclass(frozen=True)
class RunResult:
    """Predictions of a model in one run.

    Attributes:
        matching: the people, in the order of the probabilities.
        probabilities: (2n,) of being a patient, from models that have not seen the person.
        scores: of these probabilities.
        p: of a permutation test; None if it was not made.
        tested_area: area under the curve that the test is about, of a validation of its own.
    """

    matching: Matching
    probabilities: Floats
    scores: Scores
    p: float | None = None
    tested_area: float | None = None


@dataclass(frozen=True)
class RunSummary:
    """Scores of a model over runs.

    Attributes:
        runs: number of them.
        pairs: mean number of pairs of a run.
        different_controls: number of people who were a control in any run.
        auc, sensitivity, specificity: mean, deviation and interval. The runs share the patients, so that the deviation
            shows what other controls change, and less than other patients would.
        p: of all runs together (`combine_p_values`); None if a run has none.
        tested_area: mean area under the curve that p is about.
    """

    runs: int
    pairs: float
    different_controls: int
    auc: Spread
    sensitivity: Spread
    specificity: Spread
    p: float | None
    tested_area: float | None


def draw_matchings(
    patients: Sequence[Person],
    controls: Sequence[Person],
    runs: int = 3,
    *,
    rule: MatchingRule | None = None,
    method: Method = "assignment",
    seed: int = 0,
) -> list[Matching]:
    """Match the patients with controls that are drawn anew for each run. More runs leave the first ones as they are.

    Raises:
        ConfigError: no run.
        DatasetError: see `match`.
    """
    if runs < 1:
        raise ConfigError(f"{runs} runs; expected 1 or more")
    seeds = [int(np.random.SeedSequence([seed, run]).generate_state(1)[0]) for run in range(runs)]
    return [match(patients, controls, rule, method, one) for one in seeds]


def match_syndromes(
    cohort: Cohort, *, rule: MatchingRule | None = None, method: Method = "assignment", seed: int = 0
) -> Iterator[tuple[str, str, Matching | None]]:
    """Match the patients with each syndrome with those of each other one, who take the place of the controls.

    Yields:
        the two syndromes, in both orders, because the limits of age are those of the first; and the pairs, None if
        they are fewer than `FEWEST_PAIRS`.
    """
    for first in cohort.syndromes:
        for second in cohort.syndromes:
            if first != second:
                matching = match(cohort.patients(first), cohort.patients(second), rule, method, seed)
                yield first, second, matching if len(matching.pairs) >= FEWEST_PAIRS else None


def summarise(results: Sequence[RunResult]) -> RunSummary:
    """Summarise the runs of a model."""
    scores = [one.scores for one in results]
    p_values = [one.p for one in results if one.p is not None]
    areas = [one.tested_area for one in results if one.tested_area is not None]
    return RunSummary(
        len(results),
        pairs=float(np.mean([len(one.matching.pairs) for one in results])),
        different_controls=count_controls([one.matching for one in results]),
        auc=summarise_intervals([one.auc for one in scores]),
        sensitivity=summarise_intervals([one.sensitivity for one in scores]),
        specificity=summarise_intervals([one.specificity for one in scores]),
        p=combine_p_values(p_values) if len(p_values) == len(results) else None,
        tested_area=float(np.mean(areas)) if areas else None,
    )


def count_controls(matchings: Sequence[Matching]) -> int:
    """Count the different people who are a control in one of the matchings."""
    return len({control.person for matching in matchings for _, control in matching.pairs})
