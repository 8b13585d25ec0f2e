"""Phantoms some of whose regions look as they would without the condition, everything else kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, replace
from typing import Final

from faces.labels import UNAFFECTED
from faces.phantoms.drawn_terms import DRAWN_TERMS, OVERALL
from faces.phantoms.person import TRAITS, Phantom, phantom
from faces.phantoms.phenotype import draw_strengths
from faces.phantoms.regions import REGIONS
from faces.phantoms.signs import Signs

PARTS: Final = (*REGIONS, OVERALL)
"""Parts of a face that a condition changes: the regions, and what concerns the face as a whole."""

_ROUNDING: Final = 1e-9


def restore_parts(of: Phantom, parts: Collection[str]) -> Phantom:
    """Give parts of a phantom the traits and signs of the same person without a condition.

    Identity, looks, age, smile and all other parts are kept. What a term moves in other regions so that they stay in
    their place, such as the mouth under a short nose, belongs to the region of the term. An overall term, such as
    `Elfin facies`, is divided: what a term of one region moves alone belongs to that region, and the rest is overall.

    Args:
        parts: any of PARTS.
    """
    traits, signs = dict(of.traits), {field.name: getattr(of.signs, field.name) for field in fields(Signs)}
    for part, name, amount in list_changes(of):
        if part in parts:
            values = traits if name in traits else signs
            # A rounding error would draw a sign that is not there.
            values[name] = rest if abs(rest := values[name] - amount) > _ROUNDING else 0.0
    return replace(of, traits=traits, signs=Signs(**signs))


def list_changes(of: Phantom) -> Iterator[tuple[str, str, float]]:
    """Yield what the condition of a phantom changes: part, name of a trait or sign, and amount in its drawn unit."""
    if of.described_terms is None:
        without = phantom(UNAFFECTED, of.age_years, of.smile, of.identity).traits
        for name, value in of.traits.items():
            if value != without[name]:
                yield _PART_OF_AMOUNT.get(name, OVERALL), name, value - without[name]
        return
    strengths = draw_strengths(of.identity)
    for term_id in DRAWN_TERMS:
        if term_id in of.described_terms:
            term = DRAWN_TERMS[term_id]
            for name, amount in term.amounts.items():
                part = _PART_OF_AMOUNT.get(name, OVERALL) if term.region == OVERALL else term.region
                yield part, name, strengths[term_id] * amount


def _find_parts_of_amounts() -> Mapping[str, str]:
    """Find the region of each trait and sign that a term of one region moves alone, or that names the trait."""
    parts = {trait.name: DRAWN_TERMS[trait.more].region for trait in TRAITS}
    for term in DRAWN_TERMS.values():
        if len(term.amounts) == 1 and term.region != OVERALL:
            parts.setdefault(next(iter(term.amounts)), term.region)
    return parts


_PART_OF_AMOUNT: Final = _find_parts_of_amounts()
