"""Plot of entries: speed relative to the published way, and milliseconds on a logarithmic axis."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.figure import Figure

from benchmarks.harness.entries import BenchmarkEntry
from benchmarks.harness.targets import NOTE, find_target

COLOURS: Final = {"published": "#8d99ae", "float32": "#1f77b4", "bfloat16": "#e07a1f", "float16": "#7b4ea3"}
OTHER: Final = "#3a9d6e"
"""Colour of other precisions."""

_BAR: Final = 0.36
_NEAR: Final = 0.06
"""Share of the axis: a ratio this close to its target is written beyond it."""


def plot_entries(path: Path, entries: Sequence[BenchmarkEntry]) -> None:
    """Write a PNG of the entries, in their order from the top; it appears whole or not at all."""
    matplotlib.use("Agg")
    shapes = list(dict.fromkeys((entry.name, entry.batch, entry.unit) for entry in entries))
    figure = Figure(figsize=(13, 1.8 + 0.42 * len(shapes)), layout="constrained")
    ratios, times = figure.subplots(1, 2, sharey=True)
    ratios.set_xlim(0, 1.12 * max(entry.ratio or 1 for entry in entries))
    for row, shape in enumerate(shapes):
        alike = [entry for entry in entries if (entry.name, entry.batch, entry.unit) == shape]
        for nth, entry in enumerate(alike):
            at = row + (nth - (len(alike) - 1) / 2) * _BAR
            _draw_ratio(ratios, at, entry, find_target(entry, entries))
            times.plot(1000 * entry.ours_s, at, "o", color=_choose_colour(entry), markersize=7)
            if entry.best_peer_s is not None:
                times.plot(1000 * entry.best_peer_s, at, "x", color=_choose_colour(entry), markersize=7)
        _draw_published(times, row, alike)
    ratios.set_yticks(range(len(shapes)), [_format_label(*shape) for shape in shapes], fontsize=11)
    ratios.set_ylim(len(shapes) - 0.4, -0.6)
    _finish_axes(ratios, times, entries)
    figure.legend(loc="outside lower center", ncols=6, frameon=False, fontsize=10)
    figure.suptitle(f"{_describe_machines(entries)}\n{NOTE}", fontsize=10, color="#444444")
    aside = path.with_name(f".{os.getpid()}.{path.name}")
    figure.savefig(aside, dpi=110)
    aside.replace(path)


def _describe_machines(entries: Sequence[BenchmarkEntry]) -> str:
    """Return a line for each machine, with the tasks that were measured on it if there are several."""
    machines: dict[str, dict[str, None]] = {}
    for entry in entries:
        machines.setdefault(entry.machine, {})[entry.name.partition("-")[0]] = None
    if len(machines) == 1:
        return next(iter(machines))
    return "\n".join(f"{', '.join(tasks)}: {machine}" for machine, tasks in machines.items())


def _draw_ratio(axes: Any, at: float, entry: BenchmarkEntry, target: float | None) -> None:
    if entry.ratio is None:
        return
    axes.barh(at, entry.ratio, height=_BAR * 0.92, color=_choose_colour(entry))
    beyond = (
        max(entry.ratio, target) if target and abs(target - entry.ratio) < _NEAR * axes.get_xlim()[1] else entry.ratio
    )
    axes.text(beyond, at, f" {entry.ratio:.1f}", va="center", fontsize=9)
    if target is not None:
        axes.plot([target] * 2, [at - _BAR / 2, at + _BAR / 2], color="black", linewidth=2.2)


def _draw_published(axes: Any, row: int, alike: Sequence[BenchmarkEntry]) -> None:
    published = alike[0].published_s
    slowest = max([entry.ours_s for entry in alike] + ([] if published is None else [published]))
    fastest = min([entry.ours_s for entry in alike] + ([] if published is None else [published]))
    axes.plot([1000 * fastest, 1000 * slowest], [row] * 2, color="#cccccc", linewidth=1.5, zorder=0)
    if published is not None:
        axes.plot(1000 * published, row, "D", color=COLOURS["published"], markersize=7)


def _finish_axes(ratios: Any, times: Any, entries: Sequence[BenchmarkEntry]) -> None:
    ratios.axvline(1, color=COLOURS["published"], linewidth=1.5)
    ratios.set_title("times faster than the published way (black: the target)", fontsize=11)
    times.set_xscale("log")
    times.set_title("milliseconds for an image, a step or a fit", fontsize=11)
    times.grid(axis="x", which="major", color="#e4e4e4")
    times.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for axes in (ratios, times):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    names = ["published", *dict.fromkeys(entry.precision for entry in entries if entry.precision in COLOURS)]
    names += ["ours, other"] if any(entry.precision not in COLOURS for entry in entries) else []
    for name in names:
        times.plot([], [], "D" if name == "published" else "o", color=COLOURS.get(name, OTHER), label=name)
    times.plot([], [], "x", color="#444444", linestyle="none", label="best peer")


def _choose_colour(entry: BenchmarkEntry) -> str:
    return COLOURS.get(entry.precision, OTHER)


def _format_label(name: str, batch: int, unit: str) -> str:
    return f"{name}, batch {batch}" if name.startswith(("generate", "inversion", "training")) else name
