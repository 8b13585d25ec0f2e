"""Plots of answers for the report, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from core.reports.figures import encode_figure, hide_spines, show_data_as_text

_BLUE: Final = "#2b6cb0"
_COLOURS: Final = ("#2b6cb0", "#c05621", "#2f855a")


@show_data_as_text()
def plot_accuracies(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Plot the accuracy of each group of answers with its interval.

    Args:
        rows: `accuracies` of the results.
    """
    labels = [", ".join(row["group"].values()) or "all answers" for row in rows]
    figure = Figure(figsize=(7.5, 0.9 + 0.28 * len(rows)), dpi=110, layout="constrained", facecolor="white")
    axis = figure.subplots()
    kinds = [len(row["group"]) for row in rows]
    for place, row in enumerate(rows):
        value, low, high = (row["accuracy"][name] for name in ("value", "low", "high"))
        colour = _COLOURS[min(len(row["group"]), 2)]
        axis.plot([low, high], [place, place], color=colour, linewidth=1.4)
        axis.plot(value, place, "o", color=colour, markersize=5)
    for place in (place for place in range(1, len(rows)) if kinds[place] != kinds[place - 1]):
        axis.axhline(place - 0.5, color="#e2e8f0", linewidth=1)
    _draw_share_axis(axis, labels, "right answers, 95 % interval")
    return encode_figure(figure)


@show_data_as_text()
def plot_confusions(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Plot the confusion of conditions of each variant, as shares of each true condition with counts.

    Args:
        rows: `confusions` of the results.
    """
    options = rows[0]["options"]
    size = (len(rows) * (0.75 * len(options) + 1.3), 0.62 * max(len(row["conditions"]) for row in rows) + 1.5)
    figure = Figure(figsize=size, dpi=110, layout="constrained", facecolor="white")
    axes: Any = figure.subplots(1, len(rows), squeeze=False)[0]
    for axis, row in zip(axes, rows, strict=True):
        counts = np.array(row["counts"], dtype=np.int64)
        shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (down, across), share in np.ndenumerate(shares):
            ink = "white" if share > 0.6 else "black"
            text = f"{share:.0%}\n{counts[down, across]}" if counts[down, across] else ""
            axis.text(across, down, text, ha="center", va="center", fontsize=7.5, color=ink)
        axis.set_xticks(range(len(options)), options, fontsize=8, rotation=30, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(row["conditions"])), row["conditions"], fontsize=8)
        axis.set_xlabel("answer", fontsize=9)
        axis.set_title(row["variant"] or "all pictures", fontsize=10)
    axes[0].set_ylabel("true condition", fontsize=9)
    return encode_figure(figure)


@show_data_as_text()
def plot_confidence(levels: Sequence[Mapping[str, Any]]) -> bytes:
    """Plot the accuracy at each level of confidence with its interval, above the number of answers.

    Args:
        levels: of the `confidence` of the results.
    """
    figure = Figure(figsize=(5.5, 3.4), dpi=110, layout="constrained", facecolor="white")
    axis = figure.subplots()
    places = range(len(levels))
    values = np.array([[level["accuracy"][name] for name in ("value", "low", "high")] for level in levels])
    axis.errorbar(
        places, values[:, 0], yerr=np.abs(values[:, 1:].T - values[:, 0]), fmt="o-", color=_BLUE, elinewidth=1.2
    )
    names = [
        f"{level['lowest']:g}" + ("" if level["lowest"] == level["highest"] else f" to {level['highest']:g}")
        for level in levels
    ]
    axis.set_xticks(places, [f"{name}\n{level['answers']} answers" for name, level in zip(names, levels, strict=True)])
    axis.set_ylim(0, 1.02)
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.set_xlabel("confidence", fontsize=9)
    axis.set_ylabel("right answers, 95 % interval", fontsize=9)
    axis.tick_params(labelsize=8.5)
    hide_spines(axis)
    return encode_figure(figure)


@show_data_as_text()
def plot_human_and_model(groups: Sequence[Mapping[str, Any]]) -> bytes:
    """Plot the accuracy of participants with its interval beside the classifier's, for each group of images.

    Args:
        groups: of `human_and_model` of the results.
    """
    labels = [", ".join(filter(None, (row["condition"], row["age_group"]))) or "all images" for row in groups]
    figure = Figure(figsize=(7.5, 1.1 + 0.3 * len(groups)), dpi=110, layout="constrained", facecolor="white")
    axis = figure.subplots()
    for place, row in enumerate(groups):
        human = row["human"]
        axis.plot([human["low"], human["high"]], [place, place], color=_BLUE, linewidth=1.4)
        axis.plot(human["value"], place, "o", color=_BLUE, label="participants" if not place else None)
        axis.plot(row["model"], place, "D", color=_COLOURS[1], label="classifier" if not place else None)
    _draw_share_axis(axis, labels, "right answers")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8.5)
    return encode_figure(figure)


def _draw_share_axis(axis: Axes, labels: Sequence[str], title: str) -> None:
    """Draw the axes of a plot that has a share from 0 to 1 in each of its lines, the first line at the top."""
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.set_xlim(0, 1.01)
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    axis.set_xlabel(title, fontsize=9)
    axis.tick_params(labelsize=8.5)
    axis.grid(axis="x", color="#e2e8f0")
    axis.set_axisbelow(True)
    hide_spines(axis)
