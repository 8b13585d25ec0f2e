"""Report on gains against the number of synthetic images: dose.json, dose.csv, curve.png and dose.html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from core.atomic_files import write_file
from core.json_text import to_json_text
from core.reports.figures import encode_figure, hide_spines, show_data_as_text
from core.reports.html_pages import embed_image, format_csv, format_facts, format_section, format_table, render_html
from recognition.results.dose_curve import CurvePoint, Recommendation, format_points
from recognition.results.report import NOTICE
from recognition.statistics import Interval

JSON: Final = "dose.json"
TABLE: Final = "dose.csv"
CURVE: Final = "curve.png"
PAGE: Final = "dose.html"

_COLOURS: Final = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1")
_EXPLANATION: Final = (
    "The gain is the mean accuracy over the conditions less that of real faces alone, in points, with the 95 % "
    "interval by test person. Small dots are single seeds: they show how much classifiers differ by chance, which the "
    "interval does not include. Every size is trained for the same number of steps."
)


@dataclass(frozen=True)
class DoseReport:
    """Curve and recommendation.

    Attributes:
        real: accuracy of real faces alone, the mean over the conditions.
        points: sizes that were measured, by kind and in ascending order.
        recommendation: the size to take.
        stopped: for each kind, the size from which on more did not help; a kind that never stopped is missing.
        about: facts about the measurement, as JSON can hold them.
    """

    real: Interval
    points: Sequence[CurvePoint]
    recommendation: Recommendation
    stopped: Mapping[str, float]
    about: Mapping[str, Any]


def write_dose_report(report: DoseReport, out: Path) -> None:
    """Write the four files into a folder; the same report gives the same files."""
    curve, rows = plot_gains(report.points), tabulate_points(report.points)
    write_file(out / JSON, (to_json_text(asdict(report)) + "\n").encode())
    write_file(out / TABLE, format_csv(rows).encode())
    write_file(out / CURVE, curve)
    real = report.real
    stops = [f"{kind}: more did not help at {times:g} times the real faces." for kind, times in report.stopped.items()]
    parts = [
        format_section("Recommendation", report.recommendation.reason, *stops),
        format_section(
            "Gain by number of images",
            embed_image(curve, "Gain against the number of synthetic images"),
            _EXPLANATION,
            f"Real faces alone reach {real.value:.1%} ({real.low:.1%} to {real.high:.1%}).",
            format_table(_show_points(report.points)),
        ),
        format_section("How it was made", format_facts(report.about)),
    ]
    write_file(out / PAGE, render_html("How many synthetic images help", NOTICE, parts).encode())


@show_data_as_text()
def plot_gains(points: Sequence[CurvePoint]) -> bytes:
    """Plot the gain of each kind against the number of images over that of real faces, with intervals; returns PNG."""
    figure = Figure(figsize=(7.5, 4.6), dpi=110, layout="constrained", facecolor="white")
    axis: Any = figure.subplots()
    kinds = list(dict.fromkeys(point.kind for point in points))
    for number, kind in enumerate(kinds):
        of_kind = [point for point in points if point.kind == kind]
        colour = _COLOURS[number % len(_COLOURS)]
        # Kinds stand beside each other, so that their intervals do not hide each other.
        places = [point.times_real * 1.05 ** (number - (len(kinds) - 1) / 2) for point in of_kind]
        gains = [100 * point.gain.value for point in of_kind]
        below = [100 * (point.gain.value - point.gain.low) for point in of_kind]
        above = [100 * (point.gain.high - point.gain.value) for point in of_kind]
        axis.errorbar(places, gains, yerr=[below, above], fmt="o-", color=colour, capsize=3, label=kind)
        for place, point in zip(places, of_kind, strict=True):
            seeds = [100 * gain for gain in point.seed_gains]
            axis.scatter([place] * len(seeds), seeds, s=9, color=colour, alpha=0.45, linewidths=0)
    ticks = sorted({point.times_real for point in points})
    axis.set_xscale("log", base=2)
    axis.set_xticks(ticks, [f"{times:g}" for times in ticks])
    axis.minorticks_off()
    axis.axhline(0, color="#4a5568", linewidth=1)
    axis.set_xlabel("synthetic images over real faces")
    axis.set_ylabel("points more than real faces alone")
    axis.grid(axis="y", color="#e2e8f0")
    axis.legend(frameon=False)
    hide_spines(axis)
    return encode_figure(figure)


def tabulate_points(points: Sequence[CurvePoint]) -> list[list[Any]]:
    """Tabulate the sizes with numbers in [-1, 1], for a file; the first row is the header."""
    head = [
        "kind",
        "times_real",
        "images",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "gain",
        "gain_low",
        "gain_high",
    ]
    rows: list[list[Any]] = [[*head, "lowest_seed_gain", "highest_seed_gain", "choosing_gain", "confirming_gain"]]
    for point in points:
        numbers = [value for one in (point.accuracy, point.gain) for value in (one.value, one.low, one.high)]
        seeds = (min(point.seed_gains), max(point.seed_gains))
        halves = (point.choosing_gain, point.confirming_gain.value)
        rows.append([point.kind, point.times_real, point.images, *numbers, *seeds, *halves])
    return rows


def _show_points(points: Sequence[CurvePoint]) -> list[list[str]]:
    rows = [["kind", "times the real faces", "images", "mean of conditions", "gain in points", "single seeds"]]
    for point in points:
        accuracy, seeds = point.accuracy, [f"{100 * gain:+.1f}" for gain in point.seed_gains]
        rows.append(
            [
                point.kind,
                f"{point.times_real:g}",
                f"{point.images:.0f}",
                f"{accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%})",
                format_points(point.gain),
                ", ".join(seeds),
            ]
        )
    return rows
