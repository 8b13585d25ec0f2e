"""Phantoms described by HPO terms: the terms of a person, drawn by their frequency, and the face that shows them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from core.errors import LabelError
from faces.conditions.catalogue import FacialTerm
from faces.conditions.terms import find_term
from faces.labels import UNAFFECTED
from faces.phantoms.drawn_terms import DRAWN_TERMS, OPPOSITES, add_amounts
from faces.phantoms.hair import UNCOVERING_STYLES
from faces.phantoms.person import AVERAGE_LOOKS, TRAITS, Looks, Phantom, phantom

UNKNOWN_FREQUENCY: Final = 0.5
"""Frequency at which a term is drawn whose frequency the catalogue does not know."""

TEETH_SMILE: Final = 0.6
"""Smile from which on the teeth are seen well enough to tell their shape."""

_ABNORMAL: Final = 2.0
"""Standard deviations from the mean at which HPO calls a measure abnormal."""

_OWN_VARIATION: Final = 0.5
"""Part of the population's deviation by which traits vary in described phantoms, so that a term is there or not."""

_COLOURS: Final = ("HP:0001010", "HP:0007730", "HP:0002286")
"""Terms of light colours. Phantoms of the default conditions have all colours without being abnormal."""

_STRENGTH_STREAM: Final = 3  # random streams of its own, beside those of faces.phantoms.person
_WEAKEST, _STRONGEST = 0.8, 1.2


@dataclass(frozen=True)
class Phenotype:
    """True HPO terms of a phantom, by id, in the order of `DRAWN_TERMS`."""

    present: tuple[str, ...]
    absent: tuple[str, ...]


def describe_phantom(
    terms: Collection[str], age_years: float, smile: float, identity: int, condition: str = UNAFFECTED
) -> Phantom:
    """Make the person `identity` with these terms and no other. Hair leaves ears and forehead free.

    Each term is expressed at 0.8 to 1.2 of its typical strength, the same whatever the other terms.

    Args:
        terms: ids or labels of drawn terms.
        condition: name of the condition that the person has.

    Raises:
        LabelError: a term that is unknown or cannot be drawn, two that exclude each other, or what `phantom` refuses.
    """
    present = {find_drawn_term(term) for term in terms}
    for first, second in OPPOSITES:
        if {first, second} <= present:
            raise LabelError(f"a face cannot show both {_name(first)} and {_name(second)}; leave one out")
    base = phantom(UNAFFECTED, age_years, smile, identity)
    base = replace(base, condition=condition, looks=_uncover(base.looks))
    base = replace(base, traits={name: _OWN_VARIATION * value for name, value in base.traits.items()})
    return _express(base, {term: strength for term, strength in draw_strengths(identity).items() if term in present})


def draw_strengths(identity: int) -> dict[str, float]:
    """Draw the strength at which a person expresses each drawn term, if it is present; 1 is typical."""
    rng = np.random.Generator(np.random.PCG64([identity, _STRENGTH_STREAM]))
    return dict(zip(DRAWN_TERMS, rng.uniform(_WEAKEST, _STRONGEST, len(DRAWN_TERMS)).tolist(), strict=True))


def average_phantom(terms: Collection[str], age_years: float, smile: float) -> Phantom:
    """Make a person of average traits and looks, with these terms at their typical strength."""
    traits = dict.fromkeys((trait.name for trait in TRAITS), 0.0)
    average = Phantom(UNAFFECTED, age_years, smile, 0, traits, AVERAGE_LOOKS)
    return _express(average, dict.fromkeys((find_drawn_term(term) for term in terms), 1.0))


def _express(base: Phantom, strengths: Mapping[str, float]) -> Phantom:
    """Return a person with terms at these strengths, and with no other."""
    moved, signs = add_amounts(strengths)
    traits = {name: value + moved.get(name, 0.0) for name, value in base.traits.items()}
    return replace(base, traits=traits, signs=signs, described_terms=frozenset(strengths))


def _uncover(looks: Looks) -> Looks:
    """Let hair leave ears and forehead free, and leave lighter colours than a person's own to terms."""
    return replace(
        looks,
        hair_style=UNCOVERING_STYLES.get(looks.hair_style, looks.hair_style),
        hair_shade=0.65 * looks.hair_shade,
        iris_hue=0.65 * looks.iris_hue,
        skin_tone=0.08 + 0.92 * looks.skin_tone,
    )


def find_drawn_term(id_or_label: str) -> str:
    """Return the id of a term that can be drawn.

    Raises:
        LabelError: HPO has no such term, or it cannot be drawn.
    """
    term = find_term(id_or_label).term
    if term.id not in DRAWN_TERMS:
        raise LabelError(
            f"{term.id} ({term.label}) cannot be drawn; `gestaltgen phenotypes list` lists the terms that can"
        )
    return term.id


def draw_terms(terms: Iterable[FacialTerm], rng: np.random.Generator, always: Collection[str] = ()) -> frozenset[str]:
    """Draw the terms of a person with a condition, each by its frequency and independently of the others.

    Of two terms that exclude each other, the one remains whose draw lies further below its frequency. Terms that
    cannot be drawn are left out.

    Args:
        always: ids of drawn terms that the person has in any case.
    """
    frequencies = {term.term_id: term.frequency for term in terms}
    margins = {}
    for term_id, chance in zip(DRAWN_TERMS, rng.uniform(size=len(DRAWN_TERMS)), strict=True):
        frequency = frequencies.get(term_id, 0.0)
        margins[term_id] = (UNKNOWN_FREQUENCY if frequency is None else frequency) - chance
    margins |= dict.fromkeys(always, math.inf)
    present = {term_id for term_id, margin in margins.items() if margin > 0}
    for pair in OPPOSITES:
        if present.issuperset(pair):
            present.remove(min(pair, key=margins.__getitem__))
    return frozenset(present)


def find_phenotype(of: Phantom) -> Phenotype:
    """Return the true terms of a phantom.

    A phantom of a default condition has a term if its trait lies two standard deviations beyond the mean. Terms that
    are defined by several features are not known in it.
    """
    if of.described_terms is not None:
        return _sort_terms(of.described_terms, DRAWN_TERMS)
    scores = {trait.name: of.traits[trait.name] / trait.deviation for trait in TRAITS}
    present = {
        term_id
        for trait in TRAITS
        for term_id, score in ((trait.more, scores[trait.name]), (trait.less, -scores[trait.name]))
        if term_id and score >= _ABNORMAL
    }
    return _sort_terms(present, _KNOWN_IN_DEFAULT)


def is_visible(term_id: str, of: Phantom) -> bool:
    """Tell whether a term, if present, can be seen in a phantom: those of the teeth only with a broad smile."""
    return not DRAWN_TERMS[term_id].with_teeth or of.smile >= TEETH_SMILE


def _sort_terms(present: Collection[str], known: Iterable[str]) -> Phenotype:
    known = tuple(known)
    return Phenotype(
        tuple(term for term in known if term in present), tuple(term for term in known if term not in present)
    )


def _name(term_id: str) -> str:
    return f"{find_term(term_id).term.label} ({term_id})"


def _is_known_in_default(term_id: str) -> bool:
    """Tell whether a trait alone decides on the term, or no trait has a part in it."""
    by_traits, _ = add_amounts({term_id: 1.0})
    named = {term for trait in TRAITS for term in (trait.more, trait.less)}
    return term_id in named or (not by_traits and term_id not in _COLOURS)


_KNOWN_IN_DEFAULT: Final = tuple(term for term in DRAWN_TERMS if _is_known_in_default(term))
