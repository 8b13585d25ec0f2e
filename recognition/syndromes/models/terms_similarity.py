"""Similarity of persons by their HPO terms: Resnik similarity of terms, and the average of the best matches.

Resnik 1995 (arXiv:cmp-lg/9511007): the similarity of two terms is the information content of their most informative
common ancestor. Two persons are compared by the best match of each term of one among the terms of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from faces.conditions.ontology import Ontology, check_terms, load_ontology

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

PUBLISHED_LEFT_OUT: Final = ("HP:0000708", "HP:0000271", "HP:0011297", "HP:0031703", "HP:0012372")
"""Terms that PhenoScore leaves out with all below them: behaviour, face, digits, ears and eyes. Apart from behaviour,
the photograph shows most of it, and digits are described unevenly."""


@lru_cache(maxsize=16)  # models of one cohort compare the same terms, once for each fold and permutation
def compare_terms(first: tuple[str, ...], second: tuple[str, ...], ontology: Ontology | None = None) -> Floats:
    """Compute the Resnik similarity of each term with each.

    Args:
        first, second: ids of terms of the ontology.
        ontology: None takes the shipped one.

    Returns:
        (len(first), len(second)); the similarity of a term to itself is its information content.
    """
    ontology = ontology or load_ontology()
    rows, columns = _find_places(first, ontology), _find_places(second, ontology)
    similarity = np.zeros((len(first), len(second)))
    # In the order of information, so that the most informative common ancestor of two terms is written last.
    for ancestor in sorted(rows.keys() & columns.keys(), key=ontology.measure_information):
        similarity[np.ix_(rows[ancestor], columns[ancestor])] = ontology.measure_information(ancestor)
    similarity.flags.writeable = False
    return similarity


def _find_places(terms: Sequence[str], ontology: Ontology) -> dict[str, list[int]]:
    """Return ancestor -> places of the terms that are it or lie below it."""
    places: dict[str, list[int]] = {}
    for place, term in enumerate(terms):
        for ancestor in ontology.find_ancestors(term):
            places.setdefault(ancestor, []).append(place)
    return places


def compare_people(
    first: npt.ArrayLike, second: npt.ArrayLike, similarity: Floats, *, one_sided: bool = False
) -> Floats:
    """Compute the best-match average of each person with each: the mean of all best matches in both directions.

    It is symmetric, unless one-sided. A person is not always the most similar one to itself: information content is
    not normalised, so that somebody with fewer and rarer terms can be more similar.

    Args:
        first: (n, u) whether a person has a term.
        second: (m, v) the same of other people and terms.
        similarity: (u, v) of the terms, not negative.
        one_sided: take the mean over the terms of the first people alone. It does not depend on how many they have.

    Returns:
        (n, m); not a number for a person without a term.
    """
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    matches = _sum_best_matches(first, second, similarity)
    counts = np.broadcast_to(first.sum(axis=1)[:, None], matches.shape)
    if not one_sided:
        matches = matches + _sum_best_matches(second, first, similarity.T).T
        counts = counts + second.sum(axis=1)
    known = np.logical_and.outer(first.any(axis=1), second.any(axis=1))
    average: Floats = np.divide(matches, counts, out=np.full(matches.shape, np.nan), where=known)
    return average


def _sum_best_matches(people: Bools, others: Bools, similarity: Floats) -> Floats:
    """Return (n, m): the sum, over the terms of each of n people, of the best match among the terms of another."""
    best = np.zeros((len(others), len(similarity)))
    for row, terms in zip(best, others, strict=True):
        row[:] = similarity[:, terms].max(axis=1, initial=0.0)
    return people.astype(np.float64) @ best.T


@dataclass(frozen=True)
class TermSelection:
    """Terms of a vocabulary that take part in the comparison.

    Attributes:
        terms: (u,) current ids, each once.
        columns: (v, u) whether a name of the vocabulary means a term.
        problems: name in the vocabulary -> why it does not count, for those that are no phenotypic abnormalities.
    """

    terms: tuple[str, ...]
    columns: Bools
    problems: Mapping[str, str]

    def apply(self, block: npt.ArrayLike) -> Bools:
        """Return (n, u) whether each person has each term, from the (n, v) presence of the names."""
        return np.asarray(block, dtype=np.float32) @ self.columns.astype(np.float32) > 0


@lru_cache(maxsize=16)
def select_terms(vocabulary: tuple[str, ...], left_out: tuple[str, ...] = PUBLISHED_LEFT_OUT) -> TermSelection:
    """Select the terms of a vocabulary: obsolete ids are replaced, and unknown ones reported.

    Args:
        vocabulary: (v,) ids or labels.
        left_out: terms that do not count, with all below them.
    """
    ontology = load_ontology()
    check = check_terms(vocabulary)
    counting = {name: term for name, term in check.terms.items() if not ontology.is_below(term, left_out)}
    terms = tuple(sorted(set(counting.values())))
    columns = np.zeros((len(vocabulary), len(terms)), dtype=bool)
    for row, name in zip(columns, vocabulary, strict=True):
        row[[terms.index(counting[name])] if name in counting else []] = True
    return TermSelection(terms, columns, check.problems)


def average_similarity(similarity: Floats, groups: Bools, *, same: bool = False) -> Floats:
    """Return the mean similarity of each person to the members of each group.

    Args:
        similarity: (n, m) of n people with m people of the training set.
        groups: (..., m, g) who belongs to which group.
        same: whether the n people are the m people. Then the similarity of a person to itself does not count, so that
            people of the training set are described like those who are not in it.

    Returns:
        (..., n, g); not a number where a group has nobody else.
    """
    weights = groups.astype(np.float64)
    sums, counts = similarity @ weights, weights.sum(axis=-2, keepdims=True)
    if same:
        sums = sums - np.diag(similarity)[:, None] * weights
        counts = counts - weights
    counts = np.broadcast_to(counts, sums.shape)
    mean: Floats = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return mean
