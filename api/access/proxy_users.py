"""Users whom a trusted proxy has signed in, and the scheme by which they reached it.

Both stand in headers, which anybody can send. They count only in requests whose connection comes from the address of a
proxy that the settings name; in others the scheme is that of the connection, and there is no user.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

_IN_STATE: Final = "proxy_user"


class ProxyUsers:
    """ASGI middleware that reads what trusted proxies say of a request.

    Args:
        app: the application behind it.
        proxies: networks of the proxies.
        user_header: header with the name of the user; None: proxies sign in nobody.
    """

    def __init__(
        self, app: ASGIApp, proxies: Collection[IPv4Network | IPv6Network], user_header: str | None = None
    ) -> None:
        self._app = app
        self._proxies = tuple(proxies)
        self._user_header = user_header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._is_trusted(scope["client"]):
            headers = Headers(scope=scope)
            if (scheme := headers.get("x-forwarded-proto", "").strip()) in ("http", "https"):
                scope["scheme"] = scheme
            names = [] if self._user_header is None else headers.getlist(self._user_header)
            if len(names) == 1:  # a second one may be what the browser sent
                scope.setdefault("state", {})[_IN_STATE] = names[0].strip()
        await self._app(scope, receive, send)

    def _is_trusted(self, client: tuple[str, int] | None) -> bool:
        """Return whether a connection comes from a proxy; one without an address, as of a socket file, does not."""
        try:
            address = ip_address(client[0] if client else "")
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._proxies)


def find_proxy_user(request: Request) -> str | None:
    """Return the name of the user whom a trusted proxy has signed in, as it sent it; None if there is none."""
    return getattr(request.state, _IN_STATE, None) or None
