"""Plots of the results of classifiers on one test set, as PNG."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from core.reports.figures import encode_figure, hide_spines, show_data_as_text
from recognition.statistics import Accuracy, Calibration, Comparison, Interval

_COLOURS: Final = ("#4a5568", "#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#97266d", "#b7791f", "#0987a0")
_MARKERS: Final = ("o", "s", "D", "^", "v", "P", "X", "*")
_GRID: Final = "#e2e8f0"
_WIDE: Final = 4  # small plots in a row
_SIGNIFICANT: Final = 0.05


@show_data_as_text()
def plot_accuracies(
    runs: Mapping[str, Sequence[Accuracy]], means: Mapping[str, Interval], classes: Sequence[str], level: float
) -> bytes:
    """Plot the accuracy of each run with its interval, over all, by condition and by age group; returns PNG.

    Args:
        found: run -> rows of `recognition.statistics.measure_accuracies`.
        means: run -> mean over the conditions.
        classes: the conditions in order.
        level: level of the intervals.
    """
    first = next(iter(runs.values()))
    rows = {(row.condition, row.age_group): row for row in first}
    conditions = [name for name in classes if (name, None) in rows]
    ages = [row.age_group for row in first if row.condition is None and row.age_group is not None]
    left: list[tuple[str, list[Interval]]] = []
    for condition in (None, *conditions):
        left.append(
            (_format_tick(condition or "all images", rows[condition, None]), _select_column(runs, condition, None))
        )
    left.insert(1, ("mean of\nconditions", list(means.values())))
    right = [(_format_tick(age, rows[None, age]), _select_column(runs, None, age)) for age in ages]
    width = 1.5 + 1.25 * (len(left) + len(right)) + 0.09 * len(runs) * (len(left) + len(right))
    figure = Figure(figsize=(min(17.0, max(9.0, width)), 4.8), dpi=110, layout="constrained", facecolor="white")
    axes: Any = figure.subplots(1, 2, sharey=True, width_ratios=[len(left), len(right)])
    lowest = min(interval.low for _, intervals in [*left, *right] for interval in intervals)
    for axis, title, columns in zip(axes, ("by condition", "by age group"), (left, right), strict=True):
        _draw_intervals(axis, columns, list(runs))
        axis.set_title(title, fontsize=11)
        axis.axhline(1 / len(classes), color="#a0aec0", linestyle=":", linewidth=1)
    bottom = max(0.0, math.floor(lowest * 10) / 10 - 0.02)
    axes[0].set_ylim(bottom, 1.02)
    axes[0].yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
    axes[0].set_ylabel(f"accuracy, {level:.0%} interval by person")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(runs), 4), frameon=False, fontsize=9)
    return encode_figure(figure)


@show_data_as_text()
def plot_cells(runs: Mapping[str, Sequence[Accuracy]], classes: Sequence[str]) -> bytes:
    """Plot the accuracy of each run by condition and age group, with counts; cells without images stay empty.

    Arguments as of `accuracy_plot`.
    """
    first = next(iter(runs.values()))
    ages = [row.age_group for row in first if row.condition is None and row.age_group is not None]
    figure, axes = _make_small_multiples(len(runs), 0.8 * len(ages) + 1.6, 0.62 * len(classes) + 1.4)
    for axis, (name, rows) in zip(axes, runs.items(), strict=False):
        by_cell = {(row.condition, row.age_group): row for row in rows}
        grid = np.full((len(classes), len(ages)), math.nan)
        for (down, condition), (across, age) in ((d, a) for d in enumerate(classes) for a in enumerate(ages)):
            if (row := by_cell.get((condition, age))) is not None:
                grid[down, across] = row.accuracy.value
                ink = "white" if row.accuracy.value > 0.65 else "black"
                text = f"{row.accuracy.value:.0%}\n{row.correct}/{row.images}"
                axis.text(across, down, text, ha="center", va="center", fontsize=7.5, color=ink)
        axis.imshow(grid, cmap="Greens", vmin=0, vmax=1, aspect="auto")
        _draw_ticks(axis, [_wrap_words(age) for age in ages], [_wrap_words(name) for name in classes])
        axis.set_title(_wrap_title(name), fontsize=10)
    return encode_figure(figure)


@show_data_as_text()
def plot_confusions(matrices: Mapping[str, np.ndarray[Any, np.dtype[np.int64]]], classes: Sequence[str]) -> bytes:
    """Plot confusion matrices, each row as shares of a true class with counts.

    Args:
        matrices: counts (k, k + 1) of `recognition.statistics.count_confusions` by run; the column of undecided images
            is shown if a run has any.
        classes: the conditions in order.
    """
    undecided = any(matrix[:, -1].any() for matrix in matrices.values())
    columns = [_wrap_words(name) for name in classes] + (["undecided"] if undecided else [])
    figure, axes = _make_small_multiples(len(matrices), 0.8 * len(columns) + 1.5, 0.7 * len(classes) + 1.7)
    for axis, (name, matrix) in zip(axes, matrices.items(), strict=False):
        counts = matrix[:, : len(columns)]
        shares = counts / matrix.sum(axis=1, keepdims=True).clip(min=1)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            if counts[row, column]:
                ink = "white" if share > 0.6 else "black"
                text = f"{share:.0%}\n{counts[row, column]}"
                axis.text(column, row, text, ha="center", va="center", fontsize=7.5, color=ink)
        _draw_ticks(axis, columns, [_wrap_words(known) for known in classes])
        axis.set_xlabel("said", fontsize=9)
        axis.set_ylabel("true", fontsize=9)
        axis.set_title(_wrap_title(name), fontsize=10)
    return encode_figure(figure)


@show_data_as_text()
def plot_reliability(runs: Mapping[str, Calibration]) -> bytes:
    """Plot the reliability curve of each run above the share of images at each confidence."""
    figure, axes = _make_small_multiples(len(runs), 3.4, 3.5)
    for axis, (name, measured) in zip(axes, runs.items(), strict=False):
        filled = [b for b in measured.bins if b.images]
        total = sum(b.images for b in filled)
        for b in filled:
            axis.bar(
                (b.low + b.high) / 2, b.images / total, width=0.92 * (b.high - b.low), color="#cbd5e0", zorder=1,
                label="share of images" if b is filled[0] else None,
            )  # fmt: skip
        axis.plot([0, 1], [0, 1], "--", color="#a0aec0", linewidth=1, zorder=2)
        confidence, accuracy = [b.confidence for b in filled], [b.accuracy for b in filled]
        axis.plot(confidence, accuracy, "-", color=_COLOURS[1], linewidth=1.5, zorder=3)
        sizes = [12 + 90 * math.sqrt(b.images / total) for b in filled]
        axis.scatter(confidence, accuracy, sizes, color=_COLOURS[1], zorder=4, label="accuracy")
        axis.set_xlim(0, 1.02)
        axis.set_ylim(0, 1.04)
        axis.set_xlabel("largest probability", fontsize=9)
        axis.set_ylabel("share right", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.set_title(f"{_wrap_title(name)}\ncalibration error {measured.error:.3f}", fontsize=10)
        axis.set_axisbelow(True)
        axis.grid(color=_GRID)
        hide_spines(axis)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return encode_figure(figure)


@show_data_as_text()
def plot_differences(runs: Mapping[str, Sequence[Comparison]], baseline: str, level: float) -> bytes:
    """Plot the difference of accuracy to a baseline with its interval, over all images and for each condition.

    A filled mark means that p of the permutation test by person is below 0.05 after Holm's correction.

    Args:
        found: run -> comparisons of `recognition.statistics.compare_all`.
        baseline: name of the run that all are compared to.
    """
    conditions = [comparison.condition for comparison in next(iter(runs.values()))]
    height = 1.7 + 0.42 * len(runs)
    size = (min(17.0, 2.6 + 2.5 * len(conditions)), height)
    figure = Figure(figsize=size, dpi=110, layout="constrained", facecolor="white")
    axes: Any = np.atleast_1d(figure.subplots(1, len(conditions), sharey=True))
    ends = [end for rows in runs.values() for c in rows for end in (c.difference.low, c.difference.high)]
    reach = 1.08 * max(1.0, *(abs(100 * end) for end in ends))  # one scale for all, or small effects look large
    for column, (axis, condition) in enumerate(zip(axes, conditions, strict=True)):
        axis.axvline(0, color="#4a5568", linewidth=1)
        for place, comparisons in enumerate(runs.values()):
            one = comparisons[column]
            value, low, high = (100 * x for x in (one.difference.value, one.difference.low, one.difference.high))
            sure = one.permutation_holm < _SIGNIFICANT
            colour = "#718096" if not sure else "#2f855a" if value > 0 else "#c53030"
            axis.errorbar(
                value, place, xerr=[[max(0.0, value - low)], [max(0.0, high - value)]], fmt="o", color=colour,
                markerfacecolor=colour if sure else "white", capsize=3, markersize=6,
            )  # fmt: skip
        first = next(iter(runs.values()))[column]
        axis.set_title(
            f"{_wrap_words(condition or 'all images')}\n{first.images} of {first.persons} persons", fontsize=10
        )
        axis.set_xlim(-reach, reach)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda points, _: f"{points:+.0f}" if points else "0"))
        axis.tick_params(labelsize=9)
        axis.grid(axis="x", color=_GRID)
        axis.set_axisbelow(True)
        hide_spines(axis)
    axes[0].set_yticks(range(len(runs)), [_wrap_title(name) for name in runs], fontsize=9)
    axes[0].set_ylim(len(runs) - 0.5, -0.5)
    figure.supxlabel(
        f"percentage points of accuracy more than {baseline}, {level:.0%} interval by person; "
        f"filled: p < {_SIGNIFICANT} after Holm's correction",
        fontsize=9,
    )
    return encode_figure(figure)


def _select_column(runs: Mapping[str, Sequence[Accuracy]], condition: str | None, age: str | None) -> list[Interval]:
    return [
        row.accuracy for rows in runs.values() for row in rows if (row.condition, row.age_group) == (condition, age)
    ]


def _draw_intervals(axis: Axes, columns: Sequence[tuple[str, Sequence[Interval]]], names: Sequence[str]) -> None:
    step = min(0.14, 0.72 / len(names))
    for number, name in enumerate(names):
        places = np.arange(len(columns)) + step * (number - (len(names) - 1) / 2)
        values = np.array([[i[number].value, i[number].low, i[number].high] for _, i in columns])
        below, above = (values[:, 0] - values[:, 1]).clip(min=0), (values[:, 2] - values[:, 0]).clip(min=0)
        axis.errorbar(
            places, values[:, 0], yerr=[below, above], fmt=_MARKERS[number % len(_MARKERS)], markersize=5,
            color=_COLOURS[number % len(_COLOURS)], capsize=2.5, linewidth=1.3, label=name,
        )  # fmt: skip
    for place in range(1, len(columns)):
        axis.axvline(place - 0.5, color=_GRID, linewidth=1)
    axis.set_xticks(range(len(columns)), [label for label, _ in columns], fontsize=8.5)
    axis.set_xlim(-0.5, len(columns) - 0.5)
    axis.grid(axis="y", color=_GRID)
    axis.set_axisbelow(True)
    axis.tick_params(axis="x", length=0)
    hide_spines(axis)


def _make_small_multiples(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Make a figure of `count` plots of the given size in inches, at most `_WIDE` in a row."""
    across = min(count, _WIDE)
    down = math.ceil(count / across)
    scale = min(1.0, 17.0 / (width * across))
    figure = Figure(figsize=(scale * width * across, height * down), dpi=110, layout="constrained", facecolor="white")
    axes: list[Axes] = list(np.atleast_1d(np.array(figure.subplots(down, across))).ravel())
    for axis in axes[count:]:
        axis.axis("off")
    return figure, axes[:count]


def _draw_ticks(axis: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    axis.set_xticks(range(len(columns)), columns, fontsize=8, rotation=30, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(rows)), rows, fontsize=8)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_color("#cbd5e0")


def _format_tick(name: str, row: Accuracy) -> str:
    return f"{_wrap_words(name)}\n{row.images} of\n{row.persons} persons"


def _wrap_words(name: str) -> str:
    return textwrap.fill(name.replace("_", " "), 14)


def _wrap_title(name: str) -> str:
    return textwrap.fill(name, 30)
