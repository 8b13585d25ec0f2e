"""Liveness: which of the processes that share the queue are alive. Each holds a lock as long as it lives.

The lock belongs to a session of the database, which ends with its process; the database itself ends the session of a
machine that vanished. The process that then gets a dead process's lock holds it for a while, so that a process that
only lost its session can see that it is considered dead and stop, and then gives its work to the living processes.
"""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from sqlalchemy import BigInteger, Column, Connection, NullPool, String, Table, create_engine, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from api.operations.clock import now_ms
from api.operations.database import TABLES, Database, explain_error
from api.operations.locks import KEEPALIVE, take_lock

LOOK_S: Final = 1.0
"""Seconds between two checks of the own session and of the locks of the others."""

GRACE_S: Final = 10.0
"""Seconds for which a lock is held before its process is given up: ten checks of a process that may still live."""

SETTLE_S: Final = 10.0
"""Seconds for which a process that had lost its session does not check the others' locks: they may have lost theirs in
the same moment, and need time to take them again."""

_PING_S: Final = 5
_log = logging.getLogger("gestaltgen.presence")

_executors: Final = Table(
    "executors",
    TABLES,
    Column("id", String, primary_key=True),
    Column("version", String, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
)


class Presence(Protocol):
    """This process among those that share the queue."""

    @property
    def executor(self) -> str:
        """Id of this process, which its workflows carry."""
        ...

    def versions(self) -> set[str]:
        """Return the versions of the workflows that living processes can run, this one included."""
        ...

    def confirm_alive(self) -> bool:
        """Return whether no other process considers this one dead; waits while that cannot be known."""
        ...

    def watch(self, died: Callable[[str], None], lost: Callable[[], None]) -> None:
        """Report processes that died, by their ids, and once if this process is considered dead itself."""
        ...

    def close(self) -> None: ...


class SingleProcess:
    """Presence of the only process of a state folder."""

    executor = "local"

    def __init__(self, version: str) -> None:
        self._version = version

    def versions(self) -> set[str]:
        """Return the version of this process."""
        return {self._version}

    def confirm_alive(self) -> bool:
        """Return True; there is no other process."""
        return True

    def watch(self, died: Callable[[str], None], lost: Callable[[], None]) -> None:
        """Do nothing; there is no other process."""

    def close(self) -> None:
        """Do nothing; no connection is open."""


class SharedDatabase:
    """Presence of one of several processes that share a database.

    Args:
        database: database of the service.
        version: version of this process's workflows.
    """

    def __init__(self, database: Database, version: str) -> None:
        assert database.url is not None  # noqa: S101  see `open_presence`
        self.executor = secrets.token_hex(8)
        self._engine = database.engine
        self._version = version
        self._sessions = create_engine(
            database.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"options": KEEPALIVE, "connect_timeout": _PING_S, "tcp_user_timeout": 1000 * _PING_S},
        )
        self._state = threading.Condition()
        self._known = True
        self._lost = False
        self._renewed_s = -math.inf
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._session = self._sessions.connect()
        take_lock(self._session, _lock_name(self.executor))
        values = {"id": self.executor, "version": version, "since_ms": now_ms()}
        with self._engine.begin() as connection:
            connection.execute(insert(_executors).values(values))

    def versions(self) -> set[str]:
        """Return the versions of the workflows that living processes can run."""
        with self._engine.connect() as connection:
            return set(connection.execute(select(_executors.c.version)).scalars())

    def confirm_alive(self) -> bool:
        """Return whether no other process considers this one dead; waits while that cannot be known."""
        with self._state:
            self._state.wait_for(lambda: self._known or self._lost or self._closing.is_set())
            return self._known and not self._lost

    def watch(self, died: Callable[[str], None], lost: Callable[[], None]) -> None:
        """Watch the other processes in a thread."""
        self._thread = threading.Thread(target=self._watch, args=(died, lost), name="gestaltgen-presence", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave; the others see it at their next check, and take over the work after GRACE_S."""
        self._closing.set()
        with self._state:
            self._state.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._session.close()
        self._sessions.dispose()

    def _watch(self, died: Callable[[str], None], lost: Callable[[], None]) -> None:
        held: dict[str, tuple[Connection, float]] = {}
        try:
            while not self._closing.wait(LOOK_S):
                if not self._keep_session():
                    _release(held)
                    with self._state:
                        if self._lost:
                            self._state.notify_all()
                            break
                    continue
                if time.monotonic() - self._renewed_s < SETTLE_S:
                    continue
                try:
                    self._check_others(held, died)
                except SQLAlchemyError as error:
                    _log.warning("the other processes cannot be checked: %s", explain_error(error))
                except Exception:  # the work of a dead process stays; it is tried again
                    _log.exception("the work of a dead process could not be taken over")
        finally:
            _release(held)
        if self._lost:
            _log.critical("other processes consider this one dead and do its work now; it stops")
            lost()

    def _keep_session(self) -> bool:
        """Return whether the session is intact; if not, open another one, before this process is considered dead."""
        try:
            self._session.exec_driver_sql("SELECT 1")
            return True
        except SQLAlchemyError as error:
            _log.warning("the session with the database ended: %s", explain_error(error))
        with self._state:
            self._known = False
        try:
            if not self._session.closed:  # else the last attempt came no further
                self._session.invalidate()
                self._session.close()
            self._session = self._sessions.connect()
            theirs = select(_executors.c.id).where(_executors.c.id == self.executor)
            mine = take_lock(self._session, _lock_name(self.executor), wait=False)
            known = mine and self._session.execute(theirs).first() is not None
        except SQLAlchemyError:
            return False
        self._renewed_s = time.monotonic()
        with self._state:
            self._known, self._lost = known, not known
            self._state.notify_all()
        return False

    def _check_others(self, held: dict[str, tuple[Connection, float]], died: Callable[[str], None]) -> None:
        """Take the locks that nobody holds, and after GRACE_S report their processes as dead."""
        with self._engine.connect() as connection:
            others = set(connection.execute(select(_executors.c.id)).scalars()) - {self.executor}
        for executor in others - held.keys():
            session = self._sessions.connect()
            if take_lock(session, _lock_name(executor), wait=False):
                held[executor] = session, time.monotonic()
            else:
                session.close()
        for executor, (session, since) in list(held.items()):
            if executor in others and time.monotonic() - since < GRACE_S:
                continue
            if executor in others:
                _log.warning("process %s is dead; its jobs continue here or in other processes", executor)
                died(executor)
                with self._engine.begin() as connection:
                    connection.execute(delete(_executors).where(_executors.c.id == executor))
            session.close()
            del held[executor]


def open_presence(database: Database, version: str) -> Presence:
    """Return the presence of this process, of the kind that the database needs."""
    return SharedDatabase(database, version) if database.shared else SingleProcess(version)


def _lock_name(executor: str) -> str:
    return f"executor {executor}"


def _release(held: dict[str, tuple[Connection, float]]) -> None:
    for session, _ in held.values():
        session.close()
    held.clear()
