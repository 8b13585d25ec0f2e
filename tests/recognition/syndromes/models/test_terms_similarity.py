"""Similarity of persons by HPO terms, against numbers computed by hand and a slow computation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.conditions.ontology import Ontology, load_ontology
from recognition.syndromes.models.terms_similarity import (
    average_similarity,
    compare_people,
    compare_terms,
    select_terms,
)

SMALL = Ontology(
    {"all": (), "a": ("all",), "b": ("all",), "a1": ("a",), "a2": ("a",), "ab": ("a", "b"), "b1": ("b",)},
    {"all": 100, "a": 50, "b": 20, "a1": 10, "a2": 5, "ab": 4, "b1": 2},
)
TERMS = ("a1", "a2", "ab", "b1", "b")
IC = {term: math.log(100 / count) for term, count in {"a": 50, "b": 20, "a1": 10, "a2": 5, "ab": 4, "b1": 2}.items()}


def test_the_similarity_of_terms_is_the_information_of_the_best_common_ancestor() -> None:
    expected = [
        [IC["a1"], IC["a"], IC["a"], 0, 0],
        [IC["a"], IC["a2"], IC["a"], 0, 0],
        [IC["a"], IC["a"], IC["ab"], IC["b"], IC["b"]],
        [0, 0, IC["b"], IC["b1"], IC["b"]],
        [0, 0, IC["b"], IC["b"], IC["b"]],
    ]
    similarity = compare_terms(TERMS, TERMS, SMALL)
    np.testing.assert_allclose(similarity, expected)
    np.testing.assert_allclose(compare_terms(TERMS[:2], TERMS, SMALL), similarity[:2])


def test_the_similarity_of_persons_is_the_mean_of_all_best_matches() -> None:
    similarity = compare_terms(TERMS, TERMS, SMALL)
    first = np.array([[1, 0, 1, 0, 0]])  # a1, ab
    second = np.array([[0, 1, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0]])  # a2; b1, b; nothing
    # a1 and ab find a2 by a, and a2 finds either by a; a1 finds nothing, ab finds b, b1 and b find ab by b
    expected = [IC["a"], (0 + IC["b"] + IC["b"] + IC["b"]) / 4, math.nan]
    np.testing.assert_allclose(compare_people(first, second, similarity), [expected])
    one_sided = [IC["a"], (0 + IC["b"]) / 2, math.nan]
    np.testing.assert_allclose(compare_people(first, second, similarity, one_sided=True), [one_sided])


_people = st.lists(st.lists(st.booleans(), min_size=12, max_size=12).filter(any), min_size=1, max_size=5)
_REAL = tuple(sorted(load_ontology().parents))[100:12_000:1_000]


@given(_people, _people)
def test_the_comparison_of_people_agrees_with_a_slow_one(first: list[list[bool]], second: list[list[bool]]) -> None:
    similarity = compare_terms(_REAL, _REAL)
    assert (similarity == similarity.T).all()
    assert (similarity <= np.diag(similarity)[:, None]).all()
    found = compare_people(first, second, similarity)
    np.testing.assert_allclose(found.T, compare_people(second, first, similarity))
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            pairs = similarity[np.ix_(np.flatnonzero(one), np.flatnonzero(other))]
            matches = [*pairs.max(axis=0), *pairs.max(axis=1)]
            assert found[i, j] == pytest.approx(sum(matches) / len(matches))


def test_the_order_of_terms_and_people_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    people = rng.random((6, 12)) < 0.4
    terms, order = rng.permutation(12), rng.permutation(6)
    similarity = compare_terms(_REAL, _REAL)
    mixed = tuple(_REAL[index] for index in terms)
    found = compare_people(people[order][:, terms], people[:, terms], compare_terms(mixed, mixed))
    np.testing.assert_allclose(found, compare_people(people, people, similarity)[order], rtol=1e-12)


def test_the_mean_similarity_of_a_training_person_leaves_itself_out() -> None:
    similarity = np.array([[9.0, 1, 2, 3], [1, 9, 4, 5], [2, 4, 9, 6], [3, 5, 6, 9]])
    groups = np.array([[True, False], [True, False], [True, False], [False, True]])
    expected = [[1.5, 3.0], [2.5, 5.0], [3.0, 6.0], [14 / 3, math.nan]]
    np.testing.assert_allclose(average_similarity(similarity, groups, same=True), expected)
    np.testing.assert_allclose(average_similarity(similarity[:1], groups), [[4, 3]])


def test_terms_of_the_face_and_of_behaviour_do_not_count_by_default_and_unknown_ones_are_reported() -> None:
    vocabulary = ("HP:0000343", "HP:0001250", "Seizure", "HP:0000718", "HP:9999999")  # philtrum, seizure, aggression
    selection = select_terms(vocabulary)
    assert selection.terms == ("HP:0001250",)
    assert selection.problems.keys() == {"HP:9999999"}
    assert selection.apply([[1, 0, 1, 0, 0], [1, 0, 0, 1, 1]]).tolist() == [[True], [False]]
    assert select_terms(vocabulary, left_out=()).terms == ("HP:0000343", "HP:0000718", "HP:0001250")
