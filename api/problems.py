"""Errors as problem+json (RFC 9457): the one place where what went wrong meets a status code."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from core import errors

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[tuple[tuple[type[errors.GestaltError], int], ...]] = (
    (errors.RequestError, 422),
    (errors.LabelError, 422),
    (errors.ConfigError, 422),
    (errors.ImageError, 422),
    (errors.CheckpointError, 503),
    (errors.AuditError, 503),
    (errors.StorageError, 503),
    (errors.GestaltError, 500),
)
"""Status of each class of the tree in core.errors; the first that fits counts."""

Reason = Literal[
    "malformed",
    "no_key",
    "other_scope",
    "not_found",
    "other_method",
    "too_slow",
    "not_possible_now",
    "too_large",
    "media_type",
    "range",
    "invalid",
    "bad_picture",
    "too_many_jobs",
    "too_many_images",
    "too_many_requests",
    "no_room",
    "failure",
    "queue_full",
    "busy",
    "loading",
    "broken_model",
    "database",
    "other",
]
"""Why a request is refused, in the few words that metrics are told apart by."""

_REASONS: Final[Mapping[int, Reason]] = {
    400: "malformed",
    401: "no_key",
    403: "other_scope",
    404: "not_found",
    405: "other_method",
    408: "too_slow",
    409: "not_possible_now",
    413: "too_large",
    415: "media_type",
    416: "range",
    422: "invalid",
    429: "too_many_jobs",
    500: "failure",
    503: "broken_model",
}
"""What a status means where nothing else is said."""

_REFUSED: Final = "gestaltgen.refused"
_LONGEST_VALUE: Final = 200


class Problem(Exception):  # noqa: N818  the word of RFC 9457
    """A refusal with its status code.

    Args:
        status: HTTP status code.
        detail: the value, what is accepted and the remedy, for a person.
        errors: one entry for each field at fault.
        headers: extra response headers, such as Retry-After.
        title: what kind of problem; None takes the status phrase.
        reason: for metrics; None takes what the status usually means.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        title: str | None = None,
        reason: Reason | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.title = title or HTTPStatus(status).phrase
        self.reason: Reason = reason or _REASONS.get(status, "other")

    def response(self, instance: str) -> Response:
        """The problem document; `instance` is the path that was asked for."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.errors:
            document["errors"] = self.errors
        body = json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
        return Response(body, self.status, self.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every refusal of `app`, whoever raises it, a problem document."""

    async def refuse(request: Request, error: Exception) -> Response:
        problem = problem_of(error, request)
        request.scope[_REFUSED] = problem.reason
        return problem.response(request.url.path)

    for kind in (Problem, errors.GestaltError, RequestValidationError, HTTPException, OperationalError, Exception):
        app.add_exception_handler(kind, refuse)


def reason_in(scope: Mapping[str, Any], status: int) -> Reason | None:
    """Why the request of an ASGI scope was refused; None if it was not."""
    if status < HTTPStatus.BAD_REQUEST:
        return None
    reason: Reason = scope.get(_REFUSED) or _REASONS.get(status, "other")
    return reason


def problem_of(error: Exception, request: Request) -> Problem:
    """The problem that tells a caller about an exception."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, errors.GestaltError):
        return _of_ours(error)
    if isinstance(error, RequestValidationError):
        return _of_validation(error, request)
    if isinstance(error, HTTPException):
        return _of_http(error, request)
    if isinstance(error, OperationalError):
        return Problem(
            503, "The database cannot be used now; try again.", headers={"Retry-After": "2"}, reason="database"
        )
    return Problem(500, "The service failed; its log says why. The request may be sent again.")


def field_error(field: str, message: str, value: Any = None, **accepted: Any) -> dict[str, Any]:
    """An entry of a problem's `errors`: the field, its value as far as JSON can show it, what is accepted."""
    return {"field": field, "value": _shown(value), "message": message} | accepted


def of_request(error: errors.RequestError, asked: Mapping[str, Any], accepted: Mapping[str, Any]) -> Problem:
    """A refused image set: the field at fault, its value, and the names that it accepts, if any."""
    known = {"accepted": accepted[error.field]} if error.field in accepted else {}
    entry = field_error(error.field, str(error), asked.get(error.field), **known)
    return Problem(422, f"{error.field}: {error}", errors=[entry])


def _of_ours(error: errors.GestaltError) -> Problem:
    status = next(code for kind, code in STATUS if isinstance(error, kind))
    if isinstance(error, errors.RequestError):
        return of_request(error, {}, {})
    return Problem(status, str(error))


def _of_http(error: HTTPException, request: Request) -> Problem:
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"Nothing is at {request.url.path}; /openapi.json lists what is, /docs explains it."
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        detail = f"{request.method} is not possible on {request.url.path}; it accepts {allowed}."
    elif error.status_code == 400:
        detail = "The body is no JSON that can be read: cut off, nested too deeply, or with an enormous number."
    return Problem(error.status_code, detail, headers=error.headers)


def _of_validation(error: RequestValidationError, request: Request) -> Problem:
    found = error.errors()
    broken = next((e for e in found if e["type"] == "json_invalid"), None)
    if broken is not None:
        reason = broken.get("ctx", {}).get("error", "broken")
        return Problem(400, f"The body is not JSON: {reason} (character {broken['loc'][-1]}).")
    known = _known_fields(request)
    entries = [_validation_entry(e, known) for e in found]
    detail = "; ".join(f"{e['field']}: {e['message']}" for e in entries[:5])
    return Problem(422, detail, errors=entries)


def _known_fields(request: Request) -> tuple[str, ...]:
    """Names of the fields of the body that a route takes."""
    body = getattr(request.scope.get("route"), "body_field", None)
    return tuple(getattr(body.field_info.annotation, "model_fields", ())) if body is not None else ()


def _validation_entry(error: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    location = [str(part) for part in error["loc"]]
    field = ".".join(location[1:]) or location[0]
    value = error.get("input")
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the fields are {', '.join(known)}"
        return field_error(field, f"unknown field {field!r}; {hint}", value, accepted=list(near or known))
    if error["type"] == "missing" and location == ["body"]:
        return field_error(field, 'the body is empty; expected a JSON object such as {"kind": "unrelated"}')
    if error["type"] == "missing":
        return field_error(field, "is missing")
    message = str(error["msg"]).replace("Input should be", "expected", 1)
    message = f"{message}, got {json.dumps(_shown(value), ensure_ascii=False)}"
    accepted = {k: _shown(v) for k, v in error.get("ctx", {}).items() if k in ("ge", "gt", "le", "lt", "expected")}
    return field_error(field, message, value, **({"accepted": accepted} if accepted else {}))


def _shown(value: Any) -> Any:
    """The value itself if JSON can carry it and it is short, else its text, cut."""
    if isinstance(value, int) and value.bit_length() > _LONGEST_VALUE:
        return "an enormous integer"
    try:
        if len(json.dumps(value, allow_nan=False)) <= _LONGEST_VALUE:
            return value
    except (TypeError, ValueError, RecursionError):
        pass
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
