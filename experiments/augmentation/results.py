"""Results of the experiment: a report of all arms on the test set, and a table beside the study's figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from core.atomic_files import write_file
from experiments.augmentation.arms import ARMS, REAL, VARIED, AugmentationArm
from experiments.augmentation.classifiers import FOLDS, locate_predictions
from recognition.predictions import Predictions, pool_predictions
from recognition.results.plots import plot_differences
from recognition.results.report import ClassifierReport, write_report
from recognition.statistics import Sampling

STUDIED: Final = ("22q11DS", "unaffected", "WS")
"""Conditions in the order of the study's figures."""


def write_results(out: Path, seeds: Sequence[int], arms: Sequence[AugmentationArm] = ARMS, folds: int = FOLDS) -> str:
    """Write OUT/report, OUT/table.md and OUT/differences.png; returns the table.

    If a filtered arm is among them, OUT/filtering.json says how much better it is than the same arm without a filter.
    """
    each = {arm: [Predictions.load(locate_predictions(out, arm, seed)) for seed in seeds] for arm in arms}
    report = write_report(
        {arm.name: pool_predictions(runs) for arm, runs in each.items()},
        out / "report",
        baseline=REAL.name,
        sampling=Sampling(seed=0),
        about={"folds": folds, "seeds": list(seeds), "waiting": _read_waiting(out, arms)},
    )
    write_file(out / "differences.png", plot_differences(report.comparisons, REAL.name, report.sampling.level))
    table = _format_table(report, each)
    write_file(out / "table.md", table.encode())
    for arm in arms:
        if arm.min_condition is not None and VARIED in each:
            write_file(out / "filtering.json", _compare_filtered(out, arm, each).encode())
    return table


def _compare_filtered(out: Path, arm: AugmentationArm, each: Mapping[AugmentationArm, Sequence[Predictions]]) -> str:
    """Return as JSON how much more a filtered arm gets right than the same arm without a filter, with its interval."""
    pooled = {one.name: pool_predictions(each[one]) for one in (VARIED, arm)}
    sampling = Sampling(seed=0)
    report = write_report(pooled, out / "report-filtering", baseline=VARIED.name, sampling=sampling, about={})
    [over_all] = [row for row in report.comparisons[arm.name] if row.condition is None]
    about = out / "arms" / arm.folder / "arm.json"
    selections = json.loads(about.read_text())["selections"] if about.exists() else None
    difference = over_all.difference
    found = {"difference": difference.value, "low": difference.low, "high": difference.high}
    return json.dumps(found | {"p": over_all.permutation_holm, "selections": selections}, indent=1) + "\n"


def _format_table(report: ClassifierReport, each: Mapping[AugmentationArm, Sequence[Predictions]]) -> str:
    head = ["trained on", *STUDIED, "other", "mean", "of single seeds", "more than real", "p"]
    head += ["study: 22q11DS", "unaffected", "WS", "mean"]
    rows = [head, ["---", *["--:"] * (len(head) - 1)]]
    for arm, runs in each.items():
        by = {row.condition: row.accuracy.value for row in report.accuracies[arm.name] if row.age_group is None}
        single = [np.mean([run.correct[run.truths == k].mean() for k in range(len(run.classes))]) for run in runs]
        mean = report.means[arm.name]
        over_all = next((row for row in report.comparisons.get(arm.name, ()) if row.condition is None), None)
        rows.append(
            [
                arm.name,
                *(f"{by[name]:.1%}" for name in (*STUDIED, "other")),
                f"{mean.value:.1%} ({mean.low:.1%} to {mean.high:.1%})",
                f"{min(single):.1%} to {max(single):.1%}",
                "" if over_all is None else f"{over_all.difference.value:+.1%}",
                "" if over_all is None else f"{over_all.permutation_holm:.3f}",
                *(("",) * 4 if arm.study is None else (f"{value:g}" for value in arm.study)),
            ]
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _read_waiting(out: Path, arms: Sequence[AugmentationArm]) -> Mapping[str, float]:
    """Read the share of its time that each arm waited for images."""
    paths = {arm.name: out / "arms" / arm.folder / "arm.json" for arm in arms}
    read = {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}
    return {name: round(one["waiting_s"] / one["total_s"], 4) for name, one in read.items() if any(one["synthetic"])}
