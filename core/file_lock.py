"""Exclusive lock between processes, held on an open file and released by the operating system when a process ends."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def lock_file(path: Path, wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of a file, which is created if it does not exist; the folder must exist.

    Args:
        path: the lock file. Its content is not used.
        wait: called again and again while another process holds the lock; None to refuse at once.

    Raises:
        BlockingIOError: another process holds the lock, and `wait` is None.
    """
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if wait is None:
                    raise
                wait()
        yield
