"""Phenopackets (GA4GH, version 2) of the people of a set of faces, one JSON object a line.

A packet describes one person at one age, with the pictures of it. Packets of people who do not exist say so: their ids
begin with `synthetic:`, and an external reference of the metadata has the notice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from core.errors import LabelError
from faces.conditions.catalogue import Condition
from faces.conditions.terms import find_term, hpo_release
from faces.datasets.exports.set_description import SetDescription
from faces.datasets.patients.ages import OLDEST_YEARS, format_age
from faces.datasets.patients.phenopackets import AGE_RANGE, PACKET_ID
from faces.datasets.records import Record
from faces.labels import AgeGroup

MEDIA_TYPE: Final = "application/x-ndjson"
SYNTHETIC: Final = "synthetic:"

_SEXES: Final = {"female": "FEMALE", "male": "MALE", "other": "OTHER_SEX"}
_A_DAY: Final = 1 / 365.25

_RESOURCES: Final = {
    "HP": (
        "hp",
        "Human Phenotype Ontology",
        "http://purl.obolibrary.org/obo/hp.owl",
        "http://purl.obolibrary.org/obo/HP_",
    ),
    "OMIM": ("omim", "Online Mendelian Inheritance in Man", "https://www.omim.org", "https://www.omim.org/entry/"),
    "ORPHA": ("orpha", "Orphanet", "https://www.orpha.net", "http://www.orpha.net/ORDO/Orphanet_"),
    "MONDO": ("mondo", "Mondo", "http://purl.obolibrary.org/obo/mondo.owl", "http://purl.obolibrary.org/obo/MONDO_"),
}


def write_phenopackets(about: SetDescription, ages: Iterable[AgeGroup]) -> Iterator[str]:
    """Yield a line for each packet, in the order of the first picture.

    Estimated ages are left out. A condition without an identifier has no place in a phenopacket, which needs one.

    Args:
        ages: age groups of the vocabulary, for pictures of which only the group is known.
    """
    groups = {group.name: group for group in ages}
    conditions = {condition.name: condition for condition in about.conditions}
    packets: dict[tuple[str, str], list[Record]] = {}
    for record in about.records:
        person = record.person or record.file
        key = record.others.get(PACKET_ID) or person, json.dumps(_describe_age(record, groups))
        packets.setdefault(key, []).append(record)
    seen: dict[str, int] = {}
    for (name, _), records in packets.items():
        number = seen[name] = seen.get(name, 0) + 1
        packet = _describe_packet(name if number == 1 else f"{name}-{number}", records, groups, conditions, about)
        yield json.dumps(packet, ensure_ascii=False) + "\n"


def _describe_packet(
    name: str,
    records: list[Record],
    groups: Mapping[str, AgeGroup],
    conditions: Mapping[str, Condition],
    about: SetDescription,
) -> dict[str, Any]:
    first = records[0]
    prefix = SYNTHETIC if about.synthetic else ""
    subject: dict[str, Any] = {"id": prefix + (first.person or first.file)}
    if (age := _describe_age(first, groups)) is not None:
        subject["timeAtLastEncounter"] = age
    if first.sex is not None:
        subject["sex"] = _SEXES[first.sex]
    features = [_describe_feature(term, excluded=False) for term in first.present]
    features += [_describe_feature(term, excluded=True) for term in first.absent]
    diseases = [] if (disease := _name_disease(first, conditions)) is None else [{"term": disease}]
    used = {term["id"].partition(":")[0] for term in (*(f["type"] for f in features), *(d["term"] for d in diseases))}
    return {
        "id": prefix + name,
        "subject": subject,
        "phenotypicFeatures": features,
        "diseases": diseases,
        "files": [{"uri": f"file://{record.file}", "fileAttributes": {"mimeType": "image/png"}} for record in records],
        "metaData": {
            # the date of the ontology, not of the writing: the same set gives the same bytes
            "created": f"{hpo_release()}T00:00:00Z",
            "createdBy": about.creator,
            "resources": [_describe_resource(prefix) for prefix in _RESOURCES if prefix in used],
            "phenopacketSchemaVersion": "2.0",
            **({"externalReferences": [{"id": about.name, "description": about.notice}]} if about.synthetic else {}),
        },
    }


def _describe_age(record: Record, groups: Mapping[str, AgeGroup]) -> dict[str, Any] | None:
    """Describe an age, a range of ages, or the range of an age group; None if nothing but an estimate is known."""
    if record.age_source == "estimated":
        return None
    if period := record.others.get(AGE_RANGE):
        return _describe_range(*period.split("/"))
    if record.age_years is not None:
        return {"age": {"iso8601duration": format_age(record.age_years)}}
    if (group := groups.get(record.age_group or "")) is not None:
        return _describe_range(format_age(group.from_years), format_age(min(group.to_years, OLDEST_YEARS) - _A_DAY))
    return None


def _describe_range(start: str, end: str) -> dict[str, Any]:
    return {"ageRange": {"start": {"iso8601duration": start}, "end": {"iso8601duration": end}}}


def _describe_feature(term: str, *, excluded: bool) -> dict[str, Any]:
    try:
        label = find_term(term).term.label
    except LabelError:
        label = term
    return {"type": {"id": term, "label": label}, **({"excluded": True} if excluded else {})}


def _name_disease(record: Record, conditions: Mapping[str, Condition]) -> dict[str, str] | None:
    """Return id and label of the disease: as the record says it, or the condition's first identifier."""
    identifier, _, label = (record.disease or "").partition(" ")
    if identifier.partition(":")[0] in _RESOURCES and ":" in identifier:
        return {"id": identifier, "label": label}
    condition = conditions.get(record.condition or "")
    if condition is None or not condition.identifiers:
        return None
    return {"id": next(iter(condition.identifiers.values())), "label": condition.label}


def _describe_resource(prefix: str) -> dict[str, str]:
    name, title, url, iri = _RESOURCES[prefix]
    version = hpo_release() if prefix == "HP" else "unknown"
    return {"id": name, "name": title, "url": url, "version": version, "namespacePrefix": prefix, "iriPrefix": iri}
