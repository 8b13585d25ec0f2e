"""One page of plots of an evaluation, as PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.reports.figures import show_data_as_text
from faces.contact_sheets import contact_sheet
from faces.images import Pixels
from faces.measures.reading_statistics import Accuracy
from gen.evaluation.report import NOTICE, TARGETS, GeneratorReport, oracle_line, values

_COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#97266d", "#4a5568")
_WIDTH, _ROW = 17.0, 4.1


@show_data_as_text()
def page(report: GeneratorReport) -> bytes:
    """Draw the whole report as a PNG about 1,900 pixels wide."""
    wide = max(2, len(report.figures))
    rows = [("targets", 1.15), ("confusions", 1.0), ("curves", 1.0), ("spread", 0.95), ("pairs", 1.05)]
    heights = [height for _, height in rows]
    figure = Figure(figsize=(_WIDTH, _ROW * sum(heights)), dpi=110, layout="constrained", facecolor="white")
    bands: Any = figure.subfigures(len(rows), 1, height_ratios=heights)
    figure.suptitle(_title(report), fontsize=12)
    _targets(bands[0], report)
    _confusions(bands[1], report, wide)
    _curves(bands[2], report)
    _spread(bands[3], report)
    _pairs(bands[4], report)
    figure.text(0.5, 0.0, NOTICE, ha="center", va="top", fontsize=11, color="#555555")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.3)
    return buffer.getvalue()


def _title(report: GeneratorReport) -> str:
    about = report.about
    lines = [
        f"Evaluation of {about['weights']['file']} ({about['weights']['sha256'][:12]}) on {about['data']['file']}",
        f"{about['options']['count']} images of each experiment and truncation, seed {about['seed']}",
        oracle_line(report),
    ]
    return "\n".join(lines)


def _targets(band: Any, report: GeneratorReport) -> None:
    left, right = band.subplots(1, 2, width_ratios=[1.25, 1])
    left.axis("off")
    columns = [values(figures) for figures in report.figures]
    lines, colours = [], []
    for name in columns[0]:
        if all(column[name] is None for column in columns):
            continue
        target = next((t for t in TARGETS if t.name == name), None)
        line, colour = [name], ["white"]
        for column, figures in zip(columns, report.figures, strict=True):
            value = column[name]
            held = target is not None and value is not None and figures.truncation in target.truncations
            line.append("–" if value is None or math.isnan(value) else f"{value:.3g}")
            colour.append("white" if not held else "#c6f6d5" if target and target.is_met(value or 0.0) else "#fed7d7")
        lines.append([*line, str(target) if target else ""])
        colours.append([*colour, "white"])
    head = ["", *(f"truncation {f.truncation:g}" for f in report.figures), "target"]
    widths = [0.52, *[0.32 / len(report.figures)] * len(report.figures), 0.13]
    drawn = left.table(lines, colours, colLabels=head, colWidths=widths, cellLoc="right", loc="upper center")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(9.5)
    drawn.scale(1, min(1.35, 24 / max(1, len(lines))))
    for (_, column), cell in drawn.get_celld().items():
        cell.set_edgecolor("#dddddd")
        if column == 0:
            cell.set_text_props(ha="left")
    right.axis("off")
    if report.samples:
        sheet = contact_sheet(
            report.samples,
            row_titles=report.sample_titles,
            column_titles=report.steps,
            tile=96 if report.steps else None,
        )
        right.imshow(sheet)
        right.set_title(f"one person a row, truncation {report.figures[0].truncation:g}", fontsize=10)


def _confusions(band: Any, report: GeneratorReport, wide: int) -> None:
    axes = np.atleast_1d(band.subplots(1, 2 * wide))
    plots: list[tuple[str, Accuracy | None, str]] = []
    for what in ("condition", "age_group"):
        for figures in report.figures:
            title = f"{what.replace('_', ' ')}, truncation {figures.truncation:g}"
            plots.append((title, getattr(figures.labelled, what), report.left_out.get(what.replace("_", " "), "")))
    for axis in axes[len(plots) :]:
        axis.axis("off")
    for axis, (title, accuracy, reason) in zip(axes, plots, strict=False):
        _confusion(axis, title, accuracy, reason)


def _confusion(axis: Axes, title: str, accuracy: Accuracy | None, reason: str) -> None:
    if accuracy is None:
        _nothing(axis, title, reason)
        return
    counts = np.array(accuracy.confusion, dtype=np.float64)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        if counts[row, column]:
            ink = "white" if share > 0.6 else "black"
            axis.text(column, row, f"{share:.0%}", ha="center", va="center", fontsize=8, color=ink)
    axis.set_xticks(range(len(accuracy.read)), _short(accuracy.read), fontsize=8, rotation=30, ha="right")
    axis.set_yticks(range(len(accuracy.asked)), _short(accuracy.asked), fontsize=8)
    axis.set_xlabel("read", fontsize=9)
    axis.set_ylabel("asked for", fontsize=9)
    axis.set_title(f"{title}: {accuracy.overall:.1%}", fontsize=10)


def _curves(band: Any, report: GeneratorReport) -> None:
    asked, steps, blend, curve = band.subplots(1, 4)
    names = _short(report.steps)
    _years(asked, "age read, by age group asked for", [f.labelled.years for f in report.figures], report, names)
    orders = [f.progressions.order for f in report.figures]
    _years(steps, "age read along progressions", [o.years if o else () for o in orders], report, names)
    title = "blends: probability of the first condition"
    if any(f.blends for f in report.figures):
        for figures, colour in zip(report.figures, _COLOURS, strict=False):
            if figures.blends:
                r = figures.blends.response
                label = f"truncation {figures.truncation:g}: rises for {r.rising:.0%}"
                blend.plot(r.weights, r.probability, "o-", color=colour, label=label)
        blend.plot([0, 1], [0, 1], ":", color="#aaaaaa")
        blend.set_xlabel("its weight in the label", fontsize=9)
        blend.set_ylim(0, 1)
        blend.legend(fontsize=8)
        blend.set_title(title, fontsize=10)
    else:
        _nothing(blend, title, report.left_out.get("blends", ""))
    title = "Fréchet distance over training"
    if report.curve:
        seen, distance = zip(*report.curve, strict=True)
        curve.plot(np.array(seen) / 1000, distance, "o-", color=_COLOURS[0], markersize=4)
        curve.set_xlabel("thousand images seen", fontsize=9)
        curve.set_yscale("log")
        curve.yaxis.set_major_formatter("{x:g}")
        curve.yaxis.set_minor_formatter("{x:g}")
        curve.set_title(title, fontsize=10)
    else:
        _nothing(curve, title, "no run with kept snapshots was named: --run")


def _years(
    axis: Axes, title: str, lines: Sequence[Sequence[Sequence[float]]], report: GeneratorReport, names: Sequence[str]
) -> None:
    if not any(lines):
        _nothing(axis, title, report.left_out.get("age group", ""))
        return
    for number, (years, figures) in enumerate(zip(lines, report.figures, strict=True)):
        low, middle, high = np.array(years).T
        x = np.arange(len(middle)) + 0.12 * (number - (len(lines) - 1) / 2)
        colour = _COLOURS[number % len(_COLOURS)]
        axis.errorbar(
            x, 1 + middle, [middle - low, high - middle], fmt="o", capsize=3, color=colour,
            label=f"truncation {figures.truncation:g}",
        )  # fmt: skip
    axis.set_yscale("log")
    ticks = [0, 1, 2, 5, 10, 20, 35, 60, 90]
    axis.set_yticks([1 + t for t in ticks], [str(t) for t in ticks], fontsize=8)
    axis.minorticks_off()
    axis.set_xticks(range(len(names)), names, fontsize=8, rotation=30, ha="right")
    axis.set_ylabel("years (median, 10 % to 90 %)", fontsize=9)
    axis.grid(axis="y", color="#eeeeee")
    axis.legend(fontsize=8)
    axis.set_title(title, fontsize=10)


def _spread(band: Any, report: GeneratorReport) -> None:
    axis = band.subplots()
    title = "spread of the identity within each condition and age, relative to real images"
    if not any(f.spread for f in report.figures):
        _nothing(axis, title, report.left_out.get("identity", ""))
        return
    width = 0.8 / len(report.figures)
    for number, figures in enumerate(report.figures):
        if figures.spread:
            x = np.arange(len(report.cells)) + width * (number - (len(report.figures) - 1) / 2)
            heights = [0 if math.isnan(ratio) else ratio for ratio in figures.spread.ratio]
            label = (
                f"truncation {figures.truncation:g}: mean {figures.spread.mean:.2f}, least {figures.spread.least:.2f}"
            )
            axis.bar(x, heights, width, color=_COLOURS[number % len(_COLOURS)], label=label)
    axis.axhline(1, color="#888888", linewidth=1)
    axis.axhline(0.7, color="#c53030", linewidth=1, linestyle="--", label="target at truncation 1")
    axis.set_xticks(range(len(report.cells)), report.cells, fontsize=8, rotation=30, ha="right")
    axis.legend(fontsize=8, ncols=3, loc="upper left")
    axis.set_ylim(0, 1.45)
    axis.set_title(title, fontsize=10)


def _pairs(band: Any, report: GeneratorReport) -> None:
    axis = band.subplots()
    axis.axis("off")
    if not report.pairs:
        return
    axis.imshow(pairs_sheet(report, tile=128))
    axis.set_title("generated images nearest to a training image, of all truncations", fontsize=10)


def pairs_sheet(report: GeneratorReport, *, tile: int | None = None) -> Pixels:
    """Draw the closest pairs: generated images above, each with its nearest training image below."""
    above, below = zip(*report.pairs, strict=True)
    return contact_sheet([above, below], row_titles=["generated", "nearest in\ntraining"], tile=tile)


def _nothing(axis: Axes, title: str, reason: str) -> None:
    axis.axis("off")
    axis.set_title(title, fontsize=10)
    axis.text(0.5, 0.5, f"not measured:\n{reason}", ha="center", va="center", fontsize=9, color="#777777", wrap=True)


def _short(names: Sequence[str]) -> list[str]:
    return [name.replace("_", " ") for name in names]
