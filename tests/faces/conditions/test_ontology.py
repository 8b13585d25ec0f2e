"""The hierarchy of HPO: ancestors, information content, and the lookup of terms."""

from __future__ import annotations

import math

import pytest

from faces.conditions.ontology import HIERARCHY_FILE, ROOT, Ontology, check_terms, load_ontology
from faces.conditions.terms import find_term, hpo_release

SMALL = Ontology(
    {"all": (), "a": ("all",), "b": ("all",), "a1": ("a",), "ab": ("a", "b"), "rare": ("ab",)},
    {"all": 100, "a": 50, "b": 20, "a1": 10, "ab": 4, "rare": 0},
)


def test_ancestors_include_the_term_and_both_lines_of_its_parents() -> None:
    assert SMALL.find_ancestors("rare") == {"rare", "ab", "a", "b", "all"}
    assert SMALL.find_ancestors("all") == {"all"}
    assert SMALL.is_below("rare", ["b"])
    assert SMALL.is_below("b", ["b"])
    assert not SMALL.is_below("a1", ["b", "rare"])


def test_information_content_is_the_surprise_of_finding_the_term_in_a_disease() -> None:
    assert SMALL.measure_information("all") == 0
    assert SMALL.measure_information("a") == pytest.approx(math.log(2))
    assert SMALL.measure_information("ab") == pytest.approx(math.log(25))
    assert SMALL.measure_information("rare") == pytest.approx(math.log(100))


def test_the_shipped_hierarchy_is_of_the_release_of_the_terms_and_every_term_leads_to_the_root() -> None:
    ontology = load_ontology()
    assert HIERARCHY_FILE.read_text().splitlines()[0].split() == ["#HPO", hpo_release()]
    assert HIERARCHY_FILE.stat().st_size < 300_000
    for term, parents in ontology.parents.items():
        information = ontology.measure_information(term)
        assert ROOT in ontology.find_ancestors(term)
        assert all(ontology.measure_information(parent) <= information for parent in parents)
    for term in list(ontology.parents)[::50]:
        assert find_term(term).term.id == term


def test_obsolete_ids_are_replaced_and_what_is_no_abnormality_is_reported() -> None:
    check = check_terms(["HP:0001250", "Hypotonia", "HP:0000368", "HP:9999999", "HP:0000006"])
    assert check.terms == {"HP:0001250": "HP:0001250", "Hypotonia": "HP:0001252", "HP:0000368": "HP:0000358"}
    assert check.replaced == {"HP:0000368": "HP:0000358"}
    assert check.problems.keys() == {"HP:9999999", "HP:0000006"}
