"""Requests to stop: SIGTERM and Ctrl-C, noted so that a loop can end where it likes."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


_ECHO_S: Final = 1.0
"""A signal repeated within this time is the same request: torchrun passes on a Ctrl-C that its processes had too."""


class StopRequest:
    """Notes whether a stop was requested. A second signal, a second later or more, ends the process as usual."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._noted_at = 0.0

    def __bool__(self) -> bool:
        return self.signal is not None

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Note signals while the context is open; works in the main thread only."""
        before = {number: signal.getsignal(number) for number in _SIGNALS}

        def note(number: int, frame: FrameType | None) -> None:
            if self.signal is None:
                self.signal, self._noted_at = signal.Signals(number), time.monotonic()
            elif time.monotonic() - self._noted_at >= _ECHO_S:
                restore()
                signal.raise_signal(number)

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        for number in _SIGNALS:
            signal.signal(number, note)
        try:
            yield
        finally:
            restore()


@contextmanager
def interrupt_on_terminate() -> Iterator[None]:
    """Make SIGTERM end the program as Ctrl-C does, so that no process that it started outlives it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
