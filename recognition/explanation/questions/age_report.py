"""Report on the comparison of ages: composite maps as pictures, the table of pairs, JSON and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from matplotlib.figure import Figure

from core.atomic_files import write_file
from core.csv_reports import format_csv
from core.json_text import to_json_text
from core.reports.figures import encode_figure
from core.reports.html_pages import embed_image, format_facts, format_section, format_table, render_html
from faces.images import Pixels
from recognition.explanation.questions.age_groups import AgePair, Maps
from recognition.images.image_stack import Stack

NOTICE: Final = (
    "A map shows what a classifier went by, not what is the matter with a person. It is no basis for a diagnosis."
)
FILES: Final = ("composites.png", "pairs.csv", "ages.json", "ages.html")
"""Files that `write_age_report` writes."""

_STRONG: Final = 99.5
"""Percentile of all composites at which a colour is full."""


@dataclass(frozen=True)
class Composite:
    """Mean face and mean map of the faces of one condition and age group.

    Attributes:
        face: uint8 (size, size, 3), the mean of the faces in grey.
        map: (size, size) float32, signed.
    """

    condition: str
    age_group: str
    faces: int
    face: Pixels
    map: Maps


def compose_groups(maps: Maps, stack: Stack, ages: Sequence[str]) -> tuple[Composite, ...]:
    """Compute the composite of each condition and age group that has faces."""
    composites = []
    for condition in stack.classes:
        for age in ages:
            rows = [row for row, one in enumerate(stack.samples) if (one.condition, one.age_group) == (condition, age)]
            if rows:
                grey = stack.pixels[rows].numpy().mean(axis=(0, 3))
                face = np.repeat(np.rint(grey).astype(np.uint8)[:, :, None], 3, axis=2)
                composites.append(Composite(condition, age, len(rows), face, maps[rows].mean(axis=0)))
    return tuple(composites)


def write_age_report(
    out: Path, composites: Sequence[Composite], pairs: Sequence[AgePair], about: Mapping[str, Any]
) -> None:
    """Write `FILES` into a folder.

    Args:
        about: facts of the measurement, as the embedding.
    """
    picture = plot_composites(composites)
    write_file(out / "composites.png", picture)
    write_file(out / "pairs.csv", format_csv(pairs).encode())
    whole = {"notice": NOTICE, "about": about, "pairs": [asdict(pair) for pair in pairs]}
    write_file(out / "ages.json", (to_json_text(whole) + "\n").encode())
    rows = [["rank", *(field.name for field in fields(AgePair))]]
    rows += [[rank, *astuple(pair)] for rank, pair in enumerate(pairs, 1)]  # type: ignore[list-item]
    body = [
        format_section(
            "Composite maps",
            embed_image(picture, "Composite occlusion maps by condition and age group"),
            "Red: covering this place lowers the logit of the true condition. Blue: it raises it. All maps have one "
            "scale and lie on the mean face of their group.",
        ),
        format_section(
            "Pairs of age groups",
            "Pairs that differ most come first. p is the share of random assignments of the persons to the two "
            "groups whose distance is as large or larger, the observed one counted as one of them: low if the groups "
            "differ. The published value is the share of smaller distances: high if they differ. Low and high are the "
            "95 % interval of the distance, by person.",
            format_table(rows),
        ),
        format_section("How it was measured", format_facts(about)),
    ]
    write_file(out / "ages.html", render_html("Ages in the eyes of a classifier", NOTICE, body).encode())


def plot_composites(composites: Sequence[Composite]) -> bytes:
    """Plot the composites, a row for each condition and a column for each age group, as PNG."""
    conditions = list(dict.fromkeys(one.condition for one in composites))
    ages = list(dict.fromkeys(one.age_group for one in composites))
    strong = max(float(np.percentile([np.abs(one.map) for one in composites], _STRONG)), 1e-12)
    figure = Figure(
        figsize=(1.9 * len(ages) + 1, 2.1 * len(conditions) + 0.4), dpi=110, layout="constrained", facecolor="white"
    )
    axes = figure.subplots(len(conditions), len(ages), squeeze=False)
    for axis in axes.ravel():
        axis.axis("off")
    for one in composites:
        axis = axes[conditions.index(one.condition), ages.index(one.age_group)]
        axis.imshow(paint_map(one.face, one.map, strong))
        axis.set_title(f"{one.condition}, {one.age_group}\n{one.faces} faces", fontsize=8)
    return encode_figure(figure)


def paint_map(face: Pixels, values: Maps, strong: float) -> Pixels:
    """Paint a signed map over a face: red where it is positive, blue where it is negative.

    Args:
        face: uint8 (h, w, 3).
        values: (h, w).
        strong: value of a full colour.
    """
    share = np.clip(np.abs(values) / strong, 0, 1)[:, :, None]
    colour = np.where(values[:, :, None] > 0, (200.0, 30.0, 30.0), (30.0, 70.0, 200.0))
    pale = 255 - 0.65 * (255 - face.astype(np.float64))
    painted = np.rint((1 - 0.85 * share) * pale + 0.85 * share * colour).astype(np.uint8)
    return np.asarray(cv2.resize(painted, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR), np.uint8)
