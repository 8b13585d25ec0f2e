"""The audit record: who did what with which photograph, when, for what purpose, and with which outcome.

Entries are only appended, each chained to the one before:

    hash = SHA-256(hash of the entry before, in hexadecimal + line feed + the entry as JSON)

with the entry's eight fields as the JSON object that `Entry.canonical` returns. Anybody with a copy can check the
chain; no secret is needed, and none protects it: who can rewrite the whole record can rebuild the chain. A head that
was noted elsewhere (`Audit.head`) reveals that too.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final, Literal, NewType, Self, get_args

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
from core.errors import AuditError, ConfigError

Outcome = Literal["begun", "done", "refused", "failed"]
"""Outcome of an action. `begun` precedes whatever stores, makes or erases; another follows unless the service died."""

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

Purpose = NewType("Purpose", str)
"""Purpose of a photograph, as far as the record may hold it; `redact_purpose` makes it."""

GENESIS: Final = hashlib.sha256(b"gestaltgen audit record, version 1").hexdigest()
"""Hash that the first entry is chained to."""

ROWS_AT_ONCE: Final = 10_000
"""Entries that are read from the database at once, and between two reports of progress."""


class AuditFault(StrEnum):
    """Kind of damage that a check of the record finds."""

    CHANGED = "changed"
    MISSING = "missing"
    REORDERED = "reordered"
    REBUILT = "rebuilt"
    """The chain from some entry on was computed again, or cut off and continued; only a noted head reveals that."""


class BrokenAuditError(AuditError):
    """The record was tampered with, or is damaged.

    Attributes:
        fault: kind of the damage.
        entry: number of the first entry at fault.
    """

    def __init__(self, fault: AuditFault, entry: int, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.entry = entry


_HEAD: Final = re.compile(r"(\d{1,15}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Entry:
    """Entry as it is stored.

    Attributes:
        seq: number of the entry, from 1, without gaps.
        at: time in UTC with microseconds, as 2026-02-03T04:05:06.000007Z.
        owner, key: owner and id of the API key, never the key; `service` and `-` for the service itself.
        action: method and route of the request, or the kind of erasure.
        photo: random id of the photograph.
        previous: hash of the entry before.
        hash: hash of this entry.
    """

    seq: int
    at: str
    owner: str
    key: str
    action: str
    photo: str
    purpose: Purpose
    outcome: Outcome
    previous: str
    hash: str

    def canonical(self) -> str:
        """Return the text that is hashed: all fields but the hashes as JSON in ASCII, keys sorted, without spaces."""
        who = (
            f'"key":{_encode_text(self.key)},"outcome":{_encode_text(self.outcome)},"owner":{_encode_text(self.owner)}'
        )
        what = f'"photo":{_encode_text(self.photo)},"purpose":{_encode_text(self.purpose)},"seq":{self.seq}'
        return f'{{"action":{_encode_text(self.action)},"at":{_encode_text(self.at)},{who},{what}}}'

    def compute_hash(self) -> str:
        """Return the hash that the entry should have, given the hash of the entry before that it holds."""
        return hashlib.sha256(f"{self.previous}\n{self.canonical()}".encode()).hexdigest()

    def with_hash(self) -> Self:
        """Return a copy with the hash that it should have."""
        return replace(self, hash=self.compute_hash())


@dataclass(frozen=True)
class Head:
    """Number and hash of the last entry. Note it where those who can change the record cannot write."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` returned.

        Raises:
            ConfigError: the text is not a head.
        """
        match = _HEAD.fullmatch(text.strip())
        if match is None:
            raise ConfigError(f"head {text!r}; expected SEQ:HASH as `gestaltgen audit head` prints it")
        return cls(int(match[1]), match[2])


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


class Audit:
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
        audit = cls(_open_engine(database))
        with _translate_errors("opened"):
            if audit._shared:
                with database.locks.hold("tables"), audit._engine.begin() as connection:
                    _METADATA.create_all(connection)
                    connection.exec_driver_sql(_APPEND_ONLY_POSTGRESQL)
            else:
                with audit._begin_exclusive() as connection:
                    _METADATA.create_all(connection)
                    for change in ("UPDATE", "DELETE"):
                        connection.exec_driver_sql(_APPEND_ONLY_SQLITE.format(change=change))
        audit._check_end()
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
        audit = cls(_open_engine(database))
        with _translate_errors("read"):
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
    ) -> Iterator[Entry]:
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
            query = query.where(_entries.c.at >= _format_time(since))
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
        last = Head(0, GENESIS)
        at_expected = last.hash if expected is not None and expected.seq == 0 else None
        for entry in self._read(select(_entries).order_by(_entries.c.seq)):
            if entry.seq != last.seq + 1 or entry.previous != last.hash or entry.compute_hash() != entry.hash:
                fault, seq, description = self._diagnose(entry, last)
                raise BrokenAuditError(fault, seq, f"the audit record is broken: {description}")
            last = Head(entry.seq, entry.hash)
            if expected is not None and entry.seq == expected.seq:
                at_expected = entry.hash
            if progress is not None and not entry.seq % ROWS_AT_ONCE:
                progress(entry.seq)
        if expected is not None and at_expected is None:
            raise BrokenAuditError(
                AuditFault.MISSING,
                last.seq + 1,
                f"the audit record is broken: entries {last.seq + 1} to {expected.seq} are missing at its end; "
                f"expected the head {expected}",
            )
        if expected is not None and at_expected != expected.hash:
            raise BrokenAuditError(
                AuditFault.REBUILT,
                expected.seq,
                f"the audit record is broken: entry {expected.seq} was changed, or one before it, and the chain "
                f"rebuilt; its hash is {at_expected}, expected the head {expected}",
            )
        return last

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

    def _read(self, query: Select[Any]) -> Iterator[Entry]:
        with (
            _translate_errors("read"),
            self._engine.connect() as connection,
            connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query) as rows,
        ):
            for row in rows:
                yield Entry(*row)

    def _check_end(self) -> None:
        """Check that the last entry is unchanged and follows the one before. It is cheap; it does not replace `verify`.

        Raises:
            BrokenAuditError: it is changed, or does not follow.
        """
        end = list(self._read(select(_entries).order_by(_entries.c.seq.desc()).limit(2)))
        if not end:
            return
        last, before = end[0], Head(end[1].seq, end[1].hash) if len(end) > 1 else Head(0, GENESIS)
        if last.seq != before.seq + 1 or last.previous != before.hash or last.compute_hash() != last.hash:
            raise BrokenAuditError(
                AuditFault.CHANGED,
                last.seq,
                f"the audit record is broken at its end, entry {last.seq}; `gestaltgen audit verify` says where first: "
                f"keep {AUDIT_DATABASE} as it is, and move it out of the state folder to begin a new record",
            )

    def _diagnose(self, entry: Entry, last: Head) -> tuple[AuditFault, int, str]:
        """Return the fault where the chain first breaks, the number of the entry at fault, and a description."""
        seq = last.seq + 1
        if entry.seq != seq:
            gone = f"entry {seq} is" if entry.seq == seq + 1 else f"entries {seq} to {entry.seq - 1} are"
            return AuditFault.MISSING, seq, f"{gone} missing"
        if entry.compute_hash() == entry.hash:
            if seq == 1:
                return AuditFault.CHANGED, 1, "entry 1 was changed: it does not begin the chain"
            reason = f"entry {seq - 1} was changed, and its hash with it: entry {seq} follows another one"
            return AuditFault.CHANGED, seq - 1, reason
        before = self._find_original_number(entry)
        if before is None:
            return AuditFault.CHANGED, seq, f"entry {seq} was changed: its hash is not that of its content"
        with self._engine.connect() as connection:
            follows = connection.execute(select(_entries.c.seq).where(_entries.c.hash == entry.previous)).first()
        if follows is None and entry.previous != GENESIS:
            return AuditFault.MISSING, seq, f"entry {seq} is missing: entry {before} was put into its place"
        return AuditFault.REORDERED, seq, f"entry {seq} is reordered: it was entry {before}"

    def _find_original_number(self, entry: Entry) -> int | None:
        """Return the number that an entry had when it was hashed; None if another field was changed."""
        numbers = range(1, 2 * self.head().seq + 2)
        return next((n for n in numbers if replace(entry, seq=n).compute_hash() == entry.hash), None)


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
        who, at = self.caller, _format_time(datetime.now(UTC))
        for photo, purpose in self.photos.items():
            entry = Entry(
                last.seq + 1, at, who.owner, who.key, self.action, photo, purpose, self.outcome, last.hash, ""
            ).with_hash()
            yield entry
            last = Head(entry.seq, entry.hash)


def redact_purpose(text: str, named: Collection[str], secret: bytes) -> Purpose:
    """Convert a photograph's purpose, which is free text and might name somebody, to what the record may hold.

    Args:
        text: the purpose as it was sent.
        named: purposes that name nobody; one of these is recorded in words, whatever its case.
        secret: the service's secret.

    Returns:
        The named purpose; or `other:` and 16 digits of a keyed digest, which are equal for equal texts and reveal none.
    """
    plain = " ".join(text.split()).casefold()
    for name in named:
        if plain == name.casefold():
            return Purpose(name)
    digest = hmac.new(secret, f"audit purpose\n{plain}".encode(), hashlib.sha256).hexdigest()
    return Purpose(f"other:{digest[:16]}")


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


def _open_engine(database: Database) -> Engine:
    """Return the engine of the record: that of PostgreSQL, or of a separate SQLite file."""
    if database.shared:
        return database.engine
    return sqlite_engine(database.state / AUDIT_DATABASE, "synchronous=FULL", explicit=True)


def _read_head(connection: Connection) -> Head:
    last = connection.execute(select(_entries.c.seq, _entries.c.hash).order_by(_entries.c.seq.desc()).limit(1)).first()
    return Head(0, GENESIS) if last is None else Head(*last)


def _to_row(entry: Entry) -> dict[str, Any]:
    return dict(zip(_entries.c.keys(), astuple(entry), strict=True))


def _encode_text(value: object) -> str:
    """Encode a JSON string, three times as fast as `json.dumps`; other types, which a forged row may hold, too."""
    return quoted(str(value))


def _format_time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
