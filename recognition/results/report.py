"""Report on the results of classifiers on one test set: tables, JSON, and one page with plots."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.atomic_files import write_file
from core.errors import ConfigError
from core.json_text import replace_nonfinite
from core.reports.html_pages import (
    embed_image,
    format_csv,
    format_details,
    format_facts,
    format_section,
    format_table,
    render_html,
)
from faces.labels import AGE_GROUPS
from recognition.predictions import Predictions, align_predictions
from recognition.results.plots import plot_accuracies, plot_cells, plot_confusions, plot_differences, plot_reliability
from recognition.statistics import (
    Accuracy,
    Calibration,
    Comparison,
    Interval,
    Sampling,
    compare_all,
    count_confusions,
    measure_accuracies,
    measure_calibration,
    measure_mean_over_conditions,
)

NOTICE: Final = (
    "What a classifier says of a face is no basis for a diagnosis, nor are these figures: they hold for these images."
)
MEAN: Final = "mean of conditions"
UNDECIDED: Final = "undecided"

AGES: Final = tuple(group.name for group in AGE_GROUPS)
FILES: Final = (
    "accuracy.csv",
    "confusion.csv",
    "calibration.csv",
    "comparisons.csv",
    "report.json",
    "report.html",
)
"""Files that `write_report` writes."""


@dataclass(frozen=True)
class ClassifierReport:
    """Figures of one test set, by name of a run.

    Attributes:
        classes: the conditions in order.
        images, persons: their numbers in the test set, the same for every run.
        baseline: the run that the others are compared to; None for no comparison.
        sampling: settings of intervals and tests.
        accuracies, means, confusions, calibrations: as the functions of `recognition.statistics` define them.
        comparisons: comparisons of every run but the baseline.
        about: further facts: data sets, seeds, checksums.
    """

    classes: tuple[str, ...]
    images: int
    persons: int
    baseline: str | None
    sampling: Sampling
    accuracies: Mapping[str, tuple[Accuracy, ...]]
    means: Mapping[str, Interval]
    confusions: Mapping[str, npt.NDArray[np.int64]]
    calibrations: Mapping[str, Calibration]
    comparisons: Mapping[str, tuple[Comparison, ...]]
    about: Mapping[str, Any]


def write_report(
    predictions_by_name: Mapping[str, Predictions],
    out: Path | str,
    *,
    baseline: str | None = None,
    sampling: Sampling | None = None,
    ages: Sequence[str] = AGES,
    about: Mapping[str, Any] | None = None,
) -> ClassifierReport:
    """Measure runs on one test set and write `FILES` into a folder; the same input gives the same files.

    Args:
        predictions_by_name: name of a run -> its predictions, in the order to show them.
        out: folder, made if need be; files of an earlier report in it are replaced.
        baseline: name of the run that the others are compared to; None compares none.
        ages: age groups in order.
        about: further facts to state beside the figures, as JSON can hold them.

    Raises:
        ConfigError: no run, or none called like the baseline.
        DatasetError: the runs were measured on different images or classes.
    """
    report = measure_runs(predictions_by_name, baseline=baseline, sampling=sampling, ages=ages, about=about)
    folder = Path(out)
    comparisons = _tabulate_comparisons(report)
    tables = {
        "accuracy.csv": _tabulate_accuracies(report),
        "confusion.csv": _tabulate_confusions(report),
        "calibration.csv": _tabulate_bins(report),
        "comparisons.csv": comparisons,
    }
    for name, rows in tables.items():
        write_file(folder / name, format_csv(rows).encode())
    write_file(folder / "report.json", (json.dumps(report_to_json(report), indent=1, allow_nan=False) + "\n").encode())
    write_file(folder / "report.html", render_page(report).encode())
    return report


def measure_runs(
    predictions_by_name: Mapping[str, Predictions],
    *,
    baseline: str | None = None,
    sampling: Sampling | None = None,
    ages: Sequence[str] = AGES,
    about: Mapping[str, Any] | None = None,
) -> ClassifierReport:
    """Compute the figures of a report; arguments and errors as of `write_report`."""
    if not predictions_by_name:
        raise ConfigError("no predictions to report; expected one run or more")
    if baseline is not None and baseline not in predictions_by_name:
        raise ConfigError(f"no run is called {baseline!r}; the baseline is one of {', '.join(predictions_by_name)}")
    sampling = sampling or Sampling()
    (first_name, first), *_ = predictions_by_name.items()
    runs = {name: align_predictions(first, run, first_name, name) for name, run in predictions_by_name.items()}
    return ClassifierReport(
        classes=first.classes,
        images=len(first),
        persons=len(set(first.persons)),
        baseline=baseline,
        sampling=sampling,
        accuracies={name: measure_accuracies(run, sampling, ages) for name, run in runs.items()},
        means={name: measure_mean_over_conditions(run, sampling) for name, run in runs.items()},
        confusions={name: count_confusions(run) for name, run in runs.items()},
        calibrations={name: measure_calibration(run) for name, run in runs.items()},
        comparisons=compare_all(baseline, runs, sampling) if baseline is not None else {},
        about=dict(about or {}),
    )


def report_to_json(report: ClassifierReport) -> dict[str, Any]:
    """Return the report as JSON can hold it; figures that are not defined (NaN) are null."""
    runs = {
        name: {
            "accuracy": [asdict(row) for row in report.accuracies[name]],
            "mean_over_conditions": asdict(report.means[name]),
            "confusion": report.confusions[name].tolist(),
            "calibration": asdict(report.calibrations[name]),
            "comparisons": [asdict(row) for row in report.comparisons.get(name, ())],
        }
        for name in report.accuracies
    }
    whole = {
        "notice": NOTICE,
        "classes": report.classes,
        "images": report.images,
        "persons": report.persons,
        "baseline": report.baseline,
        "sampling": asdict(report.sampling),
        "about": report.about,
        "runs": runs,
    }
    cleaned: dict[str, Any] = replace_nonfinite(whole)
    return cleaned


def render_page(report: ClassifierReport) -> str:
    """Render one HTML page that needs no other file."""
    level = report.sampling.level
    parts = [
        format_section("What came out", *_format_summary(report)),
        format_section(
            "Accuracy",
            embed_image(
                plot_accuracies(report.accuracies, report.means, report.classes, level), "Accuracy with intervals"
            ),
            f"The dotted line is chance, 1 of {len(report.classes)}. Intervals: {level:.0%}, from "
            f"{report.sampling.resamples} bootstrap samples of the persons. A group of a few persons has a wide one, "
            "or, where all its images are right, that of Clopper and Pearson.",
            embed_image(plot_cells(report.accuracies, report.classes), "Accuracy by condition and age group"),
            format_details("Table", format_table(_tabulate_accuracies(report))),
        ),
        format_section(
            "Confusion",
            embed_image(plot_confusions(report.confusions, report.classes), "Confusion matrices"),
            "Each row is a true condition: what its images were said to be.",
        ),
        format_section(
            "Calibration",
            embed_image(plot_reliability(report.calibrations), "Reliability curves"),
            "Above the diagonal a classifier is right more often than it says, below it less often.",
            format_table(_tabulate_calibrations(report)),
            format_details("Bins", format_table(_tabulate_bins(report))),
        ),
    ]
    if report.comparisons and report.baseline is not None:
        compared = format_section(
            f"Against {report.baseline}",
            embed_image(plot_differences(report.comparisons, report.baseline, level), "Differences with intervals"),
            "p of the permutation test swaps the two runs within persons; McNemar's counts images as independent, "
            "which they are where each person has one. Holm's correction is over the runs for all images, and over "
            "runs and conditions for the conditions. A p above 0.05 is no proof that two runs are equal: look at the "
            "interval.",
            format_details("Table", format_table(_tabulate_comparisons(report))),
        )
        parts.insert(2, compared)
    if report.about:
        parts.append(format_section("How it was made", format_facts(report.about)))
    return render_html("Classifiers on one test set", NOTICE, parts)


def _format_summary(report: ClassifierReport) -> Iterator[str]:
    head = ["run", "accuracy", "mean of conditions", "calibration error"]
    if report.comparisons:
        head += [f"points more than {report.baseline}", "p (permutation, Holm)", "p (McNemar, Holm)"]
    rows: list[list[Any]] = [head]
    for name, measured_rows in report.accuracies.items():
        row = [name, _format_percent(measured_rows[0].accuracy), _format_percent(report.means[name])]
        row.append(f"{report.calibrations[name].error:.3f}")
        if report.comparisons:
            if name == report.baseline:
                row += ["baseline", "", ""]
            else:
                one = report.comparisons[name][0]
                d = one.difference
                row.append(f"{100 * d.value:+.1f} ({100 * d.low:+.1f} to {100 * d.high:+.1f})")
                row += [_format_p(one.permutation_holm), _format_p(one.mcnemar_holm)]
        rows.append(row)
    yield f"{report.images} test images of {report.persons} persons."
    undecided = {name: rows[0].undecided for name, rows in report.accuracies.items() if rows[0].undecided}
    if undecided:
        which = ", ".join(f"{name} {count}" for name, count in undecided.items())
        yield f"Undecided, and counted as wrong: {which}."
    yield format_table(rows)


def _tabulate_accuracies(report: ClassifierReport) -> list[list[Any]]:
    rows: list[list[Any]] = [
        ["run", "condition", "age_group", "images", "persons", "correct", "undecided", "accuracy", "low", "high"]
    ]
    for name, of_run in report.accuracies.items():
        for number, a in enumerate(of_run):
            where = [name, a.condition or "all", a.age_group or "all"]
            rows.append([*where, a.images, a.persons, a.correct, a.undecided, *_list_ends(a.accuracy)])
            if number == 0:
                counts = [a.images, a.persons, a.correct, a.undecided]
                rows.append([name, MEAN, "all", *counts, *_list_ends(report.means[name])])
    return rows


def _tabulate_confusions(report: ClassifierReport) -> list[list[Any]]:
    rows: list[list[Any]] = [["run", "truth", "said", "images", "share"]]
    for name, matrix in report.confusions.items():
        for truth, counts in zip(report.classes, matrix, strict=True):
            for said, count in zip([*report.classes, UNDECIDED], counts, strict=True):
                rows.append([name, truth, said, int(count), count / counts.sum() if counts.sum() else None])
    return rows


def _tabulate_bins(report: ClassifierReport) -> list[list[Any]]:
    """Tabulate the bins of each run, after a row with the measures of all images."""
    rows: list[list[Any]] = [
        [
            "run",
            "from",
            "to",
            "images",
            "confidence",
            "accuracy",
            "calibration_error",
            "brier",
            "negative_log_likelihood",
        ]
    ]
    for name, c in report.calibrations.items():
        filled = [b for b in c.bins if b.images]
        confidence, accuracy = (
            sum(b.images * value for b, value in zip(filled, values, strict=True)) / report.images
            for values in ([b.confidence for b in filled], [b.accuracy for b in filled])
        )
        rows.append([name, 0.0, 1.0, report.images, confidence, accuracy, c.error, c.brier, c.negative_log_likelihood])
        for b in c.bins:
            values = [None, None] if not b.images else [b.confidence, b.accuracy]
            rows.append([name, b.low, b.high, b.images, *values, None, None, None])
    return rows


def _tabulate_calibrations(report: ClassifierReport) -> list[list[Any]]:
    rows: list[list[Any]] = [["run", "calibration error", "Brier score", "negative log-likelihood (nats)"]]
    rows += [[name, c.error, c.brier, c.negative_log_likelihood] for name, c in report.calibrations.items()]
    return rows


def _tabulate_comparisons(report: ClassifierReport) -> list[list[Any]]:
    rows: list[list[Any]] = [
        [
            "baseline", "run", "condition", "images", "persons", "baseline_accuracy", "accuracy", "difference", "low",
            "high", "only_baseline_right", "only_run_right", "mcnemar_p", "mcnemar_p_holm", "permutation_p",
            "permutation_p_holm",
        ]
    ]  # fmt: skip
    for name, comparisons in report.comparisons.items():
        for c in comparisons:
            where = [report.baseline, name, c.condition or "all", c.images, c.persons]
            values = [c.baseline_accuracy, c.accuracy, *_list_ends(c.difference), c.only_baseline, c.only_run]
            rows.append([*where, *values, c.mcnemar, c.mcnemar_holm, c.permutation, c.permutation_holm])
    return rows


def _list_ends(interval: Interval) -> list[float]:
    return [interval.value, interval.low, interval.high]


def _format_percent(interval: Interval) -> str:
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def _format_p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"
