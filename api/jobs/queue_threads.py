"""Threads that take workflows from DBOS queues: at once when this process has put one there, otherwise by polling.

DBOS polls at one fixed interval, and each look costs milliseconds. The threads run its own function; only the event on
which that waits between two looks is another one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

from dbos import DBOS
from dbos._queue import queue_worker_thread

AWAKE_S: Final = 1.0
"""Time after a wake-up in which a thread looks at the interval of its queue: a place is freed a little later."""


class QueueThreads:
    """Threads that start the workflows which wait in queues, one thread for each queue.

    Args:
        dbos: the launched DBOS, which must not listen to these queues itself; it stops the threads at its end.
        queues: names of the queues.
        rest_s: interval of looks while nobody calls `wake`.
    """

    def __init__(self, dbos: DBOS, queues: Sequence[str], rest_s: float) -> None:
        self._dbos = dbos
        self._waits = {name: LookEvent(rest_s) for name in queues}

    def start(self) -> None:
        """Start the threads."""
        for name, wait in self._waits.items():
            arguments = (wait, self._dbos, self._dbos._sys_db.get_queue(name))
            thread = threading.Thread(target=queue_worker_thread, args=arguments, name=f"queue-{name}", daemon=True)
            thread.start()
            self._dbos.background_thread_stop_events.append(wait)
            self._dbos._background_threads.append(thread)

    def wake(self) -> None:
        """Look at once, and often for a while: a workflow was queued, or one ends and frees its place."""
        for wait in self._waits.values():
            wait.wake()


class LookEvent(threading.Event):
    """Event that stops a thread, and on which it waits between two looks."""

    def __init__(self, rest_s: float) -> None:
        super().__init__()
        self._rest_s = rest_s
        self._look = threading.Event()
        self._awake_until = time.monotonic() + AWAKE_S

    def wake(self) -> None:
        """End the wait, and shorten those that follow."""
        self._awake_until = time.monotonic() + AWAKE_S
        self._look.set()

    def set(self) -> None:
        """Stop the thread."""
        super().set()
        self._look.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a wake-up, at most for `timeout`, or longer while at rest; return whether the thread has to stop."""
        self._look.wait(self.interval_s(timeout or 0.0))
        self._look.clear()
        return self.is_set()

    def interval_s(self, timeout: float) -> float:
        """Return for how long a wait of `timeout` seconds lasts unless it is ended."""
        return timeout if time.monotonic() < self._awake_until else max(timeout, self._rest_s)
