"""The table of an audit record, and changes to it that the service does not make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from api.access.api_keys import Caller
from api.operations.database import Database
from api.photographs.audit.entries import Entry, Purpose
from api.photographs.audit.record import AuditRecord, open_engine

ALICE: Final = Caller("alice", "0123abcd", frozenset())
PURPOSE: Final = Purpose("research")


def append_entries(state: Path, entries: int) -> AuditRecord:
    """A record with entries of photographs p1, p2, ..."""
    audit = AuditRecord.open(Database.at(state))
    for n in range(1, entries + 1):
        audit.record(ALICE, "GET /v1/photos/{photo_id}", {f"p{n}": PURPOSE}, "done")
    return audit


@dataclass(frozen=True)
class RecordTable:
    """The record's table, for somebody who may write anything."""

    connection: Connection

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> None:
        mark = "?" if self.connection.dialect.name == "sqlite" else "%s"
        self.connection.exec_driver_sql(statement.replace("?", mark), values)


@contextmanager
def open_table(state: Path, *, triggers: bool = False) -> Iterator[RecordTable]:
    """Everything is written at once; what keeps others from changing entries is gone unless it is to stay."""
    engine = open_engine(Database.at(state))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        database = RecordTable(connection)
        if not triggers and connection.dialect.name == "postgresql":
            database.execute("DROP TRIGGER IF EXISTS audit_no_change ON audit")
        elif not triggers:
            for change in ("UPDATE", "DELETE"):
                database.execute(f"DROP TRIGGER IF EXISTS audit_no_{change}")
        yield database
    engine.dispose()


def rehash(entry: Entry, previous: str) -> Entry:
    return replace(entry, previous=previous).with_hash()


def rewrite(database: RecordTable, entry: Entry) -> None:
    row = tuple(getattr(entry, name) for name in Entry.__slots__)
    database.execute("DELETE FROM audit WHERE seq = ?", (entry.seq,))
    database.execute(f"INSERT INTO audit VALUES ({','.join('?' * len(row))})", row)  # noqa: S608


@contextmanager
def full_disk(state: Path) -> Iterator[None]:
    """Nothing can be appended."""
    with open_table(state, triggers=True) as database:
        if database.connection.dialect.name == "postgresql":
            database.execute(
                "CREATE FUNCTION is_full() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'disk is full'; END $$"
            )
            database.execute("CREATE TRIGGER filled BEFORE INSERT ON audit EXECUTE FUNCTION is_full()")
            undo = "DROP FUNCTION is_full CASCADE"
        else:
            full = "SELECT RAISE(ABORT, 'disk is full')"
            database.execute(f"CREATE TRIGGER filled BEFORE INSERT ON audit BEGIN {full}; END")
            undo = "DROP TRIGGER filled"
        try:
            yield
        finally:
            database.execute(undo)
