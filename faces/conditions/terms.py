"""Terms of the Human Phenotype Ontology (HPO): ids, labels and replacements, and the regions of the facial ones."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from core.errors import LabelError

TERMS_FILE: Final = Path(__file__).with_name("hpo_terms.tsv")
"""Table of all terms: id, label, region and synonyms of a facial one. For an obsolete id the label is `>` and the id
that replaces it, if there is one."""

REGIONS: Final = ("overall", "ears", "eyes", "nose", "mouth", "forehead", "hair", "chin")
"""Regions of the facial terms, as Sümer et al. 2023 group them."""


@dataclass(frozen=True)
class Term:
    """Term of HPO.

    Attributes:
        id: such as "HP:0000343".
        label: name in the ontology, such as "Long philtrum".
        region: one of `REGIONS` for the 50 facial terms of Sümer et al. 2023, otherwise "".
    """

    id: str
    label: str
    region: str


@dataclass(frozen=True)
class TermMatch:
    """Result of looking up an id, label or synonym.

    Attributes:
        term: the current term.
        obsolete_id: the obsolete id that was looked up and that the term replaces; None for a current id or a label.
    """

    term: Term
    obsolete_id: str | None = None


@dataclass(frozen=True)
class _TermTable:
    release: str
    by_id: Mapping[str, Term]
    by_name: Mapping[str, Term]
    replacements: Mapping[str, str]


def list_facial_terms() -> tuple[Term, ...]:
    """List the 50 facial terms of Sümer et al. 2023, region by region in the order of `REGIONS`."""
    facial = (term for term in _read_table().by_id.values() if term.region)
    return tuple(sorted(facial, key=lambda term: REGIONS.index(term.region)))


def find_term(id_or_label: str) -> TermMatch:
    """Find a term by its id, its label, or a synonym of a facial term. Capitals, hyphens and spaces do not matter.

    An obsolete id gives the term that replaces it, and `TermMatch.obsolete_id` says so.

    Raises:
        LabelError: HPO has no such term, or it is obsolete and nothing replaces it.
    """
    table = _read_table()
    name = id_or_label.strip()
    number = name.upper().replace("_", ":")
    if (term := table.by_id.get(number) or table.by_name.get(_normalise(name))) is not None:
        return TermMatch(term)
    if replacement := table.replacements.get(number):
        return TermMatch(table.by_id[replacement], obsolete_id=number)
    if number in table.replacements:
        raise LabelError(f"HPO term {number} is obsolete and has no replacement; expected a current term")
    close = difflib.get_close_matches(name.casefold(), [term.label for term in list_facial_terms()], n=1)
    meant = f"; did you mean {close[0]!r}?" if close else "; expected an id such as HP:0000343, or the label of a term"
    raise LabelError(f"HPO {hpo_release()} has no term {id_or_label!r}{meant}")


def hpo_release() -> str:
    """Return the release of HPO that the table was built from, such as "2025-01-16"."""
    return _read_table().release


def _normalise(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


@cache
def _read_table() -> _TermTable:
    first, *lines = TERMS_FILE.read_text(encoding="utf-8").splitlines()
    by_id: dict[str, Term] = {}
    by_label: dict[str, Term] = {}
    by_synonym: dict[str, Term] = {}
    replacements: dict[str, str] = {}
    for line in lines:
        number, label, region, *synonyms = [*line.split("\t"), ""]
        if label.startswith(">"):
            replacements[number] = label[1:]
            continue
        term = by_id[number] = Term(number, label, region)
        by_label[_normalise(label)] = term
        by_synonym |= {_normalise(synonym): term for synonym in synonyms if synonym}
    return _TermTable(first.split()[-1], by_id, by_synonym | by_label, replacements)
