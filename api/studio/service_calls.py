"""Requests of pages to the routes under /v1, which the application answers itself, in process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from typing import Any, Final

import httpx
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.api_keys import Caller
from api.access.key_turns import leave_turn
from api.authentication import CALLER_IN_STATE
from api.problem_types import ProblemType
from api.problems import Problem
from api.studio.forms import ONCE

_BLOCK_BYTES: Final = 262_144


async def call_service(
    request: Request,
    method: str,
    path: str,
    *,
    json: Any = None,
    content: bytes | UploadFile | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Send a request to a route of the service as the caller of a page, who must be known.

    A form with `forms.once_field()` in its template is answered once, however often it is sent: its token is the
    Idempotency-Key of the request, for the routes that know it.

    Args:
        request: the request of the page.
        method, path: of the route, such as POST and `/v1/image-sets`.
        json: body as JSON.
        content: body as bytes, or as a file of the form, which is read in pieces.
        headers: further headers, in letters of ISO 8859-1.
    """
    caller: Caller = getattr(request.state, CALLER_IN_STATE)
    leave_turn()  # or two pages of one session could wait for each other
    transport = httpx.ASGITransport(_CallerApplication(request.app, caller), raise_app_exceptions=False)
    sent = {"Host": request.headers.get("Host", "localhost"), "Cookie": request.headers.get("Cookie", "")}
    if method == "POST" and (once := (await request.form()).get(ONCE)):
        about = sha256(repr((once, path, json, headers)).encode())  # a form that was changed since is another one
        async for block in _read_blocks(content):
            about.update(block)
        sent["Idempotency-Key"] = f"studio {about.hexdigest()}"
    encoded = httpx.Headers(sent | dict(headers or {}), encoding="latin-1")
    body = _read_blocks(content) if isinstance(content, UploadFile) else content
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", trust_env=False) as client:
        return await client.request(method, path, json=json, content=body, headers=encoded)


async def _read_blocks(content: bytes | UploadFile | None) -> AsyncIterator[bytes]:
    """Yield a body in pieces; a file is copied piece by piece, because photographs are large."""
    if isinstance(content, UploadFile):
        await content.seek(0)
        while block := await content.read(_BLOCK_BYTES):
            yield block
    elif content:
        yield content


def check_answer(answer: httpx.Response) -> httpx.Response:
    """Return an answer of the service that is not a problem.

    Raises:
        Problem: the one that the service answered with.
    """
    if answer.is_error:
        raise read_problem(answer)
    return answer


def read_problem(answer: httpx.Response) -> Problem:
    """Return the problem that the service answered with."""
    document = answer.json()
    kind = next((one for one in ProblemType if one.uri == document["type"]), ProblemType.OTHER)
    return Problem(
        kind,
        document["detail"],
        errors=document.get("errors", ()),
        error_count=document.get("error_count", 0),
        headers={name: answer.headers[name] for name in ("Retry-After",) if name in answer.headers},
        status=answer.status_code,
    )


class _CallerApplication:
    """The application for requests whose caller is known already.

    Args:
        app: the application.
        caller: of all requests.
    """

    def __init__(self, app: ASGIApp, caller: Caller) -> None:
        self._app = app
        self._caller = caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {CALLER_IN_STATE: self._caller}
        await self._app(scope, receive, send)
