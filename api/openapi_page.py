"""Reference of the REST interface as an HTML page, rendered from the OpenAPI document without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.html_pages import render_page

_BOUNDS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "multipleOf": "a multiple of {}",
    "minLength": "characters: at least {}",
    "maxLength": "characters: at most {}",
    "minItems": "items: at least {}",
    "maxItems": "items: at most {}",
    "maxProperties": "entries: at most {}",
}
"""Constraints of JSON Schema, and the words for them."""


def render_reference(document: Mapping[str, Any]) -> str:
    """Render an OpenAPI 3.1 document: description, operations by tag, and schemas."""
    operations: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operations.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    title = f"{document['info']['title']}: {document['info']['summary']}"
    return render_page("reference.html", title, document=document, operations=operations, bounds=_BOUNDS)
