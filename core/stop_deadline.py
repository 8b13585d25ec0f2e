"""A limit on the time that a process takes to stop after SIGTERM or Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread, current_thread, main_thread
from typing import Final

STOP_S: Final = 12.0
"""Seconds that a command may take to stop by itself."""

_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})


@contextmanager
def enforce_stop(report: Callable[[signal.Signals], None], seconds: float = STOP_S) -> Iterator[None]:
    """End the process if, after a signal to stop, the context is still open when the time is over.

    Python runs signal handlers between its own instructions only, and one operation of a large network can take
    minutes on a CPU. So a thread receives the signals, through `signal.set_wakeup_fd`. The exit status is 128 plus
    the signal's number. Nothing is cleaned up: whatever the process writes must be safe against being killed.

    Outside the main thread this does nothing, because Python receives signals in the main thread alone.

    Args:
        report: called with the signal just before the process ends, by the thread.
        seconds: between the signal and the end.
    """
    if current_thread() is not main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    closed = Event()

    def watch() -> None:
        number = _receive_stop(reader)
        if number is not None and not closed.wait(seconds):
            try:
                report(number)
            finally:
                os._exit(128 + number)

    thread = Thread(target=watch, name="stop-deadline", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        closed.set()
        signal.set_wakeup_fd(before)
        writer.close()
        thread.join()
        reader.close()


def _receive_stop(reader: socket.socket) -> signal.Signals | None:
    """Wait for a signal to stop; None when the other end is closed."""
    while received := reader.recv(1):
        if received[0] in _SIGNALS:
            return signal.Signals(received[0])
    return None
