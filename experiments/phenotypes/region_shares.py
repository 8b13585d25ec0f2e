"""Share of the change of a picture by an HPO term that lies in the region of the term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faces.phantoms.drawing import draw_phantom
from faces.phantoms.drawn_terms import DRAWN_TERMS, OVERALL
from faces.phantoms.phenotype import describe_phantom
from faces.phantoms.regions import locate_regions


@dataclass(frozen=True)
class Change:
    """Change of pictures by one term.

    Attributes:
        share: part of the squared change that lies in the term's region, before or after; None for an overall term.
        largest: median over persons of the largest change of a pixel, in levels of 255.
    """

    share: float | None
    largest: float


def measure_changes(terms: Sequence[str], ages_years: Sequence[float], side: int) -> dict[str, Change]:
    """Measure what each term alone changes in a smiling person of each age."""
    without = [describe_phantom([], age, 0.9, identity) for identity, age in enumerate(ages_years)]
    before = [(draw_phantom(of, side).image.astype(float), locate_regions(of, side)) for of in without]
    changes = {}
    for term in terms:
        region, inside, everywhere, largest = DRAWN_TERMS[term].region, 0.0, 0.0, []
        for of, (image, regions) in zip(without, before, strict=True):
            described = describe_phantom([term], of.age_years, of.smile, of.identity)
            change = ((draw_phantom(described, side).image - image) ** 2).sum(axis=2)
            everywhere += change.sum()
            largest.append(np.sqrt(change.max() / 3))
            if region != OVERALL:
                inside += change[regions[region] | locate_regions(described, side)[region]].sum()
        changes[term] = Change(None if region == OVERALL else float(inside / everywhere), float(np.median(largest)))
    return changes
