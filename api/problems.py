"""Errors as problem+json (RFC 9457): the one place where an exception meets a type of problem and a status code."""

from __future__ import annotations

import difflib
import json
import logging
import re
import reprlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.problem_types import ProblemType
from api.refusal_reasons import Reason
from core import errors

MEDIA_TYPE: Final = "application/problem+json"

TYPE_OF_ERROR: Final[tuple[tuple[type[errors.GestaltError], ProblemType], ...]] = (
    (errors.RequestError, ProblemType.REQUEST_INVALID),
    (errors.LabelError, ProblemType.REQUEST_INVALID),
    (errors.ConfigError, ProblemType.REQUEST_INVALID),
    (errors.ImageError, ProblemType.PICTURE_UNUSABLE),
    (errors.CheckpointError, ProblemType.MODEL_UNUSABLE),
    (errors.MissingPackageError, ProblemType.MODEL_UNUSABLE),
    (errors.AuditError, ProblemType.AUDIT_UNAVAILABLE),
    (errors.StorageError, ProblemType.STORAGE_UNAVAILABLE),
    (errors.GestaltError, ProblemType.INTERNAL_ERROR),
)
"""Type of problem for each class of the tree in core.errors; the first that fits counts."""

_TYPE_OF_STATUS: Final[Mapping[int, ProblemType]] = {
    400: ProblemType.BODY_NOT_JSON,
    401: ProblemType.API_KEY_MISSING,
    403: ProblemType.SCOPE_MISSING,
    404: ProblemType.PATH_NOT_FOUND,
    405: ProblemType.METHOD_NOT_ALLOWED,
    408: ProblemType.BODY_TOO_SLOW,
    409: ProblemType.IMAGE_SET_NOT_READY,
    413: ProblemType.BODY_TOO_LARGE,
    415: ProblemType.BODY_NOT_DECLARED_JSON,
    416: ProblemType.RANGE_OUTSIDE_FILE,
    422: ProblemType.REQUEST_INVALID,
    429: ProblemType.TOO_MANY_JOBS,
    500: ProblemType.INTERNAL_ERROR,
    503: ProblemType.MODEL_UNUSABLE,
}
"""Type of a problem of which only the status is known, as of those that the web framework raises."""

_REASON_IN_SCOPE: Final = "gestaltgen.refused"
_LONGEST_VALUE: Final = 200

_FOLDERS: Final = re.compile(r"(?<![\w:/.])/(?!v1/)(?:[^/\s'\"]+/)*(?=[^/\s'\"])")
_log = logging.getLogger("gestaltgen.problems")
_ENCODER: Final = json.JSONEncoder(allow_nan=False)

MOST_ENTRIES: Final = 20
"""Most entries in the `errors` of a problem; `error_count` says how many there are."""


class Problem(Exception):  # noqa: N818  the word of RFC 9457
    """A request that the service refuses, or cannot serve.

    Args:
        type: the kind of problem, which has its URI, its status and its label in the metrics.
        detail: the value, what is accepted and the remedy, for a person.
        errors: one entry for each field at fault; the answer has the first `MOST_ENTRIES`.
        error_count: number of fields at fault, if `errors` has only the first.
        headers: extra response headers, such as Retry-After.
        status: HTTP status code if it is not that of the type.
    """

    def __init__(
        self,
        type: ProblemType,  # noqa: A002  the word of RFC 9457
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        error_count: int | None = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.type = type
        self.status = type.status if status is None else status
        self.detail = detail
        self.errors = tuple(errors[:MOST_ENTRIES])
        self.error_count = len(errors) if error_count is None else error_count
        self.headers = dict(headers or {})

    @property
    def reason(self) -> Reason:
        """The label of the problem in the metrics."""
        return self.type.reason

    def response(self, instance: str) -> Response:
        """The problem document as a response; `instance` is the path of the request."""
        document: dict[str, Any] = {
            "type": self.type.uri,
            "title": self.type.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.errors:
            document |= {"errors": self.errors, "error_count": self.error_count}
        body = json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
        return Response(body, self.status, self.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every exception of `app`, whatever raises it, with a problem document."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = to_problem(error, request)
        request.scope[_REASON_IN_SCOPE] = problem.reason
        return problem.response(request.url.path)

    for kind in (Problem, errors.GestaltError, RequestValidationError, HTTPException, OperationalError, Exception):
        app.add_exception_handler(kind, answer)


def reason_in(scope: Mapping[str, Any], status: int) -> Reason | None:
    """The label under which the metrics count the refused request of an ASGI scope; None if it was not refused."""
    if status < HTTPStatus.BAD_REQUEST:
        return None
    reason: Reason | None = scope.get(_REASON_IN_SCOPE)
    return reason or _TYPE_OF_STATUS.get(status, ProblemType.OTHER).reason


def to_problem(error: Exception, request: Request) -> Problem:
    """Convert any exception to the problem that the caller is told."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, errors.GestaltError):
        return _convert_own_error(error)
    if isinstance(error, RequestValidationError):
        return _convert_validation_error(error, request)
    if isinstance(error, HTTPException):
        return _convert_http_error(error, request)
    if isinstance(error, OperationalError):
        return Problem(
            ProblemType.DATABASE_UNAVAILABLE,
            "The database cannot be used now; try again.",
            headers={"Retry-After": "2"},
        )
    return Problem(ProblemType.INTERNAL_ERROR, "The service failed; its log says why. The request may be sent again.")


def field_error(field: str, message: str, value: Any = None, **accepted: Any) -> dict[str, Any]:
    """Build an entry of a problem's `errors`: the field, its value as far as JSON can show it, what is accepted."""
    return {"field": field, "value": _shorten(value), "message": message} | accepted


def make_field_problem(field: str, message: str, value: Any = None, **accepted: Any) -> Problem:
    """Build the problem of a request of which one field is at fault; arguments as `field_error`."""
    entry = field_error(field, message, value, **accepted)
    return Problem(ProblemType.REQUEST_INVALID, f"{field}: {message}", errors=[entry])


def convert_request_error(error: errors.RequestError, asked: Mapping[str, Any], accepted: Mapping[str, Any]) -> Problem:
    """Convert the error of an image set's request: the field at fault, its value, and the accepted names, if any."""
    known: dict[str, Any] = {"accepted": accepted[error.field]} if error.field in accepted else {}
    kind = ProblemType.REQUEST_INVALID
    if isinstance(error, errors.ImageSetTooLargeError):
        kind, known = ProblemType.IMAGE_SET_TOO_LARGE, {"accepted": {"le": error.limit}}
    entry = field_error(error.field, str(error), asked.get(error.field), **known)
    return Problem(kind, f"{error.field}: {error}", errors=[entry])


async def refuse_unknown_query(request: Request) -> None:
    """Refuse a request with a query parameter that its route does not know, so that a misspelt one is not ignored.

    Raises:
        Problem: 422, with the nearest known names.
    """
    if not request.query_params:
        return
    known = _query_parameters(request)
    for name in request.query_params:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"expected {', '.join(known) or 'none'}"
            message = f"unknown query parameter {name[:80]!r}; {hint}"
            entry = field_error(name[:80], message, accepted=near or known)
            raise Problem(ProblemType.QUERY_PARAMETER_UNKNOWN, message, errors=[entry])


def _query_parameters(request: Request) -> list[str]:
    """List the query parameters of the request's route, as the OpenAPI document names them."""
    operations = request.app.openapi()["paths"].get(getattr(request.scope.get("route"), "path", ""), {})
    operation = operations.get(request.method.lower()) or operations.get("get") or {}
    return [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]


def _convert_own_error(error: errors.GestaltError) -> Problem:
    if isinstance(error, errors.RequestError):
        return convert_request_error(error, {}, {})
    kind = next(kind for known, kind in TYPE_OF_ERROR if isinstance(error, known))
    if kind.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(kind, str(error))
    _log.error("%s: %s", kind.slug, error)
    return Problem(kind, hide_folders(str(error)))


def hide_folders(text: str) -> str:
    """Return a text in which each absolute path is its last part alone; folders of the server are nobody's business."""
    return _FOLDERS.sub("", text)


def _convert_http_error(error: HTTPException, request: Request) -> Problem:
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"Nothing is at {request.url.path}; /openapi.json lists what is, /docs explains it."
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        detail = f"{request.method} is not possible on {request.url.path}; it accepts {allowed}."
    kind = _TYPE_OF_STATUS.get(error.status_code, ProblemType.OTHER)
    return Problem(kind, detail, headers=error.headers, status=error.status_code)


def _convert_validation_error(error: RequestValidationError, request: Request) -> Problem:
    details = error.errors()
    known = _body_fields(request)
    entries = [_convert_field_error(e, known) for e in details[:MOST_ENTRIES]]
    detail = "; ".join(f"{e['field']}: {e['message']}" for e in entries[:5])
    return Problem(ProblemType.REQUEST_INVALID, detail, errors=entries, error_count=len(details))


def _body_fields(request: Request) -> tuple[str, ...]:
    """List the names of the fields of the body that a route takes."""
    body = getattr(request.scope.get("route"), "body_field", None)
    return tuple(getattr(body.field_info.annotation, "model_fields", ())) if body is not None else ()


def _convert_field_error(error: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    location = [str(part) for part in error["loc"]]
    field = (".".join(location[1:]) or location[0])[:_LONGEST_VALUE]
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
    message = f"{message}, got {json.dumps(_shorten(value), ensure_ascii=False)}"
    accepted = {k: _shorten(v) for k, v in error.get("ctx", {}).items() if k in ("ge", "gt", "le", "lt", "expected")}
    return field_error(field, message, value, **({"accepted": accepted} if accepted else {}))


def _shorten(value: Any) -> Any:
    """Return the value itself if JSON can carry it and it is short, else the beginning of its text."""
    if isinstance(value, int) and value.bit_length() > _LONGEST_VALUE:
        return "an enormous integer"
    try:
        text = value if isinstance(value, str) else "".join(islice(_ENCODER.iterencode(value), _LONGEST_VALUE + 1))
    except (TypeError, ValueError, RecursionError):
        value = text = reprlib.repr(value)
    return value if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
