"""Table of the figures of an evaluation, for the terminal."""

from __future__ import annotations

import math

from rich import box
from rich.table import Table

from gen.evaluation.report import TARGETS, GeneratorReport, Target, values


def figures_table(report: GeneratorReport) -> Table:
    """Return a table with a row for each figure, a column for each truncation, and the targets."""
    shown = Table(box=box.SIMPLE, pad_edge=False)
    shown.add_column("figure")
    for figures in report.figures:
        shown.add_column(f"truncation {figures.truncation:g}", justify="right")
    shown.add_column("target")
    columns = [values(figures) for figures in report.figures]
    for name in columns[0]:
        if all(column[name] is None for column in columns):
            continue
        target = next((t for t in TARGETS if t.name == name), None)
        cells = [
            _cell_text(column[name], target, f.truncation) for column, f in zip(columns, report.figures, strict=True)
        ]
        shown.add_row(name, *cells, _target_text(target))
    return shown


def _target_text(target: Target | None) -> str:
    if target is None:
        return ""
    return f"{target} at {' and '.join(f'{t:g}' for t in target.truncations)}"


def _cell_text(value: float | None, target: Target | None, truncation: float) -> str:
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:.4g}"
    if target is None or truncation not in target.truncations:
        return text
    return f"[green]{text}[/]" if target.is_met(value) else f"[red]{text} ✗[/]"
