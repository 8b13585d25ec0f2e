"""Locks by name: within a process, or over all processes that share a PostgreSQL database."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

KEEPALIVE: Final = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
"""A machine that vanished holds its locks for 25 seconds at most; a process that died holds none."""


class Locks(Protocol):
    """Named locks that a thread may take again while it has them."""

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Nobody else holds it meanwhile; waits for that."""
        ...

    def close(self) -> None: ...


class LocalLocks:
    """Of the threads of one process."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[threading.RLock, int]] = {}
        self._guard = threading.Lock()

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """See Locks."""
        with self._guard:
            lock, users = self._locks.get(name, (threading.RLock(), 0))
            self._locks[name] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks[name]
                if users == 1:
                    del self._locks[name]
                else:
                    self._locks[name] = lock, users - 1

    def close(self) -> None:
        """Nothing is open."""


class SharedLocks:
    """Of all processes: advisory locks, each in a session of its own, which end with it.

    Threads of a process wait for each other here, so that each lock needs one session of a process at most.

    Args:
        url: of PostgreSQL.
    """

    def __init__(self, url: URL) -> None:
        self._engine = create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_pre_ping=True,
            max_overflow=60,
            connect_args={"options": KEEPALIVE, "connect_timeout": 10},
        )
        self._local = LocalLocks()
        self._depth: dict[str, int] = {}

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """See Locks."""
        with self._local.held(name):
            if self._depth.get(name):  # this very thread has it
                yield
                return
            with self._engine.connect() as session:
                take(session, name)
                self._depth[name] = 1
                try:
                    yield
                finally:
                    del self._depth[name]
                    _let_go(session, name)

    def close(self) -> None:
        """Close the sessions; new ones are opened when it is used again."""
        self._engine.dispose()


def take(session: Connection, name: str, *, wait: bool = True) -> bool:
    """Whether the session has a lock now; it keeps it until it ends.

    Args:
        wait: until it has it.
    """
    if wait:
        session.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _key(name)})
        return True
    return bool(session.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _key(name)}).scalar())


def _let_go(session: Connection, name: str) -> None:
    """Free a lock; where that cannot be said, the session ends, and the lock with it."""
    try:
        session.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _key(name)})
    except SQLAlchemyError:
        session.invalidate()


def _key(name: str) -> int:
    """64 bits, as PostgreSQL names advisory locks."""
    return int.from_bytes(hashlib.sha256(f"gestaltgen\n{name}".encode()).digest()[:8], "big", signed=True)
