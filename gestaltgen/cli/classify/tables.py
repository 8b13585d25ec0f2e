"""Tables of results in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from recognition.results.expression_probe import CHANGES, ProbeResult
from recognition.results.report import NOTICE, ClassifierReport
from recognition.statistics import Accuracy, Interval

_SIDE_BY_SIDE: Final = 3  # runs that fit side by side into 80 columns


def print_accuracies(console: Console, report: ClassifierReport) -> None:
    """Print the accuracy of each run, over all images and for each condition."""
    over_ages = {name: [a for a in rows if a.age_group is None] for name, rows in report.accuracies.items()}
    console.print((_tabulate_by_condition if len(over_ages) <= _SIDE_BY_SIDE else _tabulate_by_run)(report, over_ages))
    if any(rows[0].undecided for rows in over_ages.values()):
        console.print("undecided: no fold is as sure as --threshold asks for; counts as wrong")
    console.print(
        f"{report.images} images of {report.persons} persons; {report.sampling.level:.0%} intervals by person"
    )
    console.print(NOTICE)


def _tabulate_by_condition(report: ClassifierReport, over_ages: Mapping[str, Sequence[Accuracy]]) -> Table:
    """Make a table with a column for each of a few runs, with all intervals.

    Args:
        found: the report.
        over_ages: accuracies by run: of all images, and then of each condition that has some.
    """
    table = Table("accuracy in %", box=box.SIMPLE_HEAD)
    for name in over_ages:
        table.add_column(name, justify="right")
    whole, *conditions = zip(*over_ages.values(), strict=True)
    table.add_row("all images", *(_format_interval(a.accuracy) for a in whole))
    table.add_row("mean of conditions", *(_format_interval(value) for value in report.means.values()))
    for of_one in conditions:
        table.add_row(f"  {of_one[0].condition}", *(_format_interval(a.accuracy) for a in of_one))
    if any(a.undecided for a in whole):
        table.add_row("undecided", *(f"{100 * a.undecided / a.images:.1f}" for a in whole))
    table.add_row("calibration error", *(f"{c.error:.3f}" for c in report.calibrations.values()))
    return table


def _tabulate_by_run(report: ClassifierReport, over_ages: Mapping[str, Sequence[Accuracy]]) -> Table:
    """Make a table with a row for each of many runs; see `_tabulate_by_condition`."""
    (_, *conditions), *_ = over_ages.values()
    unsure = any(rows[0].undecided for rows in over_ages.values())
    table = Table("", box=box.SIMPLE_HEAD, pad_edge=False, title="accuracy in %", title_justify="left")
    for column in ("all", "mean", *(str(a.condition) for a in conditions), *(["undecided"] if unsure else [])):
        table.add_column(column, justify="right", no_wrap=True)
    for name, (whole, *parts) in over_ages.items():
        row = [f"{100 * whole.accuracy.value:.1f}", _format_interval(report.means[name])]
        row += [f"{100 * a.accuracy.value:.1f}" for a in parts]
        row += [f"{100 * whole.undecided / whole.images:.1f}"] if unsure else []
        table.add_row(name, *row)
    return table


def print_comparisons(console: Console, report: ClassifierReport) -> None:
    """Print a table for each run: how it differs from the baseline."""
    for name, comparisons in report.comparisons.items():
        title = f"{name}, against {report.baseline}"
        table = Table("condition", box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
        for column in ("images", "points of accuracy", "lost, won", "p perm.", "p McNemar"):
            table.add_column(column, justify="right", no_wrap=True)
        for c in comparisons:
            d = c.difference
            table.add_row(
                "all" if c.condition is None else f"  {c.condition}",
                str(c.images),
                f"{100 * d.value:+.1f} ({100 * d.low:+.0f} to {100 * d.high:+.0f})",
                f"{c.only_baseline}, {c.only_run}",
                f"{c.permutation_holm:.2g}",
                f"{c.mcnemar_holm:.2g}",
            )
        console.print(table)
    console.print("lost, won: images that the baseline or the run alone has right; p: after Holm's correction")


def print_effects(console: Console, result: ProbeResult) -> None:
    """Print a table for each run: how its probability of the true condition changes with the expression."""
    for run in dict.fromkeys(effect.run for effect in result.effects):
        of_run = [effect for effect in result.effects if effect.run == run]
        title = f"{run}: probability of the true condition"
        table = Table("condition", box=box.SIMPLE_HEAD, title=title, title_justify="left")
        table.add_column("change", no_wrap=True)
        for column in ("before", "moved by", "p"):
            table.add_column(column, justify="right", no_wrap=True)
        for condition in dict.fromkeys(effect.condition for effect in of_run):
            rows = [effect for effect in of_run if effect.condition == condition]
            for effect in rows:
                name = f"{condition} ({effect.faces})" if effect is rows[0] else ""
                table.add_row(
                    name, effect.change, f"{effect.before:.2f}", _format_change(effect.difference), _format_p(effect.p)
                )
            if (beyond := rows[-1].less_control) is not None:
                table.add_row("", "beyond the control", "", _format_change(beyond), _format_p(rows[-1].p_control))
        console.print(table)
    console.print("means with 95% intervals; p: permutation test, after Holm's correction over the conditions")
    console.print(f"beyond the control: of {list(CHANGES)[-1]}, less that of the first run")
    console.print(NOTICE)


def _format_change(moved: Interval) -> str:
    return f"{moved.value:+.2f} ({moved.low:+.2f} to {moved.high:+.2f})"


def _format_p(p: float | None) -> str:
    return "" if p is None else f"{p:.2g}"


def _format_interval(value: Interval) -> str:
    return f"{100 * value.value:.1f} ({100 * value.low:.0f}–{100 * value.high:.0f})"
