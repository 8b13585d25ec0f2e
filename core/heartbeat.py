"""Lines of a long command that has nothing else to print, so that its log shows that it is still working."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import Final

SILENCE_S: Final = 10.0
"""Seconds after which a silent command prints a line."""


class Heartbeat:
    """A thread that names the current activity whenever nothing was printed for some seconds.

    Args:
        say: prints one line; it is called by the thread.
        silence_s: seconds without a line after which one is printed.
    """

    def __init__(self, say: Callable[[str], None], silence_s: float = SILENCE_S) -> None:
        self._say, self._silence_s = say, silence_s
        self._activity = "starting"
        self._began = self._printed = time.monotonic()

    def begin(self, activity: str) -> None:
        """Name what the command does from now on, for example "saving a snapshot"."""
        self._activity, self._began = activity, time.monotonic()

    def note_line(self) -> None:
        """Record that the command has printed a line of its own."""
        self._printed = time.monotonic()

    @contextmanager
    def run(self) -> Iterator[None]:
        """Print while the context is open."""
        ended = Event()

        def watch() -> None:
            while not ended.wait(max(0.0, self._printed + self._silence_s - time.monotonic())):
                now = time.monotonic()
                if now - self._printed >= self._silence_s:
                    self._printed = now
                    self._say(f"{self._activity}: {timedelta(seconds=round(now - self._began))} so far")

        thread = Thread(target=watch, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
