"""Plots of eye tracking for the report, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from core.reports.figures import encode_figure, hide_spines, show_data_as_text

_ALL: Final = "all faces"
_COLOURS: Final = ("#4a5568", "#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#97266d", "#b7791f", "#0987a0")
_VARIANTS: Final = ("unedited", "reconstructed", "edited", "masked")
_SIGNIFICANT: Final = 0.05

Maps = Mapping[str, npt.NDArray[Any]]


@show_data_as_text()
def plot_area_differences(rows: Sequence[Mapping[str, Any]], measure: str, label: str) -> bytes:
    """Plot the difference of each area with its interval, one colour for each condition.

    Args:
        rows: `differences` of the results of gaze.
        measure: which of them to plot.
        label: of the axis.
    """
    chosen = [row for row in rows if row["measure"] == measure]
    areas = list(dict.fromkeys(row["area"] for row in chosen))
    conditions = list(dict.fromkeys(row["condition"] for row in chosen))
    step = 0.7 / len(conditions)
    height = 1.2 + len(areas) * (0.3 + 0.2 * len(conditions))
    figure = Figure(figsize=(7.5, height), dpi=110, layout="constrained", facecolor="white")
    axis = figure.subplots()
    for number, condition in enumerate(conditions):
        of_condition = [row for row in chosen if row["condition"] == condition]
        places = [areas.index(row["area"]) + (number - (len(conditions) - 1) / 2) * step for row in of_condition]
        values = np.array([[row["difference"], row["low"], row["high"]] for row in of_condition], dtype=np.float64)
        colour = _COLOURS[number % len(_COLOURS)]
        reach = np.abs(values[:, 1:].T - values[:, 0])
        axis.errorbar(
            values[:, 0], places, xerr=reach, fmt="s" if number == 0 else "o", color=colour, markersize=4.5,
            elinewidth=1.2, label=condition or _ALL,
        )  # fmt: skip
    axis.axvline(0, color="#a0aec0", linewidth=1)
    axis.set_yticks(range(len(areas)), areas)
    axis.set_ylim(len(areas) - 0.5, -0.5)
    axis.set_xlabel(label, fontsize=9)
    axis.tick_params(labelsize=9)
    hide_spines(axis)
    if len(conditions) > 1:
        figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return encode_figure(figure)


@show_data_as_text()
def plot_heat_maps(maps: Maps, clusters: Sequence[Mapping[str, Any]]) -> bytes:
    """Plot the mean heat map of each variant and their difference, one row for each condition.

    All maps have one scale, all differences another. Outlines are clusters with p < 0.05.

    Args:
        maps: `maps.npz` of the results of gaze: "variant/condition", "difference/condition", "clusters/condition".
        clusters: of the results, in the order of their numbers in the maps.
    """
    names = [name.partition("/")[::2] for name in maps]
    conditions = list(dict.fromkeys(condition for _, condition in names))
    present = {kind for kind, _ in names}
    kinds = [name for name in (*_VARIANTS, "difference") if name in present]
    size = (2.1 * len(kinds) + 0.9, 2.0 * len(conditions) + 0.5)
    figure = Figure(figsize=size, dpi=110, layout="constrained", facecolor="white")
    axes: Any = figure.subplots(len(conditions), len(kinds), squeeze=False)
    reach = max(
        (float(np.abs(array).max()) for name, array in maps.items() if name.startswith("difference/")), default=0
    )
    top = max(float(array.max()) for name, array in maps.items() if name.partition("/")[0] in _VARIANTS)
    for down, condition in enumerate(conditions):
        for across, kind in enumerate(kinds):
            axis = axes[down, across]
            axis.set_xticks([])
            axis.set_yticks([])
            if down == 0:
                axis.set_title("edited - reconstructed" if kind == "difference" else kind, fontsize=9)
            if across == 0:
                axis.set_ylabel(condition or _ALL, fontsize=9)
            if (array := maps.get(f"{kind}/{condition}")) is None:
                axis.axis("off")
            elif kind == "difference":
                axis.imshow(array, cmap="RdBu_r", vmin=-reach, vmax=reach)
                _outline(axis, maps[f"clusters/{condition}"], [c for c in clusters if c["condition"] == condition])
            else:
                axis.imshow(array, cmap="magma", vmin=0, vmax=top)
    return encode_figure(figure)


def _outline(axis: Any, labels: npt.NDArray[Any], clusters: Sequence[Mapping[str, Any]]) -> None:
    """Outline the clusters whose p is below 0.05."""
    for number, cluster in enumerate(clusters, 1):
        if cluster["p"] < _SIGNIFICANT:
            axis.contour(labels == number, [0.5], colors="black", linewidths=1)
