"""Forms of pages: protection from forged requests, and the service's errors beside the fields that they name."""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartParser

from api.access.sessions import COOKIE
from api.problem_types import ProblemType
from api.problems import Problem
from api.resources import Resources

MultiPartParser.spool_max_size = 0
"""Files of forms stay in memory, whatever their size: a photograph must not lie on a disk unencrypted."""

CSRF: Final = "csrf"
"""Name of the hidden field with the token against forged requests."""


ONCE: Final = "once"
"""Name of the hidden field with the token of one filling in of a form."""


@dataclass(frozen=True)
class FieldErrors:
    """Errors of a form, in the service's words.

    Attributes:
        by_field: message of each field at fault.
        others: messages that belong to no field.
    """

    by_field: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    @classmethod
    def of_problem(cls, problem: Problem, fields: Iterable[str]) -> Self:
        """Return the errors of a problem.

        Args:
            problem: answer of the service.
            fields: names of the fields that the form has; a message for another one is for the whole form.
        """
        known, by_field, others = set(fields), dict[str, str](), list[str]()
        for entry in problem.errors:
            name = str(entry["field"]).partition(".")[0]
            if name in known:
                by_field.setdefault(name, str(entry["message"]))
            else:
                others.append(f"{entry['field']}: {entry['message']}")
        return cls(by_field, tuple(others) if problem.errors else (problem.detail,))

    def of(self, name: str) -> str:
        """Return the message of a field; empty if it has none."""
        return self.by_field.get(name, "")

    def __bool__(self) -> bool:
        return bool(self.by_field or self.others)


NO_ERRORS: Final = FieldErrors()


async def check_form(request: Request) -> None:
    """Read the form of a request, which keeps it, and check that a page of the same session sent it.

    Raises:
        Problem: 403, another site sent it, or its token is not that of the session.
    """
    check_origin(request)
    form = await request.form(max_files=3, max_fields=1_000)
    service: Resources = request.app.state.service
    expected = service.sessions.derive_csrf_token(request.cookies.get(COOKIE, ""))
    if not hmac.compare_digest(str(form.get(CSRF, "")).encode(), expected.encode()):
        raise Problem(
            ProblemType.FORM_REFUSED,
            "The form is not of this session: it was opened before you signed in again. Open its page anew, and send "
            "it again.",
        )


def check_origin(request: Request) -> None:
    """Check that a page of this service sent a request, and not one of another site.

    Raises:
        Problem: 403.
    """
    origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
    foreign = origin is not None and urlsplit(origin).netloc != host
    if foreign or request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Problem(
            ProblemType.FORM_REFUSED,
            f"The form was sent from {(origin or 'another site')[:80]!r}; expected a page of {host[:80]!r}. Behind a "
            "proxy, let it pass on the Host header.",
        )


def keep_values(form: FormData) -> dict[str, Any]:
    """Return the values of a form, to be shown again: one text, or a list where a name stands several times."""
    values: dict[str, Any] = {}
    for name in form:
        texts = [one for one in form.getlist(name) if isinstance(one, str)]
        values[name] = texts[0] if len(texts) == 1 else texts
    return values


def read_number(text: str) -> int | float | str:
    """Return the finite number that a text is, or the text: the service then says what it expects."""
    try:
        number = int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return text
    return number if isinstance(number, int) or math.isfinite(number) else text
