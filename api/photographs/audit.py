"""The audit record: who did what with which photograph, when, for what purpose, and how it ended.

Entries are only ever appended, each chained to the one before:

    hash = SHA-256(hash of the entry before, in hexadecimal + line feed + the entry as JSON)

with the entry's eight fields as the JSON object that `Entry.canonical` gives. Anybody with a copy can check the chain;
no secret is needed, and none protects it: who can rewrite the whole record can rebuild it. A head that was noted
elsewhere, `Audit.head`, tells that too.
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
"""`begun` stands before what keeps, makes or erases something; one of the others follows, unless the service died."""

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

Purpose = NewType("Purpose", str)
"""What a photograph is for, as far as the record may say it: see `purpose_of`."""

GENESIS: Final = hashlib.sha256(b"gestaltgen audit record, version 1").hexdigest()
"""What the first entry is chained to."""

_AT_ONCE: Final = 10_000
_HEAD: Final = re.compile(r"(\d{1,15}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is stored.

    Attributes:
        seq: its number, from 1, without gaps.
        at: UTC with microseconds, as 2026-02-03T04:05:06.000007Z.
        owner, key: who; `service` and `-` for the service itself. The key's id, never the key.
        action: method and route of the request, or what was erased.
        photo: random id of the photograph.
        previous, hash: of the entry before, and of this one.
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
        """What is hashed: the fields but for both hashes as JSON in ASCII, keys sorted, without spaces."""
        who = f'"key":{_text(self.key)},"outcome":{_text(self.outcome)},"owner":{_text(self.owner)}'
        what = f'"photo":{_text(self.photo)},"purpose":{_text(self.purpose)},"seq":{self.seq}'
        return f'{{"action":{_text(self.action)},"at":{_text(self.at)},{who},{what}}}'

    def hashed(self) -> str:
        """The hash that it should have, behind the entry that it names as the one before."""
        return hashlib.sha256(f"{self.previous}\n{self.canonical()}".encode()).hexdigest()

    def sealed(self) -> Self:
        """Itself with that hash."""
        return replace(self, hash=self.hashed())


@dataclass(frozen=True)
class Head:
    """The last entry's number and hash: to be noted where who can change the record cannot change the note."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `str` gave.

        Raises:
            ConfigError: it is none.
        """
        found = _HEAD.fullmatch(text.strip())
        if found is None:
            raise ConfigError(f"head {text!r}; expected SEQ:HASH as `gestaltgen audit head` prints it")
        return cls(int(found[1]), found[2])


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
    """The audit record, which nothing prunes: `audit.sqlite` in the state folder, or a table in PostgreSQL.

    Several threads and processes may append; the database's write lock keeps one chain. Threads that append together
    share a transaction, and so the wait for the disk.

    Args:
        engine: of its database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._shared = engine.dialect.name == "postgresql"
        self._writing = threading.Lock()
        self._queueing = threading.Lock()
        self._waiting: list[_Appended] = []

    @classmethod
    def open(cls, database: Database) -> Self:
        """The record of a service, made if need be, after a look at whether its last entry continues the chain.

        Raises:
            AuditError: it cannot be read, or its end is broken.
        """
        database.state.mkdir(parents=True, exist_ok=True)
        audit = cls(_engine_of(database))
        with _reported("opened"):
            if audit._shared:
                with database.locks.hold("tables"), audit._engine.begin() as connection:
                    _METADATA.create_all(connection)
                    connection.exec_driver_sql(_APPEND_ONLY_POSTGRESQL)
            else:
                with audit._locked() as connection:
                    _METADATA.create_all(connection)
                    for change in ("UPDATE", "DELETE"):
                        connection.exec_driver_sql(_APPEND_ONLY_SQLITE.format(change=change))
        audit._check_end()
        return audit

    @classmethod
    def find(cls, database: Database) -> Self:
        """The record that a service has, to be read, as it is.

        Raises:
            AuditError: there is none.
        """
        path = database.state / AUDIT_DATABASE
        if not (database.shared or path.exists()):
            raise AuditError(f"{path} does not exist; expected the audit record of a service: name its state folder")
        audit = cls(_engine_of(database))
        with _reported("read"):
            if not inspect(audit._engine).has_table(_entries.name):
                raise AuditError("the database has no audit record; expected that of a service: name its database")
        return audit

    def close(self) -> None:
        """Close its connections; it opens new ones when it is used again."""
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
        new = _Appended(caller, action, photos, outcome)
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
        """The last entry's number and hash; 0 and that of the beginning where there is none.

        Raises:
            AuditError: the record cannot be read.
        """
        with _reported("read"), self._engine.connect() as connection:
            return _head(connection)

    def entries(
        self,
        *,
        photo: str | None = None,
        owners: Collection[str] = (),
        outcomes: Collection[Outcome] = (),
        purpose: Purpose | None = None,
        since: datetime | None = None,
    ) -> Iterator[Entry]:
        """Entries in their order, of one photograph, of some owners, of a purpose, since a moment; all by default.

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
            query = query.where(_entries.c.at >= _moment(since))
        return self._read(query)

    def purposes(self, photos: Collection[str]) -> dict[str, Purpose]:
        """Purposes of photographs that the record knows, erased ones too, by their ids.

        Raises:
            AuditError: the record cannot be read.
        """
        found: dict[str, Purpose] = {}
        with _reported("read"), self._engine.connect() as connection:
            for photo in photos:
                last = select(_entries.c.purpose).where(_entries.c.photo == photo).order_by(_entries.c.seq.desc())
                if (purpose := connection.execute(last.limit(1)).scalar()) is not None:
                    found[photo] = Purpose(purpose)
        return found

    def verify(self, expected: Head | None = None, progress: Callable[[int], None] | None = None) -> Head:
        """Check every entry, and that the record holds a head that was noted before.

        Args:
            expected: a head of before; the record may have grown since.
            progress: told how many entries are checked.

        Returns:
            The head of now.

        Raises:
            AuditError: names the first entry that was changed, is missing or does not stand in its place.
        """
        last = Head(0, GENESIS)
        at_expected = last.hash if expected is not None and expected.seq == 0 else None
        for entry in self._read(select(_entries).order_by(_entries.c.seq)):
            if entry.seq != last.seq + 1 or entry.previous != last.hash or entry.hashed() != entry.hash:
                raise AuditError(f"the audit record is broken: {self._wrong(entry, last)}")
            last = Head(entry.seq, entry.hash)
            if expected is not None and entry.seq == expected.seq:
                at_expected = entry.hash
            if progress is not None and not entry.seq % _AT_ONCE:
                progress(entry.seq)
        if expected is not None and at_expected is None:
            raise AuditError(
                f"the audit record is broken: entries {last.seq + 1} to {expected.seq} are missing at its end; "
                f"expected the head {expected}"
            )
        if expected is not None and at_expected != expected.hash:
            raise AuditError(
                f"the audit record is broken: entry {expected.seq} was changed, or one before it, and the chain "
                f"rebuilt; its hash is {at_expected}, expected the head {expected}"
            )
        return last

    def _write_all(self, together: Sequence[_Appended]) -> None:
        """Append what several threads wait for, and tell each how it ended."""
        error: AuditError | None = None
        try:
            with _reported("written"), self._locked() as connection:
                last, new = _head(connection), []
                for one in together:
                    for entry in one.entries(last):
                        new.append(entry)
                        last = Head(entry.seq, entry.hash)
                connection.execute(insert(_entries), [_row(entry) for entry in new])
        except AuditError as caught:
            error = caught
        except BaseException as unforeseen:
            error = AuditError(f"the audit record cannot be written ({type(unforeseen).__name__})")
            raise
        finally:
            for one in together:
                one.error, one.ended = error, True

    @contextmanager
    def _locked(self) -> Iterator[Connection]:
        """A transaction that no other process writes beside, committed to the disk at its end."""
        with self._engine.begin() as connection:
            if self._shared:
                connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
                connection.exec_driver_sql("LOCK TABLE audit IN EXCLUSIVE MODE")
            else:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def _read(self, query: Select[Any]) -> Iterator[Entry]:
        with (
            _reported("read"),
            self._engine.connect() as connection,
            connection.execution_options(yield_per=_AT_ONCE).execute(query) as rows,
        ):
            for row in rows:
                yield Entry(*row)

    def _check_end(self) -> None:
        """Whether the last entry is unharmed and follows the one before: cheap, and no replacement for `verify`.

        Raises:
            AuditError: it does not.
        """
        end = list(self._read(select(_entries).order_by(_entries.c.seq.desc()).limit(2)))
        if not end:
            return
        last, before = end[0], Head(end[1].seq, end[1].hash) if len(end) > 1 else Head(0, GENESIS)
        if last.seq != before.seq + 1 or last.previous != before.hash or last.hashed() != last.hash:
            raise AuditError(
                f"the audit record is broken at its end, entry {last.seq}; `gestaltgen audit verify` says where first: "
                f"keep {AUDIT_DATABASE} as it is, and move it out of the state folder to begin a new record"
            )

    def _wrong(self, entry: Entry, last: Head) -> str:
        """What is wrong with the first entry that does not follow, and which one is at fault."""
        seq = last.seq + 1
        if entry.seq != seq:
            gone = f"entry {seq} is" if entry.seq == seq + 1 else f"entries {seq} to {entry.seq - 1} are"
            return f"{gone} missing"
        if entry.hashed() == entry.hash:
            if seq == 1:
                return "entry 1 was changed: it does not begin the chain"
            return f"entry {seq - 1} was changed, and its hash with it: entry {seq} follows another one"
        before = self._number_of(entry)
        if before is None:
            return f"entry {seq} was changed: its hash is not that of what it says"
        with self._engine.connect() as connection:
            follows = connection.execute(select(_entries.c.seq).where(_entries.c.hash == entry.previous)).first()
        if follows is None and entry.previous != GENESIS:
            return f"entry {seq} is missing: entry {before} was put into its place"
        return f"entry {seq} is reordered: it was entry {before}"

    def _number_of(self, entry: Entry) -> int | None:
        """The number that an entry had when it was hashed; None if it was changed otherwise."""
        numbers = range(1, 2 * self.head().seq + 2)
        return next((n for n in numbers if replace(entry, seq=n).hashed() == entry.hash), None)


@dataclass(eq=False)
class _Appended:
    """What a thread waits for until it is on the disk."""

    caller: Caller
    action: str
    photos: Mapping[str, Purpose]
    outcome: Outcome
    ended: bool = False
    error: AuditError | None = None

    def entries(self, last: Head) -> Iterator[Entry]:
        """Its entries, the first of which follows `last`."""
        who, at = self.caller, _moment(datetime.now(UTC))
        for photo, purpose in self.photos.items():
            entry = Entry(
                last.seq + 1, at, who.owner, who.key, self.action, photo, purpose, self.outcome, last.hash, ""
            ).sealed()
            yield entry
            last = Head(entry.seq, entry.hash)


def purpose_of(text: str, named: Collection[str], secret: bytes) -> Purpose:
    """What the record may say of a photograph's purpose, which is free text and might name somebody.

    Args:
        text: as it was sent.
        named: purposes that name nobody; one of these is given as it is, whatever its case.
        secret: the service's.

    Returns:
        The name, or `other:` and 16 digits of a keyed digest: equal for equal texts, and nothing to read.
    """
    plain = " ".join(text.split()).casefold()
    for name in named:
        if plain == name.casefold():
            return Purpose(name)
    digest = hmac.new(secret, f"audit purpose\n{plain}".encode(), hashlib.sha256).hexdigest()
    return Purpose(f"other:{digest[:16]}")


@contextmanager
def _reported(done: str) -> Iterator[None]:
    """Failures of the database, without the values that were in hand."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).partition("\n")[0]
        raise AuditError(
            f"the audit record cannot be {done} ({reason}), and nothing is given out or erased without it: make room "
            "on the disk, or restore the record"
        ) from error


def _engine_of(database: Database) -> Engine:
    """Of the record: that of PostgreSQL, or of a file of its own."""
    if database.shared:
        return database.engine
    return sqlite_engine(database.state / AUDIT_DATABASE, "synchronous=FULL", explicit=True)


def _head(connection: Connection) -> Head:
    last = connection.execute(select(_entries.c.seq, _entries.c.hash).order_by(_entries.c.seq.desc()).limit(1)).first()
    return Head(0, GENESIS) if last is None else Head(*last)


def _row(entry: Entry) -> dict[str, Any]:
    return dict(zip(_entries.c.keys(), astuple(entry), strict=True))


def _text(value: object) -> str:
    """A JSON string, three times as fast as by `json.dumps`; of what is no text, as somebody may write it, too."""
    return quoted(str(value))


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
