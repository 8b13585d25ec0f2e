"""Pages of the studio: templates with their filters, and the headers that every page has.

Scripts and styles come from files of the service only, which the Content-Security-Policy enforces.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from urllib.parse import quote

import jinja2
from fastapi import Request, Response
from markupsafe import Markup

from api.access.api_keys import Caller, Scope
from api.access.sessions import COOKIE
from api.authentication import CALLER_IN_STATE
from api.resources import Resources
from api.studio import words
from api.studio.forms import NO_ERRORS
from api.studio.markdown import render_markdown

HOME: Final = "/studio"
SIGN_IN: Final = "/studio/sign-in"

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send forms with the origin `null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every page."""


@dataclass(frozen=True)
class Link:
    """Entry of the navigation.

    Args:
        title: name of the part of the studio, in English.
        path: of its first page.
        summary: a sentence that says what it is for, in English.
        scopes: permissions of which a key needs one; empty: none.
    """

    title: str
    path: str
    summary: str = ""
    scopes: frozenset[Scope] = frozenset()

    def leads_to(self, path: str) -> bool:
        """Return whether the page of a path belongs to the part."""
        return path == self.path or (self.path != HOME and path.startswith(f"{self.path}/"))


def _mark(text: str) -> str:
    """Mark a text for the catalogue of words, which is translated where it is shown."""
    return text


def _mark_plural(one: str, many: str) -> tuple[str, str]:
    """Mark the text of a number for the catalogue of words."""
    return one, many


_UNITS: Final = {
    86_400: _mark_plural("%(count)d day", "%(count)d days"),
    3_600: _mark_plural("%(count)d hour", "%(count)d hours"),
    60: _mark_plural("%(count)d minute", "%(count)d minutes"),
    1: _mark_plural("%(count)d second", "%(count)d seconds"),
}
"""Texts of units of time, by their seconds."""

_SETS: Final = frozenset({Scope.IMAGE_SETS})
_PHOTOS: Final = frozenset({Scope.PHOTOS})
_EITHER: Final = _SETS | _PHOTOS

NAVIGATION: Final = [
    Link(_mark("Home"), HOME),
    Link(
        _mark("Image sets"),
        "/studio/image-sets",
        _mark("Make labelled sets of synthetic faces, and print or download them."),
        _SETS,
    ),
    Link(
        _mark("Explore one person"),
        "/studio/explore",
        _mark("Change age, condition and smile of a face with sliders, and keep what you find."),
        _SETS,
    ),
    Link(
        _mark("Teach"),
        "/studio/teach",
        _mark("Make sheets and quizzes of synthetic faces for your students."),
        _SETS,
    ),
    Link(
        _mark("Photographs"),
        "/studio/photographs",
        _mark("Reproduce the face on a photograph, change its smile, and erase it again."),
        _PHOTOS,
    ),
    Link(
        _mark("Studies"),
        "/studio/studies",
        _mark("Make survey packs of photographs in two versions, and analyse the answers."),
        _PHOTOS,
    ),
    Link(
        _mark("Explanations"),
        "/studio/explanations",
        _mark("See which parts of a face a classifier uses."),
        _EITHER,
    ),
    Link(
        _mark("Assessments"),
        "/studio/assessments",
        _mark("Ask whether a face is evidence for a syndrome, compared with matched controls."),
        _PHOTOS,
    ),
    Link(_mark("Jobs"), "/studio/jobs", _mark("Follow and cancel what takes longer."), _EITHER),
    Link(_mark("Models"), "/studio/models", _mark("Read the cards of the weights that draw faces."), _EITHER),
    Link(
        _mark("Conditions"),
        "/studio/conditions",
        _mark("Look up names, identifiers, genes and facial features."),
        _EITHER,
    ),
    Link(_mark("Service"), "/studio/service", _mark("See its health, your storage and your limits.")),
    Link(_mark("Keys"), "/studio/keys", _mark("Make and revoke API keys."), frozenset({Scope.ADMIN})),
    Link(_mark("Owners"), "/studio/tenants", _mark("Limit what each owner of keys may use."), frozenset({Scope.ADMIN})),
]
"""Parts of the studio in their order."""


def render(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """Render a page.

    Args:
        request: the request that it answers.
        template: file in `templates`.
        status: HTTP status code.
        context: variables of the template. It also gets `caller` (None before signing in), `scopes`, `navigation`,
            `part` (the link of the navigation that leads here, or None), `csrf`, `once`, `language` and `with_keys`.
    """
    caller: Caller | None = getattr(request.state, CALLER_IN_STATE, None)
    service: Resources = request.app.state.service
    token = request.cookies.get(COOKIE, "")
    links, path = [] if caller is None else list_links(caller), request.url.path
    content = (
        _environment()
        .get_template(template)
        .render(
            {
                "caller": caller,
                "scopes": frozenset() if caller is None else caller.scopes,
                "navigation": links,
                "part": next((link for link in links if link.leads_to(path)), None),
                "once": secrets.token_urlsafe(12),
                "csrf": service.sessions.derive_csrf_token(token),
                "language": words.current_language(),
                "with_keys": not service.settings.without_keys,
                **context,
            }
        )
    )
    return Response(content, status, HEADERS, "text/html; charset=utf-8")


def list_links(caller: Caller) -> list[Link]:
    """List the parts of the studio that a caller's key is for."""
    return [link for link in NAVIGATION if not link.scopes or link.scopes & caller.scopes]


def sign_in_path(request: Request) -> str:
    """Return the path of the page to sign in, which leads back to a request's page."""
    if request.method != "GET" or request.url.path == HOME:
        return SIGN_IN
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"{SIGN_IN}?next={quote(target, safe='')}"


def format_number(value: float) -> str:
    """Return a number with thin groups of three digits, as 12,345, and at most one digit after the point."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def format_bytes(value: float) -> str:
    """Return a size as 640 bytes, 1.5 MB."""
    if value < 1000:
        return words.translate_plural("%(count)d byte", "%(count)d bytes", int(value)) % {"count": int(value)}
    power = 1 + (value >= 1e6) + (value >= 1e9)
    value, unit = value / 1000**power, ("kB", "MB", "GB")[power - 1]
    return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"


def format_duration(seconds: float) -> str:
    """Return a time as 'less than a second', '40 seconds', '3 minutes', '5 hours', '2 days'."""
    if seconds < 1:
        return words.translate("less than a second")
    for size, (one, many) in _UNITS.items():
        if seconds >= 2 * size or size == 1:
            count = round(seconds / size)
            return words.translate_plural(one, many, count) % {"count": count}
    raise AssertionError("unreachable")


def format_date(value: datetime | str | int) -> str:
    """Return a moment as 2026-02-28 13:05 UTC.

    Args:
        value: a time, its ISO 8601 text, or milliseconds since 1970.
    """
    return f"{_read_moment(value):%Y-%m-%d %H:%M} UTC"


def mark_moment(value: datetime | str | int) -> Markup:
    """Return the element of a moment, which scripts show in the time zone of the reader; the value as `format_date`."""
    return Markup('<time datetime="{}" data-local>{}</time>').format(
        _read_moment(value).isoformat(), format_date(value)
    )


def _read_moment(value: datetime | str | int) -> datetime:
    if isinstance(value, int):
        value = datetime.fromtimestamp(value / 1000, UTC)
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("api.studio"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(words.translate, words.translate_plural, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {"no_errors": NO_ERRORS, "Scope": Scope}
    environment.filters |= {
        "number": format_number,
        "bytes": format_bytes,
        "duration": format_duration,
        "date": format_date,
        "moment": mark_moment,
        "markdown": render_markdown,
        "translate": words.translate,
    }
    return environment
