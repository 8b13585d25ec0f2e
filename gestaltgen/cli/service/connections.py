"""Connections of the server, with limits on their number for each address and on the time of a request's head."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 15.0
"""Longest time that the head of a request may take."""


class BoundedConnection(H11Protocol):
    """HTTP connection that is closed if its address has too many, or if the head of a request takes too long.

    uvicorn has time limits for connections that are idle, and none for those that send half of a head.
    `bound_connections` sets the limits.
    """

    head_s: ClassVar[float]
    most_of_address: ClassVar[int]
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if sum(self._is_of_same_address(other) for other in self.connections) > self.most_of_address:
            transport.abort()
        else:
            self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_watching()

    def _is_of_same_address(self, other: object) -> bool:
        return isinstance(other, BoundedConnection) and (other.client or ("",))[0] == (self.client or ("",))[0]

    def _watch_head(self) -> None:
        """Start the deadline where a head is awaited, and stop it where a request is in progress."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_watching()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.head_s, self.transport.close)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def bound_connections(most_of_address: int, head_s: float = HEAD_S) -> type[BoundedConnection]:
    """Return the class of connections with these limits."""
    limits = {"most_of_address": most_of_address, "head_s": head_s}
    return type("LimitedConnection", (BoundedConnection,), limits)
