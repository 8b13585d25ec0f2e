"""Dwell time, first fixation and number of fixations in each area of interest, for each view of a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.gaze.areas import InterestArea
from studies.gaze.fixations import Fixations


@dataclass(frozen=True)
class AreaView:
    """Fixations of one participant in one area of one image.

    Attributes:
        participant: pseudonym.
        image: code of the image.
        area: name of the area.
        dwell_ms: sum of the durations of the fixations in the area; 0 if there is none.
        fixations: their number.
        first_ms: start of the first one after the image came; None if there is none.
        share: dwell_ms as a share of all fixations on the screen during the view; None if that is not known, or 0.
    """

    participant: str
    image: str
    area: str
    dwell_ms: float
    fixations: int
    first_ms: float | None
    share: float | None


def measure_areas(fixations: Fixations, areas: Sequence[InterestArea]) -> list[AreaView]:
    """Measure each area in each view of its image; a fixation may lie in several areas, or in none."""
    by_image: dict[str, list[InterestArea]] = defaultdict(list)
    for area in areas:
        by_image[area.image].append(area)
    order = np.argsort(fixations.view, kind="stable")
    bounds = np.searchsorted(fixations.view[order], np.arange(len(fixations.view_image) + 1))
    views = []
    for view, (person, image) in enumerate(zip(fixations.view_participant, fixations.view_image, strict=True)):
        rows = order[bounds[view] : bounds[view + 1]]
        x, y, duration = fixations.x[rows], fixations.y[rows], fixations.duration_ms[rows]
        total = float(duration.sum())
        for area in by_image[fixations.images[image]]:
            inside = (x >= area.left) & (x < area.right + 1) & (y >= area.top) & (y < area.bottom + 1)
            dwell = float(duration[inside].sum())
            views.append(
                AreaView(
                    participant=fixations.participants[person],
                    image=area.image,
                    area=area.area,
                    dwell_ms=dwell,
                    fixations=int(inside.sum()),
                    first_ms=float(fixations.start_ms[rows][inside].min()) if inside.any() else None,
                    share=dwell / total if total else None,
                )
            )
    return views
