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
"""Connection options: a machine that vanished loses its locks after at most 25 seconds, a process that died at once."""


class Locks(Protocol):
    """Locks by name; a thread may take a lock again while it holds it."""

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Wait for a lock and hold it within the block."""
        ...

    def close(self) -> None: ...


class LocalLocks:
    """Locks among the threads of one process."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[threading.RLock, int]] = {}
        self._guard = threading.Lock()

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Wait for a lock and hold it within the block."""
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
        """Do nothing; no connection is open."""


class SharedLocks:
    """Locks among all processes: PostgreSQL advisory locks, each in a session of its own, which ends with the session.

    Threads of one process wait for each other locally, so that a process needs at most one session for each lock.

    Args:
        url: URL of PostgreSQL.
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
        self._held: set[str] = set()

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Wait for a lock and hold it within the block."""
        with self._local.hold(name):
            if name in self._held:  # by this very thread
                yield
                return
            with self._engine.connect() as session:
                take_lock(session, name)
                self._held.add(name)
                try:
                    yield
                finally:
                    self._held.remove(name)
                    _release(session, name)

    def close(self) -> None:
        """Close the sessions; new ones are opened when a lock is taken again."""
        self._engine.dispose()


def take_lock(session: Connection, name: str, *, wait: bool = True) -> bool:
    """Take a lock for a session, which keeps it until it ends, and return whether the session has it.

    Args:
        wait: wait until the lock is free.
    """
    if wait:
        session.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _key(name)})
        return True
    return bool(session.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _key(name)}).scalar())


def _release(session: Connection, name: str) -> None:
    """Release a lock; if that fails, the session is ended, and the lock with it."""
    try:
        session.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _key(name)})
    except SQLAlchemyError:
        session.invalidate()


def _key(name: str) -> int:
    """Return the 64-bit number by which PostgreSQL knows the lock."""
    return int.from_bytes(hashlib.sha256(f"gestaltgen\n{name}".encode()).digest()[:8], "big", signed=True)
