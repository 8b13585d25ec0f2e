"""Summary of simulated studies: rates with their standard errors, and the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from experiments.study_level.scenarios import SCENARIOS, Outcome, compute_true_accuracy_difference

LEVEL: Final = 0.05

RECORDED: Final = Path(__file__).parent / "results.json"
"""Summary of the last run, as of the command; docs/studies.md shows its table."""


@dataclass(frozen=True)
class Summary:
    """Rates over the simulated studies of one scenario.

    Attributes:
        studies: number of them.
        effect, mean_difference: true and mean estimated difference in logits.
        accuracy_effect, mean_accuracy_difference: the same of the share of right answers.
        rejected, published_rejected: share of studies with p below 0.05, by the recommended and the published test.
        covered, accuracy_covered: share of studies whose 95 % interval contains the truth.
    """

    scenario: str
    studies: int
    effect: float
    mean_difference: float
    accuracy_effect: float
    mean_accuracy_difference: float
    rejected: float
    published_rejected: float
    covered: float
    accuracy_covered: float


def summarise(outcomes: Sequence[Outcome]) -> list[Summary]:
    """Summarise the studies of each scenario that has any."""
    names = [name for name in SCENARIOS if any(outcome.scenario == name for outcome in outcomes)]
    return [_summarise([outcome for outcome in outcomes if outcome.scenario == name]) for name in names]


def _summarise(outcomes: Sequence[Outcome]) -> Summary:
    effects = SCENARIOS[outcomes[0].scenario]
    truth, accuracy_truth = effects.variants["edited"], compute_true_accuracy_difference(effects)
    return Summary(
        scenario=outcomes[0].scenario,
        studies=len(outcomes),
        effect=truth,
        mean_difference=float(np.mean([one.difference for one in outcomes])),
        accuracy_effect=accuracy_truth,
        mean_accuracy_difference=float(np.mean([one.accuracy_difference for one in outcomes])),
        rejected=float(np.mean([one.p < LEVEL for one in outcomes])),
        published_rejected=float(np.mean([one.published_p < LEVEL for one in outcomes])),
        covered=float(np.mean([one.low <= truth <= one.high for one in outcomes])),
        accuracy_covered=float(np.mean([one.accuracy_low <= accuracy_truth <= one.accuracy_high for one in outcomes])),
    )


def format_table(summaries: Sequence[Summary]) -> str:
    """Format a Markdown table, with the standard error of each rate."""
    lines = [
        "| scenario | studies | mean difference (true), logits | in accuracy | rejects | published test rejects | "
        "covers | covers in accuracy |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in summaries:
        rates = (one.rejected, one.published_rejected, one.covered, one.accuracy_covered)
        cells = (
            one.scenario,
            str(one.studies),
            f"{one.mean_difference:.3f} ({one.effect:g})",
            f"{one.mean_accuracy_difference:.3f} ({one.accuracy_effect:.3f})",
            *(f"{100 * rate:.1f} ± {100 * np.sqrt(rate * (1 - rate) / one.studies):.1f} %" for rate in rates),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
