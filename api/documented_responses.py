"""Entries of the `responses` of routes, which the OpenAPI document lists."""

from __future__ import annotations

from typing import Any, Final

from api.schemas.problems import ProblemOut


def problem(description: str) -> dict[str, Any]:
    """Build an entry of a route's `responses` for a problem document."""
    return {"model": ProblemOut, "description": description}


FILE: Final[dict[int | str, dict[str, Any]]] = {
    206: {"description": "The bytes that `Range` asked for."},
    304: {"description": "The caller's copy, named in `If-None-Match`, is the one."},
    404: problem("There is no such thing, or no such file of it."),
    409: problem("It is not complete yet."),
    416: {"description": "The range lies outside the file."},
}
