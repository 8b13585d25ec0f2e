"""Routes to sign in with an API key, a ticket or the word of a trusted proxy, and to sign out."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from api.access.key_turns import REFUSAL_S
from api.access.proxy_users import find_proxy_user
from api.access.sessions import COOKIE, LIFETIME
from api.dependencies import ServiceDep
from api.studio.forms import NO_ERRORS, FieldErrors, check_origin
from api.studio.page_route import PageRoute, ReaderDep
from api.studio.pages import HOME, SIGN_IN, render
from api.studio.words import translate as _
from core.errors import ConfigError

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Next = Annotated[str, Query(max_length=2_000)]


@router.get(SIGN_IN)
def show_sign_in(
    request: Request,
    service: ServiceDep,
    next: Next = HOME,  # noqa: A002  name in the URL
    ticket: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Begin a session for a ticket, or show the form for an API key; without keys there is nothing to sign in to."""
    target = _check_target(next)
    if service.settings.without_keys:
        return RedirectResponse(target, 303)
    if not ticket:
        return _render_form(request, target)
    key = service.tickets.redeem(ticket)
    if key is None:
        if service.sessions.find_caller(request.cookies.get(COOKIE, ""), find_proxy_user(request)) is not None:
            return RedirectResponse(target, 303, {"Referrer-Policy": "no-referrer"})  # the address was opened again
        message = _(
            "This address works once, within two minutes after “gestaltgen studio” was started, and does not work any "
            "more. For a new address, press Ctrl-C in the terminal of that command, and start it again: what you have "
            "made is kept. With an API key you can sign in here."
        )
        return _render_form(request, target, 403, FieldErrors(others=(message,)))
    return _begin_session(request, target, service.sessions.begin(key))


@router.post(SIGN_IN)
async def sign_in(request: Request, service: ServiceDep) -> Response:
    """Begin a session for the key of the form, or for the user whom a proxy has signed in."""
    check_origin(request)
    form = await request.form(max_files=0, max_fields=10)
    target, user = _check_target(str(form.get("next", HOME))), find_proxy_user(request)
    if user is not None and "key" not in form:
        try:
            token = await anyio.to_thread.run_sync(service.sessions.begin_for_user, user)
        except ConfigError as error:
            return _render_form(request, target, 403, FieldErrors(others=(str(error),)))
        return _begin_session(request, target, token)
    caller = await anyio.to_thread.run_sync(service.api_keys.find_caller, str(form.get("key", "")).strip()[:200])
    if caller is None:
        await anyio.sleep(REFUSAL_S)
        message = _("This API key is unknown, past its end, or revoked. Ask whoever runs the service for one.")
        return _render_form(request, target, 422, FieldErrors({"key": message}))
    return _begin_session(request, target, await anyio.to_thread.run_sync(service.sessions.begin, caller.key))


@router.post("/studio/sign-out")
async def sign_out(request: Request, service: ServiceDep, reader: ReaderDep) -> Response:
    """End the session."""
    await anyio.to_thread.run_sync(service.sessions.end, request.cookies.get(COOKIE, ""))
    answer = RedirectResponse(SIGN_IN, 303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def _render_form(request: Request, target: str, status: int = 200, errors: FieldErrors = NO_ERRORS) -> Response:
    user = find_proxy_user(request)
    return render(request, "sign_in.html", status=status, target=target, user=user, errors=errors)


def _begin_session(request: Request, target: str, token: str) -> Response:
    """Lead to a page with the cookie of a session; behind TLS the browser sends it over TLS only."""
    answer = RedirectResponse(target, 303, {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"})
    answer.set_cookie(
        COOKIE,
        token,
        max_age=int(LIFETIME / timedelta(seconds=1)),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


def _check_target(target: str) -> str:
    """Return the page to go on to: one of the studio, whatever an address says."""
    parts = urlsplit(target)
    inside = not parts.scheme and not parts.netloc and (parts.path == HOME or parts.path.startswith(f"{HOME}/"))
    return target if inside and "\\" not in target else HOME
