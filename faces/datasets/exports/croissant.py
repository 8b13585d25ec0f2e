"""Metadata of a set of faces in Croissant 1.1, the JSON-LD vocabulary of MLCommons for data sets.

The record set `faces` is the table of the pictures, `images` are the pictures by file name, and `conditions` lists what
the names of conditions mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from faces.conditions.catalogue import DATABASES
from faces.datasets.exports.set_description import ListedFile, SetDescription

MEDIA_TYPE: Final = "application/ld+json"

_VERSION: Final = "http://mlcommons.org/croissant/1.1"
_TERMS: Final = """arrayShape citeAs column containedIn equivalentProperty extract field fileProperty fileObject fileSet
    format includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace
    samplingRate separator source subField transform"""
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    **{term: f"cr:{term}" for term in _TERMS.split()},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
}
"""The context of Croissant 1.1."""


@dataclass(frozen=True)
class Column:
    """Column of the table of a set.

    Attributes:
        name: name in the table.
        kind: data type of schema.org, such as "sc:Text".
        meaning: description.
        repeated: whether a cell holds a list.
    """

    name: str
    kind: str
    meaning: str
    repeated: bool = False


def write_croissant(
    about: SetDescription,
    columns: Sequence[Column],
    table: ListedFile,
    pictures: str,
    *,
    container: ListedFile,
    table_in_container: bool,
) -> str:
    """Return the metadata as JSON.

    Args:
        columns: of the table; one is called `file`.
        table: the table of the pictures, in CSV or JSON lines.
        pictures: pattern of the names of the pictures.
        container: the zip or folder that holds the pictures.
        table_in_container: whether the table is read from it too; else it is a file of its own.
    """
    inside = {"containedIn": {"@id": "container"}}
    distribution = [
        _describe_file("container", container),
        _describe_file("table", table) | (inside if table_in_container else {}),
        {
            "@type": "cr:FileSet",
            "@id": "pictures",
            "name": "pictures",
            "description": f"Pictures, {about.size} x {about.size} pixels.",
            **inside,
            "encodingFormat": "image/png",
            "includes": pictures,
        },
    ]
    metadata = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _VERSION,
        "name": re.sub(r"[^\w-]+", "-", about.name),
        "description": f"{about.summary} {about.notice}",
        "license": about.licence or "unknown",
        "url": f"urn:{about.name}",
        "version": "1.0.0",
        "creator": {"@type": "sc:Organization", "name": about.creator},
        "isLiveDataset": False,
        "keywords": ["faces", "medical genetics", *(["synthetic"] if about.synthetic else [])],
        "distribution": distribution,
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "faces",
                "name": "faces",
                "description": "One record for each picture.",
                "key": {"@id": "faces/file"},
                "field": [_describe_column(column) for column in columns],
            },
            _IMAGES,
            _describe_conditions(about),
        ],
    }
    return json.dumps(metadata, indent=1, ensure_ascii=False) + "\n"


def _describe_file(name: str, file: ListedFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": file.name,
        "description": file.meaning,
        "contentUrl": file.name,
        "encodingFormat": file.media_type,
        "sha256": file.sha256,
    }


def _describe_column(column: Column) -> dict[str, Any]:
    source: dict[str, Any] = {"fileObject": {"@id": "table"}, "extract": {"column": column.name}}
    described: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"faces/{column.name}",
        "name": column.name,
        "description": column.meaning,
        "dataType": column.kind,
        "source": source,
    }
    if column.repeated:
        described["repeated"] = True
    if column.name == "file":
        source["transform"] = {"regex": r"(?:.*/)?([^/]+)$"}
        described["references"] = {"field": {"@id": "images/name"}}
    return described


def _describe_image_field(name: str, kind: str, file_property: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"images/{name}",
        "name": name,
        "description": f"The {name} of the picture.",
        "dataType": kind,
        "source": {"fileSet": {"@id": "pictures"}, "extract": {"fileProperty": file_property}},
    }


_IMAGES: Final = {
    "@type": "cr:RecordSet",
    "@id": "images",
    "name": "images",
    "description": "The pictures by the names of their files.",
    "key": {"@id": "images/name"},
    "field": [
        _describe_image_field("name", "sc:Text", "filename"),
        _describe_image_field("pixels", "sc:ImageObject", "content"),
    ],
}


def _describe_conditions(about: SetDescription) -> dict[str, Any]:
    names = ("name", "label", *DATABASES)
    return {
        "@type": "cr:RecordSet",
        "@id": "conditions",
        "name": "conditions",
        "description": "Meaning of the names of conditions, with identifiers.",
        "key": {"@id": "conditions/name"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"conditions/{name}",
                "name": name,
                "description": f"Identifier in {name}, or empty." if name in DATABASES else f"The {name}.",
                "dataType": "sc:Text",
            }
            for name in names
        ],
        "data": [
            {
                "conditions/name": condition.name,
                "conditions/label": condition.label,
                **{f"conditions/{database}": condition.identifiers.get(database, "") for database in DATABASES},
            }
            for condition in about.conditions
        ],
    }
