"""What a request does with photographs is recorded before its answer is sent, and no answer is sent without it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final, cast

import anyio.to_thread
from fastapi import Depends, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.api_keys import Caller
from api.photographs.audit import Audit, Outcome, Purpose
from api.problem_types import ProblemType
from api.problems import Problem
from core.errors import AuditError

_TRAIL: Final = "trail"
_log = logging.getLogger("gestaltgen.audit")


class RequestAudit:
    """What one request does, and with which photographs; nothing is recorded of one without a caller.

    Attributes:
        photos: purposes by id.
    """

    def __init__(self) -> None:
        self.photos: dict[str, Purpose] = {}
        self._doing: tuple[Audit, Caller, str] | None = None

    def follow(self, audit: Audit, caller: Caller, action: str) -> None:
        """Say who asks, and for what."""
        self._doing = audit, caller, action

    def touch(self, photos: Mapping[str, Purpose]) -> None:
        """It concerns these photographs too."""
        self.photos.update(photos)

    def begin(self) -> None:
        """Record that something is about to be kept, made or erased.

        Raises:
            AuditError: it cannot be recorded, and so must not be done.
        """
        self.record("begun")

    def record(self, outcome: Outcome) -> None:
        """Raises AuditError where it cannot be."""
        if self._doing is not None:
            audit, caller, action = self._doing
            audit.record(caller, action, self.photos, outcome)


def trail_of(request: Request) -> RequestAudit:
    return cast(RequestAudit, request.scope["state"][_TRAIL])


TrailDep = Annotated[RequestAudit, Depends(trail_of)]


class RequestAuditMiddleware:
    """Records how each request that touches photographs ends, when its answer begins; sends 503 where it cannot.

    Args:
        app: the application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trail = scope.setdefault("state", {})[_TRAIL] = RequestAudit()
        answered = withheld = False

        async def end(outcome: Outcome) -> None:
            nonlocal answered, withheld
            answered = True
            try:
                await anyio.to_thread.run_sync(partial(trail.record, outcome))
            except AuditError as error:
                _log.error("an answer is withheld: %s", error)
                withheld = True
                await Problem(ProblemType.AUDIT_UNAVAILABLE, str(error)).response(scope["path"])(scope, receive, send)

        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                await end(_outcome(message["status"]))
            if not withheld:
                await send(message)

        try:
            await self._app(scope, receive, recorded)
        except Exception:
            if not answered:
                await end("failed")
            raise


def _outcome(status: int) -> Outcome:
    if status < 400:
        return "done"
    return "refused" if status < 500 else "failed"
