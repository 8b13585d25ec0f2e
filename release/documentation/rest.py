"""Reference of the REST interface in Markdown, one page for each tag of the OpenAPI document and one of its schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from api.app import create_app
from api.dependencies import RequireScope
from release.documentation.markdown import render_table

_SCHEMAS: Final = "bodies-and-answers"
_BOUNDS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} entries",
}
"""Constraints of JSON Schema, and the words for them."""

_Schema = Mapping[str, Any]


def write_route_pages() -> Iterator[tuple[str, str]]:
    """Yield name and Markdown text of the first page, of the page of each tag, and of that of bodies and answers."""
    app = create_app()
    document, scopes = app.openapi(), find_scopes(app.routes)
    pages: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            scope = scopes[method.upper(), path]
            pages.setdefault(operation["tags"][0], []).extend(_render_operation(method.upper(), path, scope, operation))
    problems = "[Problems](../../docs/problems.md) explains all errors."
    yield "index", _join(["# REST interface", document["info"]["description"], problems])
    for tag, parts in pages.items():
        yield tag.replace(" ", "-"), _join([f"# {tag.capitalize()}", *parts])
    schemas = document["components"]["schemas"]
    parts = [part for name in sorted(schemas) for part in _render_schema(name, schemas[name])]
    yield _SCHEMAS, _join(["# Bodies and answers", "JSON objects that requests send and answers hold.", *parts])


def find_scopes(routes: Iterable[Any]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return for method and path of each route the scopes of which a key needs one; none for routes without a key."""
    scopes: dict[tuple[str, str], tuple[str, ...]] = {}
    for route in routes:
        if included := getattr(route, "original_router", None):
            scopes |= find_scopes(included.routes)
        elif dependant := getattr(route, "dependant", None):
            found = tuple(dict.fromkeys(str(scope.value) for scope in _find_required(dependant)))
            scopes |= {(method, route.path): found for method in route.methods}
    return scopes


def _find_required(dependant: Any) -> Iterator[Any]:
    if isinstance(dependant.call, RequireScope):
        yield from dependant.call.scope
    for below in dependant.dependencies:
        yield from _find_required(below)


def _render_operation(method: str, path: str, scopes: tuple[str, ...], operation: _Schema) -> Iterator[str]:
    yield f"## {operation['summary']}"
    yield f"```\n{method} {path}\n```"
    yield operation["description"]
    yield f"Scope of the key: {' or '.join(f'`{scope}`' for scope in scopes) or 'none is needed'}."
    yield render_table(
        ("parameter", "in", "value", "meaning"),
        (
            (_name(one["name"], one["required"]), one["in"], *_describe(one["schema"]))
            for one in operation.get("parameters", ())
        ),
    )
    if body := operation.get("requestBody"):
        yield f"Body: {_link_content(body)}."
    yield render_table(
        ("answer", "content", "meaning"),
        (
            (
                status.replace("default", "others"),
                _link_content(answer),
                _describe_answer(status, answer["description"]),
            )
            for status, answer in sorted(operation["responses"].items())
        ),
    )


def _describe_answer(status: str, description: str) -> str:
    """Return what an answer means; FastAPI describes all that a route says nothing about as successful."""
    return HTTPStatus(int(status)).phrase if description == "Successful Response" else description


def _render_schema(name: str, schema: _Schema) -> Iterator[str]:
    required = schema.get("required", ())
    yield f"## {name}"
    yield schema.get("description", "")
    yield render_table(
        ("field", "value", "meaning"),
        ((_name(field, field in required), *_describe(one)) for field, one in schema.get("properties", {}).items()),
    )
    for example in schema.get("examples", ()):
        yield f"```json\n{json.dumps(example, indent=2)}\n```"


def _describe(schema: _Schema) -> tuple[str, str]:
    """Return the type of a parameter or a field with its default, and its meaning."""
    default = schema.get("default")
    value = _describe_type(schema) + (f"; else `{json.dumps(default)}`" if default is not None else "")
    return value, schema.get("description", "")


def _describe_type(schema: _Schema) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}]({_SCHEMAS}.md#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_describe_type(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{json.dumps(one)}`" for one in schema.get("enum", [schema.get("const")]))
    words = [str(schema.get("format") or schema.get("type", "any"))]
    words += [text.format(f"{schema[bound]:g}") for bound, text in _BOUNDS.items() if bound in schema]
    if items := schema.get("items"):
        words.append(f"of ({_describe_type(items)})")
    if isinstance(values := schema.get("additionalProperties"), Mapping):
        words.append(f"of names with ({_describe_type(values)})")
    return ", ".join(words)


def _link_content(holder: _Schema) -> str:
    """Return media types and schemas of a body or an answer."""
    return ", ".join(
        f"`{media}` {_describe_type(about['schema']) if about.get('schema') else ''}".strip()
        for media, about in holder.get("content", {}).items()
    )


def _name(name: str, required: bool) -> str:
    return f"`{name}`{' (required)' if required else ''}"


def _join(parts: Iterable[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n\n".join(parts)).strip() + "\n"
