"""Being asked to stop: SIGTERM and Ctrl-C as wishes that a loop grants when it may."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


_ECHO_S: Final = 1.0
"""A signal repeated so soon is the same wish: torchrun hands on a Ctrl-C that its processes had from the terminal."""


class StopRequest:
    """Whether a stop was asked for. Asked for again, a second later or more, it is what it always is."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._heard_at = 0.0

    def __bool__(self) -> bool:
        return self.signal is not None

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen; in the main thread only."""
        before = {number: signal.getsignal(number) for number in _SIGNALS}

        def hear(number: int, frame: FrameType | None) -> None:
            if self.signal is None:
                self.signal, self._heard_at = signal.Signals(number), time.monotonic()
            elif time.monotonic() - self._heard_at >= _ECHO_S:
                restore()
                signal.raise_signal(number)

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        for number in _SIGNALS:
            signal.signal(number, hear)
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
