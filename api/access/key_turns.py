"""Turns of API keys: a few requests of each key are answered at a time, so that a flood holds up only its own key."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

AT_ONCE: Final = 2
"""Requests of one key that are answered at a time. Each more makes a request of another key wait longer, by the time
that it computes."""

HELD_S: Final = 0.5
"""Longest time for which a request holds its place: one that takes longer mostly waits, or makes a large file."""

REFUSAL_S: Final = 0.05
"""Time for which an answer that cost nothing, such as that to an unknown key, holds its place: who floods the service
with such requests sends few of them."""

_REFUSED: Final = frozenset({401, 413, 429})

_PATHS: Final = ("/v1/", "/studio")
_FREE: Final = "/studio/static/"


class _Turn:
    """Place of one request among those of its key, which it leaves once."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._left = False

    def leave(self) -> None:
        if not self._left:
            self._left = True
            self._places.release()


_turn: Final = ContextVar[_Turn | None]("turn", default=None)


def leave_turn() -> None:
    """Let the next request of the same key begin: the current one is counted elsewhere from now on, or waits."""
    if (turn := _turn.get()) is not None:
        turn.leave()


class KeyTurns:
    """ASGI middleware that answers a few requests of each key at a time; further ones wait, first come, first served.

    A request leaves its place when its answer begins, with `leave_turn`, or after some time. A cookie counts as a key,
    and requests with neither share the places of one. Nothing is looked up, so that a request that waits costs nothing.

    Args:
        app: the application behind it.
        at_once: requests of one key.
        held_s: longest time for which a request holds its place.
    """

    def __init__(self, app: ASGIApp, at_once: int = AT_ONCE, held_s: float = HELD_S) -> None:
        self._app = app
        self._at_once = at_once
        self._held_s = held_s
        self._places: dict[bytes, asyncio.Semaphore] = {}
        self._requests: dict[bytes, int] = {}

    @property
    def keys_in_progress(self) -> int:
        """Number of keys of which something is remembered, because requests of theirs are in progress."""
        return len(self._requests.keys() | self._places.keys())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _takes_turns(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        key = headers.get(b"authorization") or headers.get(b"cookie", b"")
        places = self._places.setdefault(key, asyncio.Semaphore(self._at_once))
        self._requests[key] = self._requests.get(key, 0) + 1
        try:
            await places.acquire()
            await self._answer(_Turn(places), scope, receive, send)
        finally:
            self._requests[key] -= 1
            if not self._requests[key]:
                del self._requests[key], self._places[key]

    async def _answer(self, turn: _Turn, scope: Scope, receive: Receive, send: Send) -> None:
        async def leave_and_send(message: Message) -> None:
            if message.get("status") in _REFUSED:
                await asyncio.sleep(REFUSAL_S)
            turn.leave()
            await send(message)

        _turn.set(turn)
        end = asyncio.get_running_loop().call_later(self._held_s, turn.leave)
        try:
            await self._app(scope, receive, leave_and_send)
        finally:
            end.cancel()
            turn.leave()


def _takes_turns(path: str) -> bool:
    return path.startswith(_PATHS) and not path.startswith(_FREE)
