"""Signals that jobs end, for requests that wait for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_POLL_S: Final = 0.05
_REST_S: Final = 0.25


class JobEnds:
    """Signals of jobs that end in this process.

    A signal comes shortly before the queue has recorded the end, and none comes from another process, so that whoever
    waits has to look at the job too: often after a signal, and otherwise every `poll_s`.

    Args:
        shared: whether other processes run jobs too.
    """

    def __init__(self, *, shared: bool) -> None:
        self.poll_s = _POLL_S if shared else _REST_S
        self._lock = threading.Lock()
        self._listeners: list[tuple[str, asyncio.Event, asyncio.AbstractEventLoop]] = []

    @contextmanager
    def listen(self, subject: str) -> Iterator[asyncio.Event]:
        """Return an event of the running loop that is set whenever a job of a subject ends, within the block."""
        listener = subject, asyncio.Event(), asyncio.get_running_loop()
        with self._lock:
            self._listeners.append(listener)
        try:
            yield listener[1]
        finally:
            with self._lock:
                self._listeners.remove(listener)

    def announce(self, subject: str) -> None:
        """Signal that a job of a subject ends; any thread may call this."""
        with self._lock:
            for name, event, loop in self._listeners:
                if name == subject:
                    loop.call_soon_threadsafe(event.set)
