"""Page of a leakage audit: verdict, tables, distributions of distances and ROC curves, in one HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from core.reports.figures import encode_figure, hide_spines
from core.reports.html_pages import embed_image, format_details, format_facts, format_section, format_table, render_html
from faces.contact_sheets import contact_sheet
from faces.images import Pixels
from gen.evaluation.audit.membership import Scores
from gen.evaluation.audit.report import NOTICE, AuditReport, describe_verdict
from gen.evaluation.audit.tables import list_attacks, list_closeness, list_extraction

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def render_page(report: AuditReport) -> str:
    """Render the report without pictures of people."""
    plots = embed_image(draw_plots(report), "Distances to the nearest training person, and ROC curves of the attacks")
    left_out = (f"Not done: {name}: {reason}." for name, reason in report.left_out.items())
    body = [
        format_section("Verdict", describe_verdict(report)),
        format_section("Membership attacks", format_table(list_attacks(report))),
        format_section("Nearest training person of each image", format_table(list_closeness(report))),
        format_section("Extraction", format_table(list_extraction(report)), *left_out),
        format_section("Distributions", plots),
        format_details("How it was made", format_facts(report.about)),
    ]
    return render_html("Leakage audit of a generator", NOTICE, body)


def draw_plots(report: AuditReport) -> bytes:
    """Draw the distances by each measure, and the ROC curves, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * (len(report.distances) + 1), 3.6), dpi=110, layout="constrained", facecolor="white")
    axes = figure.subplots(1, len(report.distances) + 1)
    for axis, (measure, (images, unseen)) in zip(axes, report.distances.items(), strict=False):
        for distance, label in ((images, "generated images"), (unseen, "unseen people")):
            axis.hist(distance[np.isfinite(distance)], bins=40, density=True, histtype="step", label=label)
        axis.set_xlabel(f"distance to the nearest training person, {measure}", fontsize=8)
        axis.set_yticks([])
        axis.legend(fontsize=7)
        hide_spines(axis)
    _draw_roc(axes[-1], report.scores)
    return encode_figure(figure)


def draw_pairs(pairs: tuple[tuple[Pixels, Pixels], ...]) -> Pixels:
    """Draw generated images above, and below each the nearest training person: this picture shows training people."""
    above, below = zip(*pairs, strict=True)
    return contact_sheet(
        [above, below],
        row_titles=["generated", "nearest\ntraining person"],
        footer="The lower row shows people of the training data. Protect this picture as you protect them.",
    )


def _draw_roc(axis: Axes, scores: Mapping[str, Scores]) -> None:
    for name, kind in scores.items():
        members, unseen = (values[np.isfinite(values)] for values in (kind.members, kind.unseen))
        thresholds = np.sort(np.concatenate([members, unseen]))[::-1]
        found, false = (
            1 - np.searchsorted(np.sort(values), thresholds, "left") / len(values) for values in (members, unseen)
        )
        axis.plot(false, found, linewidth=1, label=name)
    axis.plot([1e-4, 1], [1e-4, 1], color="#888888", linewidth=0.8)
    axis.set(xscale="log", yscale="log", xlim=(1e-3, 1), ylim=(1e-3, 1.05))
    axis.set_xlabel("unseen people called members", fontsize=8)
    axis.set_ylabel("members found", fontsize=8)
    axis.legend(fontsize=6)
    hide_spines(axis)
