"""Figures with their targets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """A figure that was measured.

    Attributes:
        what: name of the figure.
        measured: its value.
        target: its target; empty if there is none.
        met: True if the target is met; None if there is none.
    """

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


def expect_at_least(what: str, value: float, target: float, form: str) -> Figure:
    """Make a figure whose target is a lower bound."""
    return Figure(what, form.format(value), f">= {form.format(target)}", value >= target)


def expect_at_most(what: str, value: float, target: float, form: str) -> Figure:
    """Make a figure whose target is an upper bound."""
    return Figure(what, form.format(value), f"<= {form.format(target)}", value <= target)


def expect_none(what: str, count: int) -> Figure:
    """Make a figure of a count that should be 0."""
    return Figure(what, str(count), "0", count == 0)


def tabulate_figures(title: str, figures: Iterable[Figure]) -> Table:
    """Make a table of figures beside their targets; it grows as they are measured."""
    table = Table("", "measured", "target", "", title=title, title_justify="left", box=None)
    for figure in figures:
        mark = "" if figure.met is None else "[green]met[/]" if figure.met else "[red]missed[/]"
        table.add_row(figure.what, figure.measured, figure.target, mark)
    return table
