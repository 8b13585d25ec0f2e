"""Hierarchy of the phenotypic abnormalities of HPO: parents, ancestors and information content of each term."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from core.errors import LabelError
from faces.conditions.terms import find_term

HIERARCHY_FILE: Final = Path(__file__).with_name("hpo_hierarchy.tsv")
"""Table of the terms at and below `ROOT`: number, how many diseases are annotated with the term or one below it, and
the numbers of its parents."""

ROOT: Final = "HP:0000118"
"""Phenotypic abnormality. Terms that are not below it say how a disease is inherited, when it begins, how often."""


class Ontology:
    """Phenotypic abnormalities of HPO, each with its parents and the number of diseases annotated with it.

    Args:
        parents: term -> its parents; every parent is a term too, and there are no circles.
        diseases: term -> number of diseases that are annotated with the term or one below it.
    """

    def __init__(self, parents: Mapping[str, tuple[str, ...]], diseases: Mapping[str, int]) -> None:
        self.parents = parents
        self._diseases = diseases
        self._all_diseases = max(diseases.values())
        self._ancestors: dict[str, frozenset[str]] = {}

    def __contains__(self, term: str) -> bool:
        return term in self.parents

    def find_ancestors(self, term: str) -> frozenset[str]:
        """Return the term and everything above it."""
        if (above := self._ancestors.get(term)) is None:
            above = frozenset({term}).union(*map(self.find_ancestors, self.parents[term]))
            self._ancestors[term] = above
        return above

    def is_below(self, term: str, roots: Iterable[str]) -> bool:
        """Tell whether a term is one of the roots or below one of them."""
        return not self.find_ancestors(term).isdisjoint(roots)

    def measure_information(self, term: str) -> float:
        """Return the information content of a term: -ln(part of the diseases that are annotated with it).

        It is 0 for the root and never smaller than that of an ancestor. A term without an annotated disease counts as
        one with a single disease.
        """
        return math.log(self._all_diseases / max(self._diseases[term], 1))


@dataclass(frozen=True)
class TermCheck:
    """Result of looking up the terms of a person or a vocabulary.

    Attributes:
        terms: given id or label -> id of the current term, for those that are phenotypic abnormalities.
        replaced: obsolete id -> the id that replaces it.
        problems: given id or label -> why it cannot be used.
    """

    terms: Mapping[str, str]
    replaced: Mapping[str, str]
    problems: Mapping[str, str]


def check_terms(names: Iterable[str]) -> TermCheck:
    """Look up ids or labels of terms: obsolete ids are replaced, and those that cannot be used are reported."""
    terms, replaced, problems = {}, {}, {}
    ontology = load_ontology()
    for name in names:
        try:
            match = find_term(name)
        except LabelError as error:
            problems[name] = str(error)
            continue
        if match.term.id not in ontology:
            problems[name] = f"{match.term.id} ({match.term.label}) is not a phenotypic abnormality; leave it out"
            continue
        terms[name] = match.term.id
        if match.obsolete_id is not None:
            replaced[match.obsolete_id] = match.term.id
    return TermCheck(terms, replaced, problems)


@cache
def load_ontology() -> Ontology:
    """Load the shipped hierarchy, of the release of HPO that `faces.conditions.terms.hpo_release` returns."""
    parents: dict[str, tuple[str, ...]] = {}
    diseases: dict[str, int] = {}
    for line in HIERARCHY_FILE.read_text(encoding="utf-8").splitlines()[1:]:
        number, count, above = line.split("\t")
        term = _to_id(number)
        parents[term] = tuple(map(_to_id, above.split()))
        diseases[term] = int(count)
    return Ontology(parents, diseases)


def _to_id(number: str) -> str:
    return f"HP:{number:0>7}"
