"""Routes with a JSON body: the key is checked before the body is read, its size and structure before it is parsed."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import anyio.to_thread
from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.authentication import authenticate
from api.problem_types import ProblemType
from api.problems import MOST_ENTRIES, Problem, field_error

LARGEST_ORDINARY_BYTES: Final = 65_536
"""Largest JSON body where no field holds a long list, and the largest that is parsed on the event loop."""

_MOST_FIELDS: Final = 100
_MOST_PAIRS: Final = 10_000
"""Most colons in a body, which stand in every field: many fields take long to parse, and no other thread runs then."""

_MOST_CONTAINERS: Final = 1_000
"""Most lists and objects in a body. Long lists of numbers or names are cheap to parse, and many small lists are not."""


class JsonBodyRoute(APIRoute):
    """Route that checks, in this order: the API key, the declared type of the body, its structure, and its fields."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route; one without a JSON body is that of FastAPI."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle
        known = tuple(getattr(self.body_field.field_info.annotation, "model_fields", ()))

        async def check_and_handle(request: Request) -> Response:
            await authenticate(request)
            _check_media_type(request)
            body = await request.body()
            if len(body) > LARGEST_ORDINARY_BYTES:
                value = await anyio.to_thread.run_sync(parse_body, body, known)
            else:
                value = parse_body(body, known) if body else None  # an empty one is refused as missing
            return await handle(_ParsedRequest(request, body, value))

        return check_and_handle


class _ParsedRequest(Request):
    """Request with a body that was read and parsed before.

    Args:
        request: the request as it came.
        body: its body.
        value: the value of this JSON document.
    """

    def __init__(self, request: Request, body: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._whole = body
        self._value = value

    async def body(self) -> bytes:
        return self._whole

    async def json(self) -> Any:
        return self._value


def parse_body(body: bytes, known: Sequence[str]) -> Any:
    """Parse a JSON body.

    Args:
        body: the JSON document.
        known: names of the fields that the route takes.

    Raises:
        Problem: 400, it is not JSON, or has too many lists, objects and fields; 422, it has too many fields.
    """
    containers = body.count(b"[") + body.count(b"{")
    if containers > _MOST_CONTAINERS:
        raise Problem(
            ProblemType.BODY_NOT_JSON,
            f"The body has {containers:,} opening brackets; expected at most {_MOST_CONTAINERS:,} lists and objects.",
        )
    pairs = body.count(b":")
    if pairs > _MOST_PAIRS:
        raise Problem(
            ProblemType.BODY_NOT_JSON, f"The body has {pairs:,} colons; expected at most {_MOST_PAIRS:,} fields."
        )
    try:
        value = json.loads(body)
    except json.JSONDecodeError as error:
        raise Problem(
            ProblemType.BODY_NOT_JSON, f"The body is not JSON: {error.msg} (character {error.pos})."
        ) from error
    except (ValueError, RecursionError) as error:
        raise Problem(
            ProblemType.BODY_NOT_JSON,
            "The body is not JSON that can be read: not UTF-8, nested too deeply, or with an enormous number.",
        ) from error
    if isinstance(value, dict) and len(value) > _MOST_FIELDS:
        _refuse_fields(value, known)
    return value


def _refuse_fields(fields: Mapping[str, Any], known: Sequence[str]) -> None:
    unknown = [name for name in fields if name not in known]
    expected = f"expected {', '.join(known)}"
    raise Problem(
        ProblemType.REQUEST_INVALID,
        f"The body has {len(unknown):,} unknown fields; {expected}.",
        errors=[field_error(name[:80], f"unknown field; {expected}", fields[name]) for name in unknown[:MOST_ENTRIES]],
        error_count=len(unknown),
    )


def _check_media_type(request: Request) -> None:
    given = request.headers.get("Content-Type", "")
    if given.partition(";")[0].strip().lower() != "application/json":
        raise Problem(
            ProblemType.BODY_NOT_DECLARED_JSON,
            f"Content-Type is {given[:80]!r}; expected application/json.",
            headers={"Accept": "application/json"},
        )
