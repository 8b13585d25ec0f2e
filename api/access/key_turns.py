"""Turns of API keys: a few requests of each key are answered at a time, so that a flood holds up only its own key."""

from __future__ import annotations

import asyncio
import math
import time
from contextvars import ContextVar
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

AT_ONCE: Final = 2
"""Requests of one key that are answered at a time. Each more makes a request of another key wait longer, by the time
that it computes."""

HELD_S: Final = 0.5
"""Longest time for which a request holds its place: one that takes longer mostly waits, or makes a large file."""

REFUSAL_S: Final = 0.05
"""Shortest rest of a place after an answer that refuses the request, as to a broken picture or an unknown key: who
floods the service with such requests sends few of them."""

SHARED_S: Final = 1.0
"""Time after requests of two keys in which the service counts as shared, so that places rest."""

_REFUSED: Final = 400
"""Lowest status of an answer that refuses the request."""

_PATHS: Final = ("/v1/", "/studio")
_FREE: Final = "/studio/static/"


class _Places:
    """Places of one key.

    Attributes:
        free: places that no request holds.
        users: requests that are not answered yet, and places that rest.
    """

    def __init__(self, at_once: int) -> None:
        self.free = asyncio.Semaphore(at_once)
        self.users = 0


class _Turn:
    """Place of one request among those of its key, which it leaves once."""

    def __init__(self, places: _Places) -> None:
        self._places = places
        self.left = False

    def leave(self) -> None:
        if not self.left:
            self.left = True
            self._places.free.release()


_turn: Final = ContextVar[_Turn | None]("turn", default=None)


def leave_turn() -> None:
    """Let the next request of the same key begin: the current one is counted elsewhere from now on, or waits."""
    if (turn := _turn.get()) is not None:
        turn.leave()


class KeyTurns:
    """ASGI middleware that answers a few requests of each key at a time; further ones wait, first come, first served.

    A request leaves its place when it is answered, with `leave_turn`, or after some time. A cookie counts as a key, and
    requests with neither share the places of one. Nothing is looked up, so that a request that waits costs nothing.

    While the service is shared, a key of which all places are taken uses half of their time at most: a place rests for
    as long as the request before held it. Who sends one request after the other never waits.

    Args:
        app: the application behind it.
        at_once: requests of one key.
        held_s: longest time for which a request holds its place.
    """

    def __init__(self, app: ASGIApp, at_once: int = AT_ONCE, held_s: float = HELD_S) -> None:
        self._app = app
        self._at_once = at_once
        self._held_s = held_s
        self._keys: dict[bytes, _Places] = {}
        self._latest_key: bytes | None = None
        self._shared_until = -math.inf

    @property
    def keys_in_progress(self) -> int:
        """Number of keys of which something is remembered, because requests of theirs are in progress."""
        return len(self._keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _takes_turns(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        key = headers.get(b"authorization") or headers.get(b"cookie", b"")
        if self._latest_key not in (None, key):
            self._shared_until = time.monotonic() + SHARED_S
        self._latest_key = key
        places = self._keys.setdefault(key, _Places(self._at_once))
        places.users += 1
        try:
            await places.free.acquire()
            await self._answer(key, places, scope, receive, send)
        finally:
            self._leave(key, places)

    async def _answer(self, key: bytes, places: _Places, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def send_noting_refusal(message: Message) -> None:
            nonlocal refused
            refused = refused or message.get("status", 0) >= _REFUSED
            await send(message)

        turn, began = _Turn(places), time.monotonic()
        _turn.set(turn)
        end = asyncio.get_running_loop().call_later(self._held_s, turn.leave)
        try:
            await self._app(scope, receive, send_noting_refusal)
        finally:
            end.cancel()
            now, rest_s = time.monotonic(), REFUSAL_S if refused else 0.0
            if now < self._shared_until and places.free.locked():
                rest_s = max(rest_s, now - began)
            if rest_s and not turn.left:
                places.users += 1
                asyncio.get_running_loop().call_later(rest_s, self._end_rest, key, places, turn)
            else:
                turn.leave()

    def _end_rest(self, key: bytes, places: _Places, turn: _Turn) -> None:
        turn.leave()
        self._leave(key, places)

    def _leave(self, key: bytes, places: _Places) -> None:
        places.users -= 1
        if not places.users:
            del self._keys[key]


def _takes_turns(path: str) -> bool:
    return path.startswith(_PATHS) and not path.startswith(_FREE)
