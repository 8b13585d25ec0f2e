"""The audit record: one chain, in which every change shows."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from api.access.api_keys import SERVICE
from api.app import create_app
from api.operations.database import Database
from api.photographs.audit.chain import AuditFault, BrokenAuditError
from api.photographs.audit.entries import GENESIS, Entry, Head, Purpose, redact_purpose
from api.photographs.audit.record import AuditRecord, open_engine
from api.photographs.erasure import ERASE_PHOTO
from api.settings import Settings
from core.errors import AuditError, ConfigError
from tests.api.fake import FakeModel, served
from tests.api.lab import of_sqlite
from tests.api.photographs.audit.tables import (
    ALICE,
    PURPOSE,
    RecordTable,
    append_entries,
    full_disk,
    open_table,
    rehash,
    rewrite,
)
from tests.api.serving import start_and_stop

ROOT: Final = Path(__file__).parents[4]


def test_the_chain_is_what_is_documented(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    audit = append_entries(tmp_path, 3)
    previous = hashlib.sha256(b"gestaltgen audit record, version 1").hexdigest()
    for n, entry in enumerate(audit.entries(), 1):
        said = {"seq": n, "at": entry.at, "owner": "alice", "key": "0123abcd", "action": "GET /v1/photos/{photo_id}"}
        said |= {"photo": f"p{n}", "purpose": "research", "outcome": "done"}
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        assert entry.hash == hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()
        assert before <= datetime.fromisoformat(entry.at) <= datetime.now(UTC)
        assert len(entry.at) == len("2026-02-03T04:05:06.000007Z")
        previous = entry.hash
    assert audit.verify() == audit.head() == Head(3, previous)


def test_whatever_is_in_an_entry_it_is_hashed_as_json() -> None:
    odd = 'a "b" \\ \n é \U0001f600 \ud800'
    entry = Entry(1, odd, odd, odd, odd, odd, Purpose(odd), "done", GENESIS, "")
    said = dict.fromkeys(("at", "owner", "key", "action", "photo", "purpose"), odd) | {"seq": 1, "outcome": "done"}
    assert entry.canonical() == json.dumps(said, sort_keys=True, separators=(",", ":"))


def test_an_empty_record_is_whole(tmp_path: Path) -> None:
    audit = AuditRecord.open(Database.at(tmp_path))
    assert audit.verify(Head(0, GENESIS)) == audit.head() == Head(0, GENESIS)
    audit.record(ALICE, "nothing", {}, "done")
    assert list(audit.entries()) == []


@of_sqlite
def test_the_record_is_its_owners_file_and_on_the_disk_when_it_is_committed(tmp_path: Path) -> None:
    append_entries(tmp_path, 1)
    assert (tmp_path / "audit.sqlite").stat().st_mode & 0o077 == 0
    engine = open_engine(Database.at(tmp_path))
    with engine.connect() as connection:
        modes = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    engine.dispose()
    assert modes == ["wal", 2]  # 2: FULL, the log is flushed at each commit


@pytest.mark.parametrize("statement", ["UPDATE audit SET owner = 'bob'", "DELETE FROM audit WHERE seq = 1"])
def test_the_database_only_appends(tmp_path: Path, statement: str) -> None:
    audit = append_entries(tmp_path, 2)
    entries = list(audit.entries())
    with open_table(tmp_path, triggers=True) as database, pytest.raises(DBAPIError):
        database.execute(statement)
    assert list(audit.entries()) == entries


def change(column: str, value: object) -> Callable[[RecordTable, list[Entry]], None]:
    return lambda database, _: database.execute(f"UPDATE audit SET {column} = ? WHERE seq = 4", (value,)) and None  # noqa: S608


def change_with_its_hash(database: RecordTable, entries: list[Entry]) -> None:
    rewrite(database, replace(entries[3], owner="bob").with_hash())


def drop_two(database: RecordTable, _: list[Entry]) -> None:
    database.execute("DELETE FROM audit WHERE seq IN (4, 5)")


def drop_the_first(database: RecordTable, _: list[Entry]) -> None:
    database.execute("DELETE FROM audit WHERE seq = 1")


def drop_and_number_anew(database: RecordTable, entries: list[Entry]) -> None:
    database.execute("DELETE FROM audit WHERE seq > 3")
    for entry in entries[4:]:
        rewrite(database, replace(entry, seq=entry.seq - 1))


def swap(first: int, second: int) -> Callable[[RecordTable, list[Entry]], None]:
    def swapped(database: RecordTable, entries: list[Entry]) -> None:
        rewrite(database, replace(entries[first - 1], seq=second))
        rewrite(database, replace(entries[second - 1], seq=first))

    return swapped


def begin_elsewhere(database: RecordTable, entries: list[Entry]) -> None:
    rewrite(database, rehash(entries[0], "f" * 64))


@pytest.mark.parametrize(
    ("tamper", "fault", "seq"),
    [
        *(
            (change(column, value), AuditFault.CHANGED, 4)
            for column, value in (
                ("at", "2020-01-01T00:00:00.000000Z"),
                ("owner", "bob"),
                ("key", "ffffffff"),
                ("action", "GET /v1/photos"),
                ("photo", "p5"),
                ("purpose", "teaching"),
                ("outcome", "refused"),
                ("outcome", b"done"),
                ("previous", "0" * 64),
                ("hash", "0" * 64),
            )
        ),
        (change_with_its_hash, AuditFault.CHANGED, 4),
        (drop_two, AuditFault.MISSING, 4),
        (drop_the_first, AuditFault.MISSING, 1),
        (drop_and_number_anew, AuditFault.MISSING, 4),
        (swap(4, 5), AuditFault.REORDERED, 4),
        (swap(2, 6), AuditFault.REORDERED, 2),
        (swap(1, 3), AuditFault.REORDERED, 1),
        (begin_elsewhere, AuditFault.CHANGED, 1),
    ],
)
def test_what_was_done_to_it_is_found(
    tmp_path: Path, tamper: Callable[[RecordTable, list[Entry]], None], fault: AuditFault, seq: int
) -> None:
    audit = append_entries(tmp_path, 8)
    with open_table(tmp_path) as database:
        tamper(database, list(audit.entries()))
    with pytest.raises(BrokenAuditError) as caught:
        audit.verify()
    assert (caught.value.fault, caught.value.entry) == (fault, seq)


def test_what_is_cut_off_shows_against_a_head_noted_before(tmp_path: Path) -> None:
    audit = append_entries(tmp_path, 5)
    noted = audit.head()
    assert audit.verify(noted) == noted
    audit.record(ALICE, "GET", {"p6": PURPOSE}, "done")
    assert audit.verify(noted).seq == 6  # it has grown
    with open_table(tmp_path) as database:
        database.execute("DELETE FROM audit WHERE seq > 3")
    assert audit.verify().seq == 3  # by itself, nothing is wrong with it
    with pytest.raises(BrokenAuditError) as caught:
        audit.verify(noted)
    assert (caught.value.fault, caught.value.entry) == (AuditFault.MISSING, 4)


def test_a_chain_that_was_rebuilt_shows_against_a_head_noted_before(tmp_path: Path) -> None:
    audit = append_entries(tmp_path, 5)
    noted, previous = audit.head(), GENESIS
    entries = list(audit.entries())
    with open_table(tmp_path) as database:
        for entry in (replace(entries[0], owner="bob"), *entries[1:]):
            again = rehash(entry, previous)
            rewrite(database, again)
            previous = again.hash
    assert audit.verify().seq == 5
    with pytest.raises(BrokenAuditError) as caught:
        audit.verify(noted)
    assert (caught.value.fault, caught.value.entry) == (AuditFault.REBUILT, 5)


def test_a_head_is_read_as_it_is_printed() -> None:
    head = Head(12, "0f" * 32)
    assert Head.parse(f"{head}\n") == head
    for text in ("", "12", "12:", f"12:{'0F' * 32}", f"-1:{'0f' * 32}", f"12:{'0f' * 32}0"):
        with pytest.raises(ConfigError):
            Head.parse(text)


def test_verification_reports_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.photographs.audit.chain.ENTRIES_PER_REPORT", 2)
    told: list[int] = []
    append_entries(tmp_path, 5).verify(progress=told.append)
    assert told == [2, 4]


def test_entries_are_found_by_photograph_and_time(tmp_path: Path) -> None:
    audit = append_entries(tmp_path, 2)
    between = datetime.now(UTC)
    audit.record(SERVICE, ERASE_PHOTO, {"p1": PURPOSE, "p3": Purpose("teaching")}, "begun")

    def numbers(**of: Any) -> list[int]:
        return [entry.seq for entry in audit.entries(**of)]

    assert numbers() == [1, 2, 3, 4]
    assert numbers(photo="p1") == [1, 3]
    assert numbers(owners=["service"]) == [3, 4]
    assert numbers(owners=["alice", "service"], photo="p1") == [1, 3]
    assert numbers(outcomes=["done", "failed"]) == [1, 2]
    assert numbers(purpose=Purpose("teaching")) == [4]
    assert numbers(since=between) == [3, 4]
    assert numbers(since=between + timedelta(hours=1)) == []
    assert audit.purposes(["p3", "unknown", "p2"]) == {"p3": "teaching", "p2": "research"}


# Several writers


def test_many_threads_make_one_chain_and_share_the_wait_for_the_disk(tmp_path: Path) -> None:
    audit = AuditRecord.open(Database.at(tmp_path))
    appending: set[int] = set()
    transactions: list[int] = []

    def hold_first(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("INSERT INTO audit"):
            deadline = time.monotonic() + 30
            while not transactions and len(appending) < 8:  # meanwhile the other threads come
                assert time.monotonic() < deadline
                time.sleep(0.01)
            if not transactions:
                time.sleep(0.2)  # until they wait
            transactions.append(len(parameters))

    def append(n: int) -> None:
        appending.add(n)
        audit.record(ALICE, "GET", {f"a{n}": PURPOSE, f"b{n}": PURPOSE}, "done")
        assert f"b{n}" in audit.purposes([f"b{n}"])  # it is there on return

    event.listen(Engine, "before_cursor_execute", hold_first)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(append, range(64)))
    finally:
        event.remove(Engine, "before_cursor_execute", hold_first)
    assert audit.verify().seq == sum(transactions) == 128
    assert len(transactions) < 64
    photos = [entry.photo for entry in audit.entries()]
    assert all(photos[photos.index(f"a{n}") + 1] == f"b{n}" for n in range(64))


@of_sqlite
def test_many_processes_make_one_chain(tmp_path: Path) -> None:
    """They begin together, on a folder that is not there."""
    state, each = tmp_path / "state", 25
    script = (
        "import sys; from pathlib import Path; from api.access.api_keys import Caller\n"
        "from api.photographs.audit.entries import Purpose\n"
        "from api.photographs.audit.record import AuditRecord\n"
        "from api.operations.database import Database\n"
        "sys.stdin.read()\n"
        "audit = AuditRecord.open(Database.at(Path(sys.argv[1])))\n"
        "for n in range(int(sys.argv[3])):\n"
        "    audit.record(Caller(sys.argv[2], '-', frozenset()), 'GET', {f'p{n}': Purpose('x')}, 'done')\n"
    )
    command = [sys.executable, "-W", "error", "-c", script, str(state)]
    children = [
        subprocess.Popen([*command, f"owner-{n}", str(each)], stdin=subprocess.PIPE, cwd=ROOT)  # noqa: S603
        for n in range(2)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.close()
    assert [child.wait() for child in children] == [0] * 2
    audit = AuditRecord.open(Database.at(state))
    assert audit.verify().seq == 2 * each
    owners = [entry.owner for entry in audit.entries()]
    assert {owner: owners.count(owner) for owner in set(owners)} == {f"owner-{n}": each for n in range(2)}


def test_what_cannot_be_written_fails_for_all_who_wait_and_the_chain_goes_on(tmp_path: Path) -> None:
    audit = append_entries(tmp_path, 2)
    start = threading.Barrier(4)

    def append(n: int) -> str:
        start.wait()
        with pytest.raises(AuditError) as caught:
            audit.record(ALICE, "GET", {f"q{n}": PURPOSE}, "done")
        return str(caught.value)

    with full_disk(tmp_path), ThreadPoolExecutor(4) as pool:
        said = set(pool.map(append, range(4)))
    [message] = said
    assert message.startswith("the audit record cannot be written (disk is full), and nothing is given out or erased")
    assert "q0" not in message
    audit.record(ALICE, "GET", {"p3": PURPOSE}, "done")
    assert audit.verify().seq == 3


# At the start


def test_a_service_does_not_start_on_a_record_whose_end_is_broken(tmp_path: Path) -> None:
    audit = append_entries(tmp_path, 3)
    app = create_app(Settings(state=tmp_path), load=served(FakeModel()))
    start_and_stop(app)
    for change_of in (
        "UPDATE audit SET owner = 'bob' WHERE seq = 3",
        "UPDATE audit SET hash = previous WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
    ):
        entries = list(audit.entries())
        with open_table(tmp_path) as database:
            database.execute(change_of)
            with pytest.raises(BrokenAuditError):
                start_and_stop(app)
        with open_table(tmp_path) as database:
            for entry in entries:
                rewrite(database, entry)
    start_and_stop(app)
    assert audit.verify().seq == 3


@of_sqlite
def test_a_record_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(AuditError):
        AuditRecord.find(Database.at(tmp_path))
    assert list(tmp_path.iterdir()) == []


# Purposes


def test_a_purpose_is_named_only_where_it_can_name_nobody() -> None:
    named, secret = ("research", "survey stimuli"), b"s" * 32
    assert redact_purpose(" Survey  STIMULI", named, secret) == "survey stimuli"
    free = redact_purpose("for Anna Schmidt's survey", named, secret)
    assert free.startswith("other:")
    assert len(free) == len("other:") + 16
    assert free == redact_purpose("For  Anna Schmidt's survey ", named, secret)
    assert free != redact_purpose("for Anna Schmidt's survey", named, b"t" * 32)
    assert free != redact_purpose("for Anna Schmid's survey", named, secret)
    plain = hashlib.sha256(b"for anna schmidt's survey").hexdigest()
    assert free.removeprefix("other:") not in plain


def test_purposes_that_are_named_can_be_set(tmp_path: Path) -> None:
    assert Settings(state=tmp_path, purposes=" a b ,, c").named_purposes == ("a b", "c")
    assert Settings(state=tmp_path, purposes="").named_purposes == ()
