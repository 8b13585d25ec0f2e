"""Protection of a service without keys from web pages: only requests for this machine, and not from other sites."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problem_types import ProblemType
from api.problems import Problem


class LocalRequests:
    """ASGI middleware that answers 403 to requests for other hosts (DNS rebinding) and from other sites.

    Args:
        app: the application behind it.
        hosts: names under which the service may be reached.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_local(Headers(scope=scope)):
            problem = Problem(
                ProblemType.SITE_REFUSED,
                "The service runs without keys and answers only requests for this machine that no other site sends; "
                "add the host to GESTALTGEN_ALLOWED_HOSTS, or use keys.",
            )
            await problem.response(scope["path"])(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_local(self, headers: Headers) -> bool:
        host, origin = headers.get("host", ""), headers.get("origin")
        return (
            _find_name(f"//{host}") in self._hosts
            and (origin is None or origin.partition("://")[2] == host)
            and headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        )


def _find_name(url: str) -> str | None:
    """Return the name of a URL's host; None if it has none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
