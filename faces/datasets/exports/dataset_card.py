"""Data-set card of Hugging Face: a README in Markdown that begins with metadata in YAML."""

from __future__ import annotations

import json
from collections import Counter
from typing import Final

from faces.datasets.exports.set_description import SetDescription

_LICENCES: Final = {
    "Apache-2.0": "apache-2.0",
    "CC0-1.0": "cc0-1.0",
    "CC0": "cc0-1.0",
    "MIT": "mit",
    "CC-BY-4.0": "cc-by-4.0",
}
"""Licences by the names of Hugging Face; any other is `other`, with its name."""

_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))


def write_card(about: SetDescription) -> str:
    """Return the text of README.md."""
    return f"---\n{_write_front_matter(about)}---\n\n{_write_body(about)}"


def _write_front_matter(about: SetDescription) -> str:
    """Return YAML; each value is written as JSON, which YAML includes."""
    known = _LICENCES.get(about.licence)
    size = next((name for most, name in _SIZES if len(about.records) < most), "100K<n<1M")
    values = {
        "pretty_name": about.name,
        "license": known or "other",
        **({} if known else {"license_name": about.licence or "unknown"}),
        "task_categories": ["image-classification"],
        "size_categories": [size],
        "tags": ["faces", "medical genetics", *(["synthetic"] if about.synthetic else []), "croissant"],
        "annotations_creators": ["machine-generated" if about.synthetic else "expert-generated"],
    }
    return "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())


def _write_body(about: SetDescription) -> str:
    details = "".join(f"- {name}: {value}\n" for name, value in about.details.items())
    return f"""# {about.name}

{about.summary}

> {about.notice}

- pictures: {len(about.records)} of {about.size} x {about.size} pixels
- people: {len({record.person or record.file for record in about.records})}
- licence: {about.licence or "unknown"}
- made by: {about.creator}
{details}
## Pictures by condition and age group

{_write_counts(about)}
## Conditions

{_write_conditions(about)}"""


def _write_counts(about: SetDescription) -> str:
    counts = Counter((record.condition or "unknown", record.age_group or "unknown") for record in about.records)
    ages = list(dict.fromkeys(age for _, age in counts))
    lines = [["condition", *ages], ["---"] * (1 + len(ages))]
    for condition in dict.fromkeys(condition for condition, _ in counts):
        lines.append([condition, *(str(counts[condition, age]) for age in ages)])
    return _write_table(lines)


def _write_conditions(about: SetDescription) -> str:
    lines = [["name", "meaning", "identifiers", "genes"], ["---"] * 4]
    for condition in about.conditions:
        identifiers, genes = ", ".join(condition.identifiers.values()), ", ".join(condition.genes)
        lines.append([condition.name, condition.label, identifiers, genes])
    return _write_table(lines)


def _write_table(lines: list[list[str]]) -> str:
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
