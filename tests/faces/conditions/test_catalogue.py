"""The catalogue of conditions and the table of HPO terms, as they are shipped and with a laboratory's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import ConfigError, LabelError
from faces.conditions.catalogue import CATALOGUE_FILE, load_catalogue
from faces.conditions.terms import REGIONS, TERMS_FILE, find_term, hpo_release, list_facial_terms
from faces.labels import CONDITIONS

OWN = """
[conditions.Floating-Harbor]
label = "Floating-Harbor syndrome"
identifiers = {OMIM = "OMIM:136140", MONDO = "MONDO:0007644"}
genes = ["SRCAP"]
aliases = ["FHS"]
terms = {"HP:0000368" = 0.5, "Short columella" = -1}

[conditions.WHS]
label = "our patients with a deletion of 4p16.3"
"""

STUDIES = [
    "Angelman",
    "BWS",
    "CdLS",
    "Down",
    "Kabuki",
    "Noonan",
    "PWS",
    "RSTS",
    "WHS",
    "ADNP",
    "ANKRD11",
    "CDK13",
    "DEAF1",
    "DYRK1A",
    "EHMT1",
    "FBXO11",
    "KDVS",
    "SON",
    "WAC",
    "YY1",
]


def test_the_catalogue_holds_the_conditions_of_the_studies_the_default_four_first() -> None:
    conditions = [*load_catalogue()]
    assert [condition.name for condition in conditions] == [*CONDITIONS, *STUDIES]
    for condition in conditions:
        if condition.name not in ("other", "unaffected"):
            assert condition.identifiers["OMIM"]
            assert len(condition.terms) >= 10


def test_every_term_of_the_catalogue_is_current_and_its_frequency_is_a_proportion() -> None:
    shipped = json.loads(CATALOGUE_FILE.read_text())
    assert shipped["hpo_version"] == hpo_release()
    assert "hpo.jax.org" in shipped["licence"]
    for condition in load_catalogue():
        for term in condition.terms:
            match = find_term(term.term_id)
            assert match.term.id == term.term_id
            assert match.obsolete_id is None
            assert term.frequency is None or 0 < term.frequency <= 1


def test_the_shipped_files_are_smaller_than_a_megabyte() -> None:
    assert CATALOGUE_FILE.stat().st_size + TERMS_FILE.stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("22q11", "22q11DS"),
        ("22q11.2DS", "22q11DS"),
        ("OMIM:192430", "22q11DS"),
        ("Williams", "WS"),
        ("Williams-Beuren_syndrome", "WS"),
        ("omim:194050", "WS"),
        ("ORPHA:199", "CdLS"),
        ("Orphanet:199", "CdLS"),
        ("MIM:194050", "WS"),
        ("kdvs", "KDVS"),
    ],
)
def test_conditions_are_found_by_alias_and_identifier(text: str, name: str) -> None:
    condition = load_catalogue().find(text)
    assert condition is not None
    assert condition.name == name


def test_an_unknown_condition_is_not_found() -> None:
    assert load_catalogue().find("Stickler") is None
    with pytest.raises(LabelError):
        load_catalogue().require("Stickler")


def test_a_laboratory_adds_and_replaces_conditions(tmp_path: Path) -> None:
    (own := tmp_path / "own.toml").write_text(OWN)
    catalogue = load_catalogue(own)
    condition = catalogue.require("FHS")
    assert condition.to_json() == {
        "name": "Floating-Harbor",
        "label": "Floating-Harbor syndrome",
        "identifiers": {"OMIM": "OMIM:136140", "MONDO": "MONDO:0007644"},
        "genes": ["SRCAP"],
    }
    assert [(term.term_id, term.frequency) for term in condition.terms] == [("HP:0000358", 0.5), ("HP:0002000", None)]
    assert catalogue.require("WHS").identifiers == {}
    assert catalogue.find("OMIM:194190") is None
    assert len(catalogue) == len(load_catalogue()) + 1


@pytest.mark.parametrize(
    "toml",
    [
        "conditions = 3",
        "[conditions.A]\nlabel = 3",
        "[conditions.A]\nnamed = 'x'",
        "[conditions.A]\nidentifiers = {OMIM = '194050'}",
        "[conditions.A]\nidentifiers = {OMIM = 194050}",
        "[conditions.A]\nterms = {'HP:0000343' = 1.5}",
        "[conditions.A]\nterms = {'HP:0000343' = 'often'}",
        "[conditions.A]\nterms = {'HP:9999999' = 0.5}",
        "[conditions.A]\naliases = ['Kabuki']",
        "[conditions",
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, toml: str) -> None:
    (own := tmp_path / "own.toml").write_text(toml)
    with pytest.raises((ConfigError, LabelError)):
        load_catalogue(own)


def test_fifty_facial_terms_have_regions() -> None:
    terms = list_facial_terms()
    assert len({term.id for term in terms}) == len(terms) == 50
    assert [*dict.fromkeys(term.region for term in terms)] == [*REGIONS]


def test_terms_are_found_by_id_label_and_synonym() -> None:
    for text in ("HP:0000343", "hp_0000343", "Long philtrum", "long-philtrum"):
        assert find_term(text).term.id == "HP:0000343"
    assert find_term("Ocular hypertelorism").term.label == "Hypertelorism"
    assert find_term("HP:0001250").term.region == ""  # seizures are not a facial term


def test_an_obsolete_id_is_replaced_and_reported() -> None:
    match = find_term("HP:0000368")
    assert (match.term.id, match.obsolete_id) == ("HP:0000358", "HP:0000368")


@pytest.mark.parametrize("text", ["HP:9999999", "long philtrm", "", "HP:0001726"])
def test_an_unknown_term_is_refused(text: str) -> None:
    with pytest.raises(LabelError):
        find_term(text)
