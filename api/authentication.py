"""Authentication: finds out who sends a request, by its API key or by the session of the studio."""

from __future__ import annotations

from typing import Final

import anyio.to_thread
from fastapi import Request

from api.access.api_keys import ANYONE, Caller
from api.access.body_limit import PAGES
from api.access.proxy_users import find_proxy_user
from api.access.sessions import COOKIE
from api.problem_types import ProblemType
from api.problems import Problem
from api.resources import Resources

CALLER_IN_STATE: Final = "caller"
"""Name under which the state of a request has its caller, once it is known."""

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="gestaltgen"'}


async def authenticate(request: Request) -> None:
    """Find the caller whom the API key of a request names, and the limits of its owner, for `RequireScope`.

    Raises:
        Problem: 401, there is no key, or it is not valid.
    """
    service: Resources = request.app.state.service
    if service.settings.without_keys and service.tenants.remembers(ANYONE.owner):
        identify_caller(request, service)
    else:
        await anyio.to_thread.run_sync(_look_up, request, service)


def _look_up(request: Request, service: Resources) -> None:
    service.tenants.limits(identify_caller(request, service).owner)  # which then are remembered


def identify_caller(request: Request, service: Resources) -> Caller:
    """Return the caller of a request; a key is looked up once.

    Raises:
        Problem: 401, there is no key, or it is not valid.
    """
    known: Caller | None = getattr(request.state, CALLER_IN_STATE, None)
    if known is None:
        known = _find_caller(request, service)
        setattr(request.state, CALLER_IN_STATE, known)
    return known


def _may_carry_session(request: Request) -> bool:
    """Return whether a session may stand in place of an API key: nothing is changed, or a page checks its form."""
    return request.method in ("GET", "HEAD") or request.url.path.startswith(PAGES)


def _find_caller(request: Request, service: Resources) -> Caller:
    if service.settings.without_keys:
        return ANYONE
    if "Authorization" not in request.headers and COOKIE in request.cookies and _may_carry_session(request):
        caller = service.sessions.find_caller(request.cookies[COOKIE], find_proxy_user(request))
        if caller is None:
            raise Problem(
                ProblemType.API_KEY_INVALID,
                "This session is over, or its API key is: sign in again.",
                headers=_CHALLENGE,
            )
        return caller
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Problem(
            ProblemType.API_KEY_MISSING,
            "An API key is needed: send `Authorization: Bearer KEY`; `gestaltgen keys create` makes one.",
            headers=_CHALLENGE,
        )
    caller = service.api_keys.find_caller(secret.strip())
    if caller is None:
        raise Problem(
            ProblemType.API_KEY_INVALID,
            "This API key is unknown, past its end, or revoked; ask for a new one.",
            headers=_CHALLENGE,
        )
    return caller
