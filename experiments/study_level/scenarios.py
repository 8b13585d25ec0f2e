"""Simulated studies of which the truth is known, and what the comparison and the published test say about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from studies.analysis.comparison import compare_crossed
from studies.analysis.crossed_answers import CrossedAnswers
from studies.analysis.mixed_model import to_share
from studies.analysis.published import published_t_test
from studies.plan.simulate import Effects, draw_study, solve_log_odds
from studies.plan.study_design import PATEL

SEED: Final = 28
"""First number of every seed. The method was chosen on other seeds."""


def _describe_effects(effect: float, slope_sd: float) -> Effects:
    return Effects({"edited": effect}, participant_slope_sd=slope_sd, face_slope_sd=slope_sd)


SCENARIOS: Final[Mapping[str, Effects]] = {
    "intercepts, no effect": _describe_effects(0, 0),
    "slopes, no effect": _describe_effects(0, 0.5),
    "intercepts, effect -0.5": _describe_effects(-0.5, 0),
    "slopes, effect -0.5": _describe_effects(-0.5, 0.5),
}
"""Effects by name: with intercepts of participants and faces alone, or with slopes whose standard deviation is 0.5."""


@dataclass(frozen=True)
class Outcome:
    """Results of one simulated study.

    Attributes:
        number: of the study within its scenario.
        difference, low, high: in logits, with its interval.
        accuracy_difference, accuracy_low, accuracy_high: in shares of right answers.
        p, published_p: of the recommended and of the published test.
    """

    scenario: str
    number: int
    difference: float
    low: float
    high: float
    accuracy_difference: float
    accuracy_low: float
    accuracy_high: float
    p: float
    published_p: float


def simulate_outcome(scenario: str, number: int) -> Outcome:
    """Simulate one study and analyse it."""
    generator = np.random.default_rng([SEED, [*SCENARIOS].index(scenario), number])
    study = draw_study(PATEL, SCENARIOS[scenario], generator)
    people, shown = study.faces.shape
    answers = CrossedAnswers(
        correct=study.correct.ravel().astype(np.float64),
        second=study.variants.ravel(),
        participants=np.repeat(np.arange(people), shown),
        faces=study.faces.ravel(),
    )
    comparison = compare_crossed(answers, ("reconstructed", "edited"))
    groups = [study.correct[study.variants == variant] for variant in (0, 1)]
    counts = [count for group in groups for count in (int(group.sum()), group.size)]
    return Outcome(
        scenario,
        number,
        comparison.difference,
        *comparison.interval,
        comparison.accuracy_difference,
        *comparison.accuracy_interval,
        comparison.p,
        published_t_test(*counts),
    )


def compute_true_accuracy_difference(effects: Effects) -> float:
    """Compute the true difference in the share of right answers, over all participants and faces."""
    spread, effect = effects.compute_spread(2), effects.variants["edited"]
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    differences = [
        weights @ (to_share(base + effect / 2 + spread * nodes) - to_share(base - effect / 2 + spread * nodes))
        for base in (solve_log_odds(group.accuracy, spread) for group in PATEL.groups)
    ]
    return float(np.mean(differences) / weights.sum())
