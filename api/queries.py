"""Query parameters that a route does not have: a misspelt one is refused, not ignored."""

from __future__ import annotations

import difflib

from fastapi import Request

from api.problems import Problem, field_error


async def no_strange_query(request: Request) -> None:
    """Refuse a request with a query parameter that its route does not know.

    Raises:
        Problem: 422, with what was perhaps meant.
    """
    if not request.query_params:
        return
    known = _known(request)
    for name in request.query_params:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"expected {', '.join(known) or 'none'}"
            message = f"unknown query parameter {name[:80]!r}; {hint}"
            raise Problem(422, message, errors=[field_error(name[:80], message, accepted=near or known)])


def _known(request: Request) -> list[str]:
    """The route's query parameters, as its description names them."""
    operations = request.app.openapi()["paths"].get(getattr(request.scope.get("route"), "path", ""), {})
    operation = operations.get(request.method.lower()) or operations.get("get") or {}
    return [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
