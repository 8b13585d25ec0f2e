"""Sections of the report about eye tracking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from core.reports.html_pages import embed_image, format_details, format_facts, format_section, format_table
from studies.report.gaze_plots import plot_area_differences, plot_heat_maps
from studies.report.number_formats import format_bounds, format_number, format_p

_MEASURES: Final = {
    "dwell_ms": "dwell time, ms",
    "share": "share of the fixation time",
    "fixations": "number of fixations",
    "first_ms": "time to the first fixation, ms",
}

Results = Mapping[str, Any]
Rows = list[list[Any]]
Plots = dict[str, bytes]


def render_gaze(gaze: Results, maps: Mapping[str, Any], plots: Plots) -> Iterator[Markup]:
    """Generate the sections, and add their plots.

    Args:
        gaze: gaze.json of `gestaltgen study gaze`.
        maps: its maps.npz; may be empty.
        plots: PNGs by name; those of the sections are added.
    """
    counts = {name: gaze[name] for name in ("participants", "images", "views")}
    excluded = [["views left out", "number"], *([name, count] for name, count in gaze["excluded"].items())]
    yield format_section(
        "Eye tracking",
        format_facts(counts | gaze["settings"]),
        format_table(excluded) if len(excluded) > 1 else "",
        *gaze["problems"],
    )
    if gaze["differences"]:
        images = []
        for measure, label in _MEASURES.items():
            if any(row["measure"] == measure for row in gaze["differences"]):
                name = f"gaze-{measure.replace('_', '-')}"
                plots[name] = plot_area_differences(
                    gaze["differences"], measure, f"{label}: edited minus reconstructed"
                )
                images.append(embed_image(plots[name], f"Difference in {label} by area"))
        yield format_section(
            "Areas of interest: edited minus reconstructed",
            "p takes participants and faces as random; the second p speaks of other participants who look at these "
            "faces; the published form is a t-test over single views, which ignores both.",
            *images,
            format_table(_tabulate_differences(gaze["differences"])),
        )
    if gaze["areas"]:
        yield format_section(
            "Areas of interest: means over participants",
            format_details("Means of each area, condition and variant", format_table(_tabulate_areas(gaze["areas"]))),
        )
    if maps:
        plots["heat-maps"] = plot_heat_maps(maps, gaze["clusters"])
        yield format_section(
            "Heat maps",
            "Share of the fixation time. In the differences, red is looked at more in edited pictures; outlines are "
            "clusters with p < 0.05.",
            embed_image(plots["heat-maps"], "Mean heat maps by condition and variant, and their difference"),
            format_table(_tabulate_clusters(gaze["clusters"])) if gaze["clusters"] else "",
        )
    if gaze["similarities"]:
        yield format_section(
            "Heat maps and saliency maps of the classifier",
            "The p asks whether a heat map is more similar to the saliency map of its own image than to those of "
            "others, whose mean similarity is shown too.",
            format_table(_tabulate_similarities(gaze["similarities"])),
        )


def _tabulate_differences(rows: Sequence[Results]) -> Rows:
    table: Rows = [
        ["measure", "area", "faces", "participants", "edited", "reconstructed", "difference (95 %)", "p", "Holm",
         "p, these faces", "published p", "remarks"]
    ]  # fmt: skip
    for row in rows:
        remarks = [] if row["adjusted"] else ["faces were seen in one variant only"]
        remarks += [f"{row['left_out']} views of faces in one variant left out"] if row["left_out"] else []
        means = (format_number(row[variant]) for variant in ("edited", "reconstructed"))
        difference = format_bounds(row["difference"], row["low"], row["high"])
        ps = (format_p(row[name]) for name in ("p_crossed", "holm", "p", "p_published"))
        names = (_MEASURES[row["measure"]], row["area"], row["condition"] or "all", row["participants"])
        table.append([*names, *means, difference, *ps, "; ".join(remarks)])
    return table


def _tabulate_areas(rows: Sequence[Results]) -> Rows:
    table: Rows = [["measure", "area", "faces", "pictures", "participants", "views", "mean (95 %)"]]
    for row in rows:
        names = (_MEASURES[row["measure"]], row["area"], row["condition"] or "all", row["variant"])
        mean = format_bounds(row["mean"], row["low"], row["high"])
        table.append([*names, row["participants"], row["views"], mean])
    return table


def _tabulate_clusters(rows: Sequence[Results]) -> Rows:
    table: Rows = [["faces", "participants", "looked at", "cells", "centre (row, column)", "mass", "p"]]
    for row in rows:
        more = "more" if row["sign"] > 0 else "less"
        centre = f"{row['row']:.0f}, {row['column']:.0f}"
        table.append(
            [
                row["condition"] or "all",
                row["participants"],
                more,
                row["cells"],
                centre,
                row["mass"],
                format_p(row["p"]),
            ]
        )
    return table


def _tabulate_similarities(rows: Sequence[Results]) -> Rows:
    table: Rows = [["measure", "images", "mean (95 %)", "of different images", "p"]]
    for row in rows:
        name = row["measure"] if row["share"] is None else f"{row['measure']}, highest {row['share']:.0%} of the cells"
        mean = format_bounds(row["mean"], row["low"], row["high"])
        table.append([name, row["images"], mean, row["mismatched"], format_p(row["p"])])
    return table
