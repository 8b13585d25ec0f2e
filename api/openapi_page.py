"""Reference of the REST interface as an HTML page, rendered from the OpenAPI document without scripts."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from markdown_it import MarkdownIt

_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False})
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

_Schema = Mapping[str, Any]


def render_reference(document: _Schema) -> str:
    """Render an OpenAPI 3.1 document: description, operations by tag, and schemas."""
    operations: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            rendered = "".join(_render_operation(method.upper(), path, operation))
            operations.setdefault(operation["tags"][0], []).append(rendered)
    schemas = document["components"]["schemas"]
    return "".join(
        [
            _MARKDOWN.render(document["info"]["description"]),
            '<p>The same as an OpenAPI document: <a href="/openapi.json">/openapi.json</a>.</p>',
            f"<p>Contents: {_link_contents(operations)}</p>",
            *(f'<h2 id="{_escape(tag)}">{_escape(tag)}</h2>{"".join(group)}' for tag, group in operations.items()),
            '<h2 id="schemas">schemas</h2>',
            *(f'<h3 id="{_escape(name)}">{_escape(name)}</h3>{_render_schema(one)}' for name, one in schemas.items()),
        ]
    )


def _link_contents(tags: Iterable[str]) -> str:
    return ", ".join(f'<a href="#{_escape(tag)}">{_escape(tag)}</a>' for tag in (*tags, "schemas"))


def _render_operation(method: str, path: str, operation: _Schema) -> Iterator[str]:
    yield f'<h3 id="{_escape(operation["operationId"])}"><code>{method} {_escape(path)}</code></h3>'
    yield f"<p><strong>{_escape(operation['summary'])}</strong></p>{_MARKDOWN.render(operation['description'])}"
    if parameters := operation.get("parameters"):
        yield _render_table(
            ("parameter", "in", "value", "meaning"),
            (
                (_render_name(one["name"], one["required"]), _escape(one["in"]), *_describe(one["schema"]))
                for one in parameters
            ),
        )
    if body := operation.get("requestBody"):
        yield f"<p>Body: {_link_content(body)}</p>"
    yield _render_table(
        ("answer", "content", "meaning"),
        (
            (_escape(status), _link_content(answer), _MARKDOWN.render(answer["description"]))
            for status, answer in sorted(operation["responses"].items())
        ),
    )


def _render_schema(schema: _Schema) -> str:
    required = schema.get("required", ())
    fields = schema.get("properties", {}).items()
    examples = "".join(f"<pre>{_escape(json.dumps(one, indent=2))}</pre>" for one in schema.get("examples", ()))
    table = _render_table(
        ("field", "value", "meaning"), ((_render_name(name, name in required), *_describe(one)) for name, one in fields)
    )
    return f"{_MARKDOWN.render(schema.get('description', ''))}{table}{examples}"


def _describe(schema: _Schema) -> tuple[str, str]:
    """Return the type of a parameter or field with its default, and its meaning."""
    default = schema.get("default")
    value = _describe_type(schema) + (
        f"; else <code>{_escape(json.dumps(default))}</code>" if default is not None else ""
    )
    return value, _MARKDOWN.render(schema.get("description", ""))


def _describe_type(schema: _Schema) -> str:
    """Return the type that a schema describes, in HTML."""
    if "$ref" in schema:
        return _link(str(schema["$ref"]))
    if "anyOf" in schema:
        return " or ".join(_describe_type(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " or ".join(
            f"<code>{_escape(json.dumps(one))}</code>" for one in schema.get("enum", [schema.get("const")])
        )
    words = [_escape(schema.get("format") or schema.get("type", "any"))]
    words += [text.format(f"{schema[bound]:g}") for bound, text in _BOUNDS.items() if bound in schema]
    if items := schema.get("items"):
        words.append(f"of ({_describe_type(items)})")
    if isinstance(values := schema.get("additionalProperties"), Mapping):
        words.append(f"of names with ({_describe_type(values)})")
    return ", ".join(words)


def _link_content(holder: _Schema) -> str:
    """Return media types and schemas of a body or an answer."""
    return "<br>".join(
        f"<code>{_escape(media)}</code> {_describe_type(about['schema']) if about.get('schema') else ''}"
        for media, about in holder.get("content", {}).items()
    )


def _link(reference: str) -> str:
    name = _escape(reference.rpartition("/")[2])
    return f'<a href="#{name}">{name}</a>'


def _render_name(name: str, required: bool) -> str:
    return f"<code>{_escape(name)}</code>{' (required)' if required else ''}"


def _render_table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Render a table with cells in HTML."""
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{lines}</table>"


def _escape(text: str) -> str:
    return html.escape(str(text))
