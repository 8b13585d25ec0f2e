"""Limits of request bodies: the largest size and the longest time to send one, enforced while they stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import anyio
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problem_types import ProblemType
from api.problems import Problem

PAGES: Final = "/studio/"
"""Beginning of the paths of pages: their forms carry a token of the session, and they answer problems themselves."""


class BodyLimit:
    """ASGI middleware that answers 413 to a body above a limit, declared or not, and 408 to one that takes too long.

    Args:
        app: the application behind it.
        limit_of: returns the largest body of a path, in bytes.
        seconds: longest time from the first to the last byte.
    """

    def __init__(self, app: ASGIApp, limit_of: Callable[[str], int], seconds: float) -> None:
        self._app = app
        self._limit_of = limit_of
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most, seen = self._limit_of(scope["path"]), 0
        text = f"The body is larger than {most} bytes, the most that is accepted here."
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        too_large = declared.isdigit() and int(declared[:20]) > most
        if too_large and not scope["path"].startswith(PAGES):
            await Problem(ProblemType.BODY_TOO_LARGE, text).response(scope["path"])(scope, receive, send)
            return
        deadline, ended = time.monotonic() + self._seconds, False

        async def receive_and_count() -> Message:
            nonlocal seen, ended
            if too_large:
                raise HTTPException(413, text)
            if ended:  # what follows is the caller's going away, which may take its time
                return await receive()
            with anyio.move_on_after(deadline - time.monotonic()) as scope:
                message = await receive()
            if scope.cancelled_caught:
                raise HTTPException(408, f"The body took longer than {self._seconds:g} s; send it faster.")
            seen += len(message.get("body", b""))
            if seen > most:
                raise HTTPException(413, text)  # FastAPI lets only this one through its body parser
            ended = not message.get("more_body", False)
            return message

        await self._app(scope, receive_and_count, send)
