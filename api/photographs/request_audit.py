"""Audit of requests: what a request does with photographs is recorded before its answer is sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final, cast

import anyio.to_thread
from fastapi import Depends, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.api_keys import Caller
from api.photographs.audit.entries import Outcome, Purpose
from api.photographs.audit.record import AuditRecord
from api.problem_types import ProblemType
from api.problems import Problem
from core.errors import AuditError

_IN_SCOPE: Final = "request_audit"
_log = logging.getLogger("gestaltgen.audit")


class RequestAudit:
    """Records what one request does with photographs. Nothing is recorded of a request without a known caller.

    Attributes:
        photos: purposes of the photographs by their ids.
    """

    def __init__(self) -> None:
        self.photos: dict[str, Purpose] = {}
        self._subject: tuple[AuditRecord, Caller, str] | None = None

    def follow(self, audit: AuditRecord, caller: Caller, action: str) -> None:
        """Set the caller and the action that are recorded."""
        self._subject = audit, caller, action

    def touch(self, photos: Mapping[str, Purpose]) -> None:
        """Add photographs that the request concerns."""
        self.photos.update(photos)

    def begin(self) -> None:
        """Record that something is about to be stored, made or erased.

        Raises:
            AuditError: it cannot be recorded, and so must not be done.
        """
        self.record("begun")

    def record(self, outcome: Outcome) -> None:
        """Record an outcome.

        Raises:
            AuditError: it cannot be recorded.
        """
        if self._subject is not None:
            audit, caller, action = self._subject
            audit.record(caller, action, self.photos, outcome)


def find_request_audit(request: Request) -> RequestAudit:
    """Return the audit of a request, which `RequestAuditMiddleware` made."""
    return cast(RequestAudit, request.scope["state"][_IN_SCOPE])


RequestAuditDep = Annotated[RequestAudit, Depends(find_request_audit)]


class RequestAuditMiddleware:
    """Records the outcome of each request that concerns photographs, before its answer begins; or answers 503.

    Args:
        app: the application that the requests are passed to.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_audit = scope.setdefault("state", {})[_IN_SCOPE] = RequestAudit()
        answered = withheld = False

        async def end(outcome: Outcome) -> None:
            nonlocal answered, withheld
            answered = True
            if not request_audit.photos:  # nothing is written, so that no thread is needed
                return
            try:
                await anyio.to_thread.run_sync(partial(request_audit.record, outcome))
            except AuditError as error:
                _log.error("an answer is withheld: %s", error)
                withheld = True
                await Problem(ProblemType.AUDIT_UNAVAILABLE, str(error)).response(scope["path"])(scope, receive, send)

        async def record_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await end(_outcome_of_status(message["status"]))
            if not withheld:
                await send(message)

        try:
            await self._app(scope, receive, record_and_send)
        except Exception:
            if not answered:
                await end("failed")
            raise


def _outcome_of_status(status: int) -> Outcome:
    if status < 400:
        return "done"
    return "refused" if status < 500 else "failed"
