"""Figures of a comparison: ROC curves, and the matrix of syndrome against syndrome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from core.reports.figures import encode_figure, hide_spines, show_data_as_text
from recognition.syndromes.cohorts.scores import Floats, trace_roc
from recognition.syndromes.comparison.comparison import Result
from recognition.syndromes.comparison.tasks import Answer

_COLUMNS: Final = 4
_OUTLINES: Final = (
    (0, 16, False),  # jaw
    (17, 21, False),  # brows
    (22, 26, False),
    (27, 30, False),  # nose
    (31, 35, False),
    (36, 41, True),  # eyes
    (42, 47, True),
    (48, 59, True),  # lips
    (60, 67, True),
)
"""First and last landmark of each line of a face, and whether it is closed."""
_GRID: Final = np.linspace(0, 1, 101)


@show_data_as_text()
def plot_curves(results: Sequence[Result]) -> bytes:
    """Plot the ROC curves of all models, one plot for each syndrome; each curve is the mean over the runs.

    Args:
        results: against controls, of one scheme.
    """
    syndromes, models = ([*dict.fromkeys(getattr(one, name) for one in results)] for name in ("syndrome", "model"))
    rows, columns = _arrange(len(syndromes))
    figure = Figure((2.9 * columns + 0.3, 2.9 * rows + 0.5), dpi=110, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axis, syndrome in zip(axes, syndromes, strict=False):
        axis.plot([0, 1], [0, 1], color="#cbd5e0", linewidth=1)
        for one in results:
            if one.syndrome == syndrome:
                colour = f"C{models.index(one.model)}"
                axis.plot([0, *_GRID], [0, *average_curve(one)], color=colour, label=one.model, linewidth=1.4)
        axis.set_title(syndrome, fontsize=10)
        axis.set_aspect("equal")
        hide_spines(axis)
    for axis in axes[len(syndromes) :]:
        axis.set_axis_off()
    figure.supxlabel("controls above the threshold (1 - specificity)", fontsize=9)
    figure.supylabel("patients above it (sensitivity)", fontsize=9)
    handles = {text: line for axis in axes for line, text in zip(*axis.get_legend_handles_labels(), strict=True)}
    width = min(len(handles), 2 * columns)
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=width, frameon=False)
    return encode_figure(figure)


def _arrange(plots: int) -> tuple[int, int]:
    """Return the numbers of rows and columns of several plots."""
    return -(-plots // _COLUMNS), min(plots, _COLUMNS)


def average_curve(result: Result) -> Floats:
    """Compute the mean sensitivity over the runs at 101 values of 1 - specificity, (101,)."""
    curves = [trace_roc(run.matching.labels, run.probabilities) for run in result.runs]
    each = [np.interp(_GRID, curve.false_positives, curve.true_positives) for curve in curves]
    return np.asarray(np.mean(each, axis=0))


@show_data_as_text()
def plot_distances(important: Mapping[str, Answer]) -> bytes:
    """Draw the most important distances of each syndrome on the mean face of its patients and controls.

    The wider the line, the more important is the distance.

    Args:
        important: syndrome -> answer to an `ImportanceTask`.
    """
    rows, columns = _arrange(len(important))
    figure = Figure((2.6 * columns, 2.9 * rows), dpi=110, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (syndrome, answer) in zip(axes, important.items(), strict=False):
        points, landmarks = np.array(answer["points"]), np.array(answer["landmarks"])
        for first, last, closed in _OUTLINES:
            line = [*range(first, last + 1), *[first] * closed]
            axis.plot(*landmarks[line].T, color="#718096", linewidth=1)
        axis.scatter(points[:, 0], points[:, 1], s=1.5, color="#cbd5e0", zorder=0)
        largest = max((distance["importance"] for distance in answer["distances"]), default=1.0)
        for distance in answer["distances"]:
            for pair in distance["points"]:
                width = 0.4 + 2.2 * distance["importance"] / largest
                axis.plot(*points[pair, :2].T, color="#c53030", linewidth=width, alpha=0.7)
        axis.set_title(syndrome, fontsize=10)
        axis.set_aspect("equal")
        axis.invert_yaxis()
    return encode_figure(figure)


@show_data_as_text()
def plot_matrix(syndromes: Sequence[str], areas: Mapping[tuple[str, str], tuple[float, int]], title: str) -> bytes:
    """Plot how well a model tells syndromes apart.

    Args:
        syndromes: rows and columns.
        areas: syndromes of row and column -> area under the curve, and number of pairs.
        title: above the plot.
    """
    side = 0.72 * len(syndromes)
    figure = Figure((side + 1.8, side + 1.2), dpi=110, layout="constrained")
    axis = figure.subplots()
    values = np.full((len(syndromes),) * 2, np.nan)
    for (first, second), (area, pairs) in areas.items():
        row, column = syndromes.index(first), syndromes.index(second)
        values[row, column] = area
        colour, text = "white" if area > 0.8 else "black", f"{area:.2f}\nn {pairs}"
        axis.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour)
    axis.imshow(values, vmin=0.5, vmax=1, cmap="Blues")
    axis.set_xticks(range(len(syndromes)), syndromes, rotation=60, ha="right", rotation_mode="anchor", fontsize=9)
    axis.set_yticks(range(len(syndromes)), syndromes, fontsize=9)
    axis.set_title(title, fontsize=10)
    return encode_figure(figure)
