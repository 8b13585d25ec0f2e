"""Table of a set of faces in the columns of GestaltMatcher's metadata (image_metadata of GMDB), with tabs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from faces.datasets.exports.set_description import SetDescription
from faces.datasets.records import Record

MEDIA_TYPE: Final = "text/tab-separated-values"

COLUMNS: Final = (
    "image_id",
    "patient_id",
    "internal_syndrome_id",
    "internal_syndrome_name",
    "gender",
    "age_year",
    "age_month",
    "ethnicity_category",
    "ethnicity_sub_category",
    "gene_names",
    "present_features",
    "absent_features",
    "file",
)
"""Columns of GMDB, and the name of the picture in the set."""


def write_gestaltmatcher(about: SetDescription) -> str:
    """Return the table. Columns of GMDB that the set kept are written as they were."""
    labels = {condition.name: condition.label for condition in about.conditions}
    numbers = {condition.name: str(number) for number, condition in enumerate(about.conditions)}
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, delimiter="\t", lineterminator="\n", restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(_describe(record, labels, numbers) for record in about.records)
    return text.getvalue()


def _describe(record: Record, labels: Mapping[str, str], numbers: Mapping[str, str]) -> dict[str, str]:
    name = record.condition or ""
    cells = {
        "image_id": PurePosixPath(record.file).stem,
        "patient_id": record.person or "",
        "internal_syndrome_id": numbers.get(name, ""),
        "internal_syndrome_name": record.disease or labels.get(name, name),
        "gender": record.sex or "",
        "ethnicity_category": record.ancestry or "",
        "present_features": ";".join(record.present),
        "absent_features": ";".join(record.absent),
    }
    if record.age_years is not None:
        months = round(record.age_years * 12)
        cells |= {"age_year": str(months // 12), "age_month": str(months % 12)}
    return cells | {name: text for name, text in record.others.items() if name in COLUMNS} | {"file": record.file}
