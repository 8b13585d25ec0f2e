"""The thesis's comparison on phantoms: its table beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from core.progress import Progress
from experiments.syndromes.people import CONTROL_COUNT, SYNDROMES, Syndrome, write_cohort
from experiments.syndromes.thesis import ThesisResult, read_thesis
from recognition.syndromes.comparison.comparison import Comparison, Result, compare_syndromes
from recognition.syndromes.comparison.page import write_report
from recognition.syndromes.comparison.settings import ComparisonSettings
from recognition.syndromes.comparison.tables import format_spread

SEED: Final = 2901
DATASET: Final = "people.zip"

QUICK_SYNDROMES: Final = {name: replace(SYNDROMES[name], patients=8) for name in ("EHMT1", "CDK13", "ADNP")}
QUICK_CONTROLS: Final = 50


def run_comparison(
    out: Path, settings: ComparisonSettings, *, quick: bool, workers: int, progress: Progress
) -> Comparison:
    """Draw the cohort, compare all models, or continue, and write the report."""
    syndromes: Mapping[str, Syndrome] = QUICK_SYNDROMES if quick else SYNDROMES
    write_cohort(out / DATASET, SEED, syndromes, QUICK_CONTROLS if quick else CONTROL_COUNT)
    comparison = compare_syndromes(out / DATASET, out, settings, workers=workers, progress=progress)
    write_report(out, comparison)
    return comparison


def format_comparison(comparison: Comparison) -> str:
    """Format our results by leave-one-out beside those of the thesis as a Markdown table."""
    thesis = read_thesis()
    lines = ["| syndrome | drawn | model | N | AUC | specificity | sensitivity | thesis: N | AUC | spec. | sens. |"]
    lines.append("|---" * 11 + "|")
    order = {name: place for place, name in enumerate(SYNDROMES)}
    results = [one for one in comparison.results if one.opponent is None and one.scheme == "leave_one_out"]
    for one in sorted(results, key=lambda one: order[one.syndrome]):
        cells = [one.syndrome, f"{SYNDROMES[one.syndrome].strength:g}", one.model, *_format_ours(one)]
        cells += _format_thesis(thesis.get((one.syndrome, one.model)))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _format_ours(one: Result) -> list[str]:
    summary = one.summary
    return [f"{summary.pairs:.4g}", *map(format_spread, (summary.auc, summary.specificity, summary.sensitivity))]


def _format_thesis(result: ThesisResult | None) -> list[str]:
    if result is None:
        return [""] * 4
    return [str(result.patients), *map(format_spread, (result.auc, result.specificity, result.sensitivity))]
