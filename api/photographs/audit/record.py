"""The record of who did what with which photograph, in a database to which entries are only appended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from api.access.api_keys import Caller
from api.operations.database import Database, sqlite_engine
from api.operations.state_folder import AUDIT_DATABASE
from api.photographs.audit.chain import check_end, verify_chain
from api.photographs.audit.entries import GENESIS, Entry, Head, Outcome, Purpose, format_time
from core.errors import AuditError

ROWS_AT_ONCE: Final = 10_000
"""Entries that are read from the database at once."""

_METADATA: Final = MetaData()
_entries: Final = Table(
    "audit",
    _METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("key", String, nullable=False),
    Column("action", String, nullable=False),
    Column("photo", String, nullable=False, index=True),
    Column("purpose", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False),
)
_APPEND_ONLY_SQLITE: Final = """
CREATE TRIGGER IF NOT EXISTS audit_no_{change} BEFORE {change} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END
"""
_APPEND_ONLY_POSTGRESQL: Final = """
CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit record is append-only'; END $$;
CREATE OR REPLACE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
"""


class AuditRecord:
    """The audit record, which is never pruned: `audit.sqlite` in the state folder, or a table in PostgreSQL.

    Several threads and processes may append; the database's write lock keeps one chain. Threads that append at the same
    time share a transaction, and so the wait for the disk.

    Args:
        engine: of the database that holds the record.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._shared = engine.dialect.name == "postgresql"
        self._writing = threading.Lock()
        self._queueing = threading.Lock()
        self._waiting: list[_PendingEntries] = []

    @classmethod
    def open(cls, database: Database) -> Self:
        """Open the record of a service, create it if there is none, and check that its last entry continues the chain.

        Raises:
            AuditError: it cannot be read.
            BrokenAuditError: its end is broken.
        """
        database.state.mkdir(parents=True, exist_ok=True)
        audit = cls(open_engine(database))
        with _close_on_error(audit), _translate_errors("opened"):
            if audit._shared:
                with database.locks.hold("tables"), audit._engine.begin() as connection:
                    _METADATA.create_all(connection)
                    connection.exec_driver_sql(_APPEND_ONLY_POSTGRESQL)
            else:
                with audit._begin_exclusive() as connection:
                    _METADATA.create_all(connection)
                    for change in ("UPDATE", "DELETE"):
                        connection.exec_driver_sql(_APPEND_ONLY_SQLITE.format(change=change))
            check_end(list(audit._read(select(_entries).order_by(_entries.c.seq.desc()).limit(2))))
        return audit

    @classmethod
    def find(cls, database: Database) -> Self:
        """Open the existing record of a service for reading, without a check.

        Raises:
            AuditError: there is none.
        """
        path = database.state / AUDIT_DATABASE
        if not (database.shared or path.exists()):
            raise AuditError(f"{path} does not exist; expected the audit record of a service: name its state folder")
        audit = cls(open_engine(database))
        with _close_on_error(audit), _translate_errors("read"):
            if not inspect(audit._engine).has_table(_entries.name):
                raise AuditError("the database has no audit record; expected that of a service: name its database")
        return audit

    def close(self) -> None:
        """Close the connections; new ones are opened when the record is used again."""
        self._engine.dispose()

    def record(self, caller: Caller, action: str, photos: Mapping[str, Purpose], outcome: Outcome) -> None:
        """Append an entry for each photograph; on return they are on the disk.

        Args:
            photos: purposes by id.

        Raises:
            AuditError: they cannot be written.
        """
        if not photos:
            return
        new = _PendingEntries(caller, action, photos, outcome)
        with self._queueing:
            self._waiting.append(new)
        with self._writing:  # by now another thread may have written these with its own
            if not new.ended:
                with self._queueing:
                    together, self._waiting = self._waiting, []
                self._write_all(together)
        if new.error is not None:
            raise new.error

    def head(self) -> Head:
        """Return the number and hash of the last entry; 0 and `GENESIS` if there is none.

        Raises:
            AuditError: the record cannot be read.
        """
        with _translate_errors("read"), self._engine.connect() as connection:
            return _read_head(connection)

    def entries(
        self,
        *,
        photo: str | None = None,
        owners: Collection[str] = (),
        outcomes: Collection[Outcome] = (),
        purpose: Purpose | None = None,
        since: datetime | None = None,
    ) -> Generator[Entry, None, None]:
        """Iterate over entries in their order; all by default, or those that meet every given condition.

        Raises:
            AuditError: the record cannot be read.
        """
        query = select(_entries).order_by(_entries.c.seq)
        if photo is not None:
            query = query.where(_entries.c.photo == photo)
        if owners:
            query = query.where(_entries.c.owner.in_(owners))
        if outcomes:
            query = query.where(_entries.c.outcome.in_(outcomes))
        if purpose is not None:
            query = query.where(_entries.c.purpose == purpose)
        if since is not None:
            query = query.where(_entries.c.at >= format_time(since))
        return self._read(query)

    def purposes(self, photos: Collection[str]) -> dict[str, Purpose]:
        """Return the purposes of photographs that the record knows, erased ones too, by their ids.

        Raises:
            AuditError: the record cannot be read.
        """
        purposes: dict[str, Purpose] = {}
        with _translate_errors("read"), self._engine.connect() as connection:
            for photo in photos:
                last = select(_entries.c.purpose).where(_entries.c.photo == photo).order_by(_entries.c.seq.desc())
                if (purpose := connection.execute(last.limit(1)).scalar()) is not None:
                    purposes[photo] = Purpose(purpose)
        return purposes

    def verify(self, expected: Head | None = None, progress: Callable[[int], None] | None = None) -> Head:
        """Check every entry, and that the record holds a head that was noted earlier.

        Args:
            expected: a head that was noted earlier; the record may have grown since.
            progress: called with the number of entries checked so far.

        Returns:
            The current head.

        Raises:
            BrokenAuditError: an entry was changed, is missing or is out of place.
        """
        with closing(self.entries()) as entries:  # at a broken entry some are left
            return verify_chain(
                entries,
                expected=expected,
                progress=progress,
                count=lambda: self.head().seq,
                is_stored=self._is_stored,
            )

    def _write_all(self, together: Sequence[_PendingEntries]) -> None:
        """Append the entries that several threads wait for, and tell each thread the outcome."""
        error: AuditError | None = None
        try:
            with _translate_errors("written"), self._begin_exclusive() as connection:
                last, new = _read_head(connection), []
                for one in together:
                    for entry in one.entries(last):
                        new.append(entry)
                        last = Head(entry.seq, entry.hash)
                connection.execute(insert(_entries), [_to_row(entry) for entry in new])
        except AuditError as caught:
            error = caught
        except BaseException as unforeseen:
            error = AuditError(f"the audit record cannot be written ({type(unforeseen).__name__})")
            raise
        finally:
            for one in together:
                one.error, one.ended = error, True

    @contextmanager
    def _begin_exclusive(self) -> Iterator[Connection]:
        """Run a transaction while no other process writes, and commit it to the disk at its end."""
        with self._engine.begin() as connection:
            if self._shared:
                connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
                connection.exec_driver_sql("LOCK TABLE audit IN EXCLUSIVE MODE")
            else:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def _read(self, query: Select[Any]) -> Generator[Entry, None, None]:
        with (
            _translate_errors("read"),
            self._engine.connect() as connection,
            connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query) as rows,
        ):
            for row in rows:
                yield Entry(*row)

    def _is_stored(self, entry_hash: str) -> bool:
        with self._engine.connect() as connection:
            return connection.execute(select(_entries.c.seq).where(_entries.c.hash == entry_hash)).first() is not None


@dataclass(eq=False)
class _PendingEntries:
    """Entries that a thread waits for until they are on the disk."""

    caller: Caller
    action: str
    photos: Mapping[str, Purpose]
    outcome: Outcome
    ended: bool = False
    error: AuditError | None = None

    def entries(self, last: Head) -> Iterator[Entry]:
        """Iterate over the entries, the first of which follows `last`."""
        who, at = self.caller, format_time(datetime.now(UTC))
        for photo, purpose in self.photos.items():
            entry = Entry(
                last.seq + 1, at, who.owner, who.key, self.action, photo, purpose, self.outcome, last.hash, ""
            ).with_hash()
            yield entry
            last = Head(entry.seq, entry.hash)


@contextmanager
def _close_on_error(audit: AuditRecord) -> Iterator[None]:
    try:
        yield
    except BaseException:
        audit.close()
        raise


@contextmanager
def _translate_errors(done: str) -> Iterator[None]:
    """Convert errors of the database to AuditError, without the values of the statement."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).partition("\n")[0]
        raise AuditError(
            f"the audit record cannot be {done} ({reason}), and nothing is given out or erased without it: make room "
            "on the disk, or restore the record"
        ) from error


def open_engine(database: Database) -> Engine:
    """Return the engine of the record: that of PostgreSQL, or of a separate SQLite file."""
    if database.shared:
        return database.engine
    return sqlite_engine(database.state / AUDIT_DATABASE, "synchronous=FULL", explicit=True)


def _read_head(connection: Connection) -> Head:
    last = connection.execute(select(_entries.c.seq, _entries.c.hash).order_by(_entries.c.seq.desc()).limit(1)).first()
    return Head(0, GENESIS) if last is None else Head(*last)


def _to_row(entry: Entry) -> dict[str, Any]:
    return dict(zip(_entries.c.keys(), astuple(entry), strict=True))
