"""Report on what the relevance of facial regions goes with: tables, JSON, and a page with plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from core.atomic_files import write_file
from core.json_text import to_json_text
from core.reports.figures import encode_figure, hide_spines
from core.reports.html_pages import embed_image, format_csv, format_section, format_table, render_html
from faces.datasets.records import Record
from recognition.explanation.questions.affected_or_not import (
    PUBLISHED_LEVEL,
    ConditionsTest,
    GroupTest,
    compare_conditions,
    compare_with_unaffected,
    count_significant,
)
from recognition.explanation.questions.age_report import NOTICE
from recognition.explanation.questions.condition_terms import TermTest, compare_terms, map_persons
from recognition.explanation.questions.hpo_terms import TermCorrelation, TermScores, correlate_terms, score_records
from recognition.explanation.questions.published import COUNTED_METHODS, find_correlation, find_count
from recognition.explanation.questions.relevance_table import RelevanceTable
from recognition.statistics import Interval

FILES: Final = ("affected.csv", "conditions.csv", "correlations.csv", "terms.csv", "regions.json", "regions.html")
"""Files that `write_region_report` writes."""


@dataclass(frozen=True)
class RegionReport:
    """Answers about the relevance of regions; a question that the data set cannot answer has no rows.

    Attributes:
        affected: each condition against the unaffected.
        conditions: all conditions against each other.
        correlations: relevance of a region with the terms of that region.
        terms: which terms tell conditions apart.
    """

    affected: tuple[GroupTest, ...]
    conditions: tuple[ConditionsTest, ...]
    correlations: tuple[TermCorrelation, ...]
    terms: tuple[TermTest, ...]


def answer_questions(table: RelevanceTable, unaffected: str, scores: TermScores | None = None) -> RegionReport:
    """Answer all questions.

    Args:
        unaffected: name of the condition that the others are compared with; nothing is compared if nobody has it.
        scores: terms by a rater's sheet; None takes those of the data set's table.

    Raises:
        DatasetError: a group of fewer than five persons.
    """
    several = len(set(table.conditions)) > 1
    compared = several and unaffected in table.conditions
    scores = score_records(table.faces) if scores is None else scores
    return RegionReport(
        affected=compare_with_unaffected(table, unaffected) if compared else (),
        conditions=compare_conditions(table) if several else (),
        correlations=correlate_terms(table, scores) if any(scores.values()) else (),
        terms=compare_terms(table.faces) if several and any(face.present for face in table.faces) else (),
    )


def write_region_report(out: Path, table: RelevanceTable, unaffected: str, report: RegionReport) -> None:
    """Write `FILES` into a folder."""
    rows = {
        "affected.csv": _tabulate(GroupTest, report.affected),
        "conditions.csv": _tabulate(ConditionsTest, report.conditions),
        "correlations.csv": _tabulate_correlations(report.correlations),
        "terms.csv": _tabulate(TermTest, report.terms),
    }
    for name, lines in rows.items():
        write_file(out / name, format_csv(lines).encode())
    counts = [
        {
            "condition": condition,
            "region": region,
            "significant": count,
            "methods": len(table.methods),
            "published": find_count(condition, region),
        }
        for (condition, region), count in count_significant(report.affected).items()
    ]
    whole = {"notice": NOTICE, "significant": counts} | {
        field.name: [asdict(row) for row in getattr(report, field.name)] for field in fields(report)
    }
    write_file(out / "regions.json", (to_json_text(whole) + "\n").encode())
    body = [
        format_section(
            f"Affected and {unaffected}",
            f"Number of the {len(table.methods)} methods whose test is significant: p times the number of methods "
            f"below {PUBLISHED_LEVEL}, as published. The published number is of {COUNTED_METHODS} methods, for "
            "photographs of patients (Sümer et al. 2023, Table 3).",
            format_table(_tabulate_counts(counts)),
            *(
                embed_image(plot_boxes(table, method), f"Relevance by region and condition, {method}")
                for method in table.methods
            ),
            format_table(rows["affected.csv"]),
        ),
        format_section("Do conditions differ? (Kruskal and Wallis)", format_table(rows["conditions.csv"])),
        format_section(
            "Correlation with HPO terms (Spearman)",
            "Terms of a region against its relevance, over persons; mean and deviation over the folds. The "
            "published ones are of photographs of patients (Sümer et al. 2023, Table 4).",
            format_table(rows["correlations.csv"]),
        ),
        format_section(
            "Terms that tell conditions apart (chi-square)",
            embed_image(plot_persons(table.faces), "Persons by t-SNE of their terms") if report.terms else "",
            format_table(rows["terms.csv"]),
        ),
    ]
    write_file(out / "regions.html", render_html("Regions in the eyes of a classifier", NOTICE, body).encode())


def _tabulate(kind: type[Any], rows: Sequence[Any]) -> list[list[Any]]:
    """Tabulate dataclasses under their fields; an interval is a value and a text of its bounds."""
    lines: list[list[Any]] = [[field.name for field in fields(kind)]]
    for row in rows:
        cells = [getattr(row, field.name) for field in fields(kind)]
        lines.append([_format_interval(cell) if isinstance(cell, Interval) else cell for cell in cells])
    return lines


def _tabulate_correlations(correlations: Sequence[TermCorrelation]) -> list[list[Any]]:
    """Tabulate correlations beside the published ones."""
    head, *lines = _tabulate(TermCorrelation, correlations)
    known = (find_correlation(one.region, one.method) or (None, None) for one in correlations)
    return [
        [*head, "published_mean", "published_deviation"],
        *([*line, *pair] for line, pair in zip(lines, known, strict=True)),
    ]


def _tabulate_counts(counts: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    names = ("condition", "region", "significant", "methods", "published")
    return [[*names], *([count[name] for name in names] for count in counts)]


def _format_interval(interval: Interval) -> str:
    value, low, high = astuple(interval)
    return f"{value:.4g} ({low:.4g} to {high:.4g})"


def plot_boxes(table: RelevanceTable, method: str) -> bytes:
    """Plot the relevance of each region in the persons of each condition as boxes, as PNG."""
    values = table.average_persons().mean(axis=0)[:, table.methods.index(method)]
    conditions = np.array(table.conditions, dtype=object)
    names = list(dict.fromkeys(table.conditions))
    figure = Figure(figsize=(max(4.0, 1.5 * len(table.regions)), 2.6), dpi=110, layout="constrained", facecolor="white")
    axes = figure.subplots(1, len(table.regions), sharey=True, squeeze=False)[0]
    for column, (axis, region) in enumerate(zip(axes, table.regions, strict=True)):
        parts = [values[conditions == name, column] for name in names]
        axis.boxplot([part[~np.isnan(part)] for part in parts], widths=0.6, flierprops={"markersize": 2})
        axis.set_xticks(range(1, len(names) + 1), names, rotation=60, fontsize=7, ha="right", rotation_mode="anchor")
        axis.set_title(region, fontsize=8)
        axis.tick_params(axis="y", labelsize=7)
        hide_spines(axis)
    axes[0].set_ylabel(f"relevance, {method}", fontsize=7)
    return encode_figure(figure)


def plot_persons(faces: Sequence[Record]) -> bytes:
    """Plot the persons by t-SNE of their terms, coloured by condition, as PNG."""
    conditions, places = map_persons(faces)
    by_condition: Mapping[str, list[int]] = {
        name: [row for row, condition in enumerate(conditions) if condition == name]
        for name in dict.fromkeys(conditions)
    }
    figure = Figure(figsize=(5, 4), dpi=110, layout="constrained", facecolor="white")
    axis = figure.subplots()
    for name, rows in by_condition.items():
        axis.scatter(places[rows, 0], places[rows, 1], s=14, label=name)
    axis.legend(fontsize=7)
    axis.set_xticks([])
    axis.set_yticks([])
    return encode_figure(figure)
