"""The audit record: one chain, in which every change shows, of all that is done with photographs, and of no pixel."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from api.access.api_keys import SERVICE, Caller
from api.app import create_app
from api.operations.database import Database
from api.photographs.audit import GENESIS, Audit, AuditFault, BrokenAuditError, Entry, Head, Purpose, redact_purpose
from api.photographs.erasure import ERASE_ORIGINAL, ERASE_PACK, ERASE_PHOTO
from api.photographs.storage import Photographs
from api.problem_types import ProblemType
from api.settings import Settings
from core.errors import AuditError, ConfigError
from faces.images import read_image
from tests.api.fake import FakeModel, served
from tests.api.lab import WAIT, Json, Lab, all_files, good, of_sqlite, phantom, problem_of, refused
from tests.api.serving import start_and_stop

ALICE: Final = Caller("alice", "0123abcd", frozenset())
PURPOSE: Final = Purpose("research")
ROOT: Final = Path(__file__).parents[3]
NO_PHOTO: Final = "0" * 32


def append_entries(state: Path, entries: int) -> Audit:
    """A record with entries of photographs p1, p2, ..."""
    audit = Audit.open(Database.at(state))
    for n in range(1, entries + 1):
        audit.record(ALICE, "GET /v1/photos/{photo_id}", {f"p{n}": PURPOSE}, "done")
    return audit


@dataclass(frozen=True)
class Raw:
    """The record's table, for somebody who may write anything."""

    connection: Connection

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> None:
        mark = "?" if self.connection.dialect.name == "sqlite" else "%s"
        self.connection.exec_driver_sql(statement.replace("?", mark), values)


@contextmanager
def raw(state: Path, *, triggers: bool = False) -> Iterator[Raw]:
    """Everything is written at once; what keeps others from changing entries is gone unless it is to stay."""
    audit = Audit.find(Database.at(state))
    with audit._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        database = Raw(connection)
        if not triggers and connection.dialect.name == "postgresql":
            database.execute("DROP TRIGGER IF EXISTS audit_no_change ON audit")
        elif not triggers:
            for change in ("UPDATE", "DELETE"):
                database.execute(f"DROP TRIGGER IF EXISTS audit_no_{change}")
        yield database
    audit.close()


def rehash(entry: Entry, previous: str) -> Entry:
    return replace(entry, previous=previous).with_hash()


def rewrite(database: Raw, entry: Entry) -> None:
    row = tuple(getattr(entry, name) for name in Entry.__slots__)
    database.execute("DELETE FROM audit WHERE seq = ?", (entry.seq,))
    database.execute(f"INSERT INTO audit VALUES ({','.join('?' * len(row))})", row)  # noqa: S608


@contextmanager
def full_disk(state: Path) -> Iterator[None]:
    """Nothing can be appended."""
    with raw(state, triggers=True) as database:
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


# The chain


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
    audit = Audit.open(Database.at(tmp_path))
    assert audit.verify(Head(0, GENESIS)) == audit.head() == Head(0, GENESIS)
    audit.record(ALICE, "nothing", {}, "done")
    assert list(audit.entries()) == []


@of_sqlite
def test_it_is_its_owners_file_and_on_the_disk_when_it_is_committed(tmp_path: Path) -> None:
    audit = append_entries(tmp_path, 1)
    assert (tmp_path / "audit.sqlite").stat().st_mode & 0o077 == 0
    with audit._engine.connect() as connection:
        modes = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert modes == ["wal", 2]  # 2: FULL, the log is flushed at each commit


@pytest.mark.parametrize("statement", ["UPDATE audit SET owner = 'bob'", "DELETE FROM audit WHERE seq = 1"])
def test_the_database_only_appends(tmp_path: Path, statement: str) -> None:
    audit = append_entries(tmp_path, 2)
    entries = list(audit.entries())
    with raw(tmp_path, triggers=True) as database, pytest.raises(DBAPIError):
        database.execute(statement)
    assert list(audit.entries()) == entries


def change(column: str, value: object) -> Callable[[Raw, list[Entry]], None]:
    return lambda database, _: database.execute(f"UPDATE audit SET {column} = ? WHERE seq = 4", (value,)) and None  # noqa: S608


def change_with_its_hash(database: Raw, entries: list[Entry]) -> None:
    rewrite(database, replace(entries[3], owner="bob").with_hash())


def drop_two(database: Raw, _: list[Entry]) -> None:
    database.execute("DELETE FROM audit WHERE seq IN (4, 5)")


def drop_the_first(database: Raw, _: list[Entry]) -> None:
    database.execute("DELETE FROM audit WHERE seq = 1")


def drop_and_number_anew(database: Raw, entries: list[Entry]) -> None:
    database.execute("DELETE FROM audit WHERE seq > 3")
    for entry in entries[4:]:
        rewrite(database, replace(entry, seq=entry.seq - 1))


def swap(first: int, second: int) -> Callable[[Raw, list[Entry]], None]:
    def swapped(database: Raw, entries: list[Entry]) -> None:
        rewrite(database, replace(entries[first - 1], seq=second))
        rewrite(database, replace(entries[second - 1], seq=first))

    return swapped


def begin_elsewhere(database: Raw, entries: list[Entry]) -> None:
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
    tmp_path: Path, tamper: Callable[[Raw, list[Entry]], None], fault: AuditFault, seq: int
) -> None:
    audit = append_entries(tmp_path, 8)
    with raw(tmp_path) as database:
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
    with raw(tmp_path) as database:
        database.execute("DELETE FROM audit WHERE seq > 3")
    assert audit.verify().seq == 3  # by itself, nothing is wrong with it
    with pytest.raises(BrokenAuditError) as caught:
        audit.verify(noted)
    assert (caught.value.fault, caught.value.entry) == (AuditFault.MISSING, 4)


def test_a_chain_that_was_rebuilt_shows_against_a_head_noted_before(tmp_path: Path) -> None:
    audit = append_entries(tmp_path, 5)
    noted, previous = audit.head(), GENESIS
    entries = list(audit.entries())
    with raw(tmp_path) as database:
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
    monkeypatch.setattr("api.photographs.audit.ROWS_AT_ONCE", 2)
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


def test_many_threads_make_one_chain_and_share_the_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit, transactions = Audit.open(Database.at(tmp_path)), []
    write = audit._write_all

    def slowly(together: Any) -> None:
        deadline = time.monotonic() + 30
        while not transactions and len(together) + len(audit._waiting) < 8:  # meanwhile the other threads come
            assert time.monotonic() < deadline
            time.sleep(0.01)
        transactions.append(len(together))
        write(together)

    monkeypatch.setattr(audit, "_write_all", slowly)

    def append(n: int) -> None:
        audit.record(ALICE, "GET", {f"a{n}": PURPOSE, f"b{n}": PURPOSE}, "done")
        assert f"b{n}" in audit.purposes([f"b{n}"])  # it is there on return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(64)))
    assert audit.verify().seq == 128
    assert sum(transactions) == 64
    assert sum(transactions[:2]) >= 8
    photos = [entry.photo for entry in audit.entries()]
    assert all(photos[photos.index(f"a{n}") + 1] == f"b{n}" for n in range(64))


@of_sqlite
def test_many_processes_make_one_chain(tmp_path: Path) -> None:
    """They begin together, on a folder that is not there."""
    state, each = tmp_path / "state", 25
    script = (
        "import sys; from pathlib import Path; from api.access.api_keys import Caller\n"
        "from api.photographs.audit import Audit, Purpose\n"
        "from api.operations.database import Database\n"
        "sys.stdin.read()\n"
        "audit = Audit.open(Database.at(Path(sys.argv[1])))\n"
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
    audit = Audit.open(Database.at(state))
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
        with raw(tmp_path) as database:
            database.execute(change_of)
            with pytest.raises(BrokenAuditError):
                start_and_stop(app)
        with raw(tmp_path) as database:
            for entry in entries:
                rewrite(database, entry)
    start_and_stop(app)
    assert audit.verify().seq == 3


@of_sqlite
def test_a_record_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(AuditError):
        Audit.find(Database.at(tmp_path))
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


# What the service records


@pytest.fixture(scope="module")
def photo(lab: Lab) -> str:
    """One that no test erases."""
    return lab.photo(0, keep_original=True)


@pytest.fixture(scope="module")
def second(lab: Lab) -> str:
    return lab.photo(1)


@pytest.fixture(scope="module")
def edit(lab: Lab, photo: str) -> str:
    return str(good(lab.edit(photo, strength=1.0))["id"])


@pytest.fixture(scope="module")
def pack(lab: Lab, photo: str, second: str) -> str:
    return str(good(lab.pack(photo, second))["id"])


@pytest.fixture
def path_of(photo: str, edit: str, pack: str) -> Callable[[str], str]:
    """The path of a route, with the ids above in it."""
    ids = {"photo_id": photo, "edit_id": edit, "pack_id": pack, "job_id": f"{photo}-1", "version": "A", "n": 1}
    return lambda route: route.format(**ids)


def list_recorded(lab: Lab, since: Head, **of: Any) -> list[tuple[str, ...]]:
    """(owner, action, outcome, photo) of the entries after a head."""
    found = [entry for entry in lab.service.audit.entries(**of) if entry.seq > since.seq]
    return [(entry.owner, entry.action, entry.outcome, entry.photo) for entry in found]


READS: Final = (
    "GET /v1/photos/{photo_id}",
    "GET /v1/photos/{photo_id}/accesses",
    "GET /v1/photos/{photo_id}/original",
    "GET /v1/photos/{photo_id}/crop.png",
    "GET /v1/photos/{photo_id}/landmarks",
    "GET /v1/photos/{photo_id}/reconstruction.png",
    "GET /v1/photos/{photo_id}/edits",
    "GET /v1/photos/{photo_id}/edits/{edit_id}",
    "GET /v1/photos/{photo_id}/edits/{edit_id}/image.png",
    "GET /v1/photos/{photo_id}/edits/{edit_id}/before.png",
    "GET /v1/photos/{photo_id}/explanations",
    "GET /v1/photos/{photo_id}/assessments",
    "GET /v1/stimuli/{pack_id}",
    "GET /v1/stimuli/{pack_id}/archive.zip",
    "GET /v1/stimuli/{pack_id}/versions/{version}/{n}.png",
    "GET /v1/jobs/{job_id}",
    "GET /v1/jobs/{job_id}/events",
)
CHANGES: Final = (
    "DELETE /v1/photos/{photo_id}",
    "POST /v1/photos/{photo_id}/edits",
    "PUT /v1/photos/{photo_id}/cohort",
    "DELETE /v1/photos/{photo_id}/cohort",
    "DELETE /v1/stimuli/{pack_id}",
    "POST /v1/jobs/{job_id}/cancel",
)
WITHOUT_ID: Final = ("POST /v1/photos", "GET /v1/photos", "POST /v1/stimuli", "GET /v1/stimuli")


def test_the_routes_are_all_that_touch_photographs(lab: Lab) -> None:
    known = good(lab.http.get("/openapi.json"))["paths"]
    touching = {
        f"{method.upper()} {path}"
        for path, operations in known.items()
        for method in operations
        if path.startswith(("/v1/photos", "/v1/stimuli", "/v1/jobs/"))
    }
    assert touching == {*READS, *CHANGES, *WITHOUT_ID}


def send_request(http: httpx.Client, action: str, path: str) -> httpx.Response:
    method = action.partition(" ")[0]
    body = {
        "POST /v1/photos/{photo_id}/edits": {"json": {"strength": 1.0}},
        "PUT /v1/photos/{photo_id}/cohort": {"json": {"syndrome": "KdVS"}},
    }.get(action, {})
    return http.request(method, path, headers=WAIT, **body)  # type: ignore[arg-type]


@pytest.mark.parametrize("action", READS)
def test_every_read_is_recorded_before_it_is_answered(
    lab: Lab,
    photo: str,
    second: str,
    path_of: Callable[[str], str],
    action: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, since, record = path_of(action.split()[1]), lab.service.audit.head(), lab.service.audit.record

    def slowly(*what: Any) -> None:
        time.sleep(0.05)
        record(*what)

    monkeypatch.setattr(lab.service.audit, "record", slowly)
    with lab.http.stream("GET", path) as answer:
        assert answer.status_code == 200
        entries = list_recorded(lab, since)  # by now the head of the answer is here, and perhaps nothing else
    photos = (photo, second) if "stimuli" in path else (photo,)
    assert entries == [("lab", action, "done", one) for one in photos]
    [one] = list(lab.service.audit.entries(photo=photo))[-1:]
    assert (one.key, one.purpose[:6]) == (lab.key, "other:")


@pytest.mark.parametrize("action", [*READS, *CHANGES])
def test_refused_it_is_recorded_too(
    lab: Lab, photo: str, second: str, path_of: Callable[[str], str], action: str
) -> None:
    path = path_of(action.split()[1])
    photos = (photo, second) if "stimuli" in path else (photo,)
    since = lab.service.audit.head()
    refused(send_request(lab.other, action, path), 404)
    assert list_recorded(lab, since) == [("other-lab", action, "refused", one) for one in photos]
    since = lab.service.audit.head()
    refused(send_request(lab.sets_only, action, path), 404 if "jobs" in path else 403)
    assert list_recorded(lab, since) == [("lab", action, "refused", one) for one in photos]


def test_of_what_is_no_photograph_nothing_is_recorded(lab: Lab, photo: str) -> None:
    since = lab.service.audit.head()
    for path in (f"/v1/photos/{NO_PHOTO}", "/v1/photos/Anna%20Schmidt", f"/v1/stimuli/{NO_PHOTO}", "/v1/jobs/x-1"):
        refused(lab.http.get(path), 404)
    refused(lab.http.post("/v1/stimuli", json={"photos": ["Anna Schmidt", NO_PHOTO]}), 404)
    refused(httpx.get(lab.http.base_url.join(f"/v1/photos/{photo}")), 401)  # by nobody who is known
    assert good(lab.http.post("/v1/verify", content=phantom(0)))["verdict"] == "not recognised"
    made = good(lab.http.post("/v1/image-sets", json={"kind": "unrelated", "count": 1}, headers=WAIT))
    image = f"/v1/image-sets/{made['id']}/images/0/edits"
    edited = good(lab.http.post(image, json={"strength": 1.0}, headers=WAIT))
    assert lab.http.get(edited["links"]["image"]).status_code == 200
    assert lab.http.get(edited["links"]["job"]).status_code == 200
    for path in ("/v1/jobs", "/v1/models", "/readyz"):
        assert lab.http.get(path).status_code == 200
    assert list_recorded(lab, since) == []


def test_sending_is_recorded_before_it_is_kept_and_when_it_is_answered(lab: Lab) -> None:
    since = lab.service.audit.head()
    sent = lab.photo(2)
    lab.idle()  # the original is erased after the answer
    send = "POST /v1/photos"
    assert list_recorded(lab, since, owners=["lab"]) == [
        ("lab", send, "begun", sent),
        ("lab", send, "done", sent),
    ]
    assert list_recorded(lab, since, owners=["service"]) == [
        ("service", ERASE_ORIGINAL, "begun", sent),
        ("service", ERASE_ORIGINAL, "done", sent),
    ]
    [key] = {entry.key for entry in lab.service.audit.entries(photo=sent, owners=["service"])}
    assert key == "-"


def test_what_is_sent_again_with_a_key_is_the_first(lab: Lab) -> None:
    key = {"Idempotency-Key": "audited"}
    sent = good(lab.send(phantom(2), key))["id"]
    lab.idle()  # the original is erased
    since = lab.service.audit.head()
    assert good(lab.send(phantom(2), key))["id"] == sent
    assert list_recorded(lab, since) == [("lab", "POST /v1/photos", "done", sent)]


def test_what_is_refused_as_a_photograph_is_recorded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    since = lab.service.audit.head()
    refused(lab.send(b"GIF89a" + bytes(100)), 415)
    [(owner, action, outcome, _)] = list_recorded(lab, since)
    assert (owner, action, outcome) == ("lab", "POST /v1/photos", "refused")
    since = lab.service.audit.head()
    monkeypatch.setattr(lab.service.jobs, "_most_open", (1000, 0))
    refused(lab.send(phantom(0)), 429)
    assert [entry[:3] for entry in list_recorded(lab, since)] == [("lab", "POST /v1/photos", "refused")]
    since = lab.service.audit.head()
    monkeypatch.setattr(lab.service.jobs, "check_room", lambda *_: None)  # another request was faster
    refused(lab.send(phantom(0)), 429)
    assert [entry[:3] for entry in list_recorded(lab, since)] == [
        ("lab", "POST /v1/photos", "begun"),
        ("lab", ERASE_PHOTO, "begun"),
        ("lab", ERASE_PHOTO, "done"),
        ("lab", "POST /v1/photos", "refused"),
    ]


def test_what_is_made_of_photographs_is_recorded_before_it_is_made(lab: Lab, photo: str, second: str) -> None:
    since = lab.service.audit.head()
    made = good(lab.edit(photo, strength=2.0))
    assert list_recorded(lab, since) == [
        ("lab", "POST /v1/photos/{photo_id}/edits", "begun", photo),
        ("lab", "POST /v1/photos/{photo_id}/edits", "done", photo),
    ]
    since = lab.service.audit.head()
    assert lab.http.get(made["links"]["job"]).status_code == 200
    assert list_recorded(lab, since) == [("lab", "GET /v1/jobs/{job_id}", "done", photo)]
    since = lab.service.audit.head()
    packed = good(lab.pack(photo, second, seed=3))
    assert list_recorded(lab, since) == [
        ("lab", "POST /v1/stimuli", outcome, one) for outcome in ("begun", "done") for one in (photo, second)
    ]
    since = lab.service.audit.head()
    assert lab.http.get(packed["links"]["job"]).status_code == 200
    assert list_recorded(lab, since) == [("lab", "GET /v1/jobs/{job_id}", "done", one) for one in (photo, second)]
    theirs = {"photos": [photo, second]}
    since = lab.service.audit.head()
    refused(lab.other.post("/v1/stimuli", json=theirs), 404)
    assert list_recorded(lab, since) == [("other-lab", "POST /v1/stimuli", "refused", one) for one in (photo, second)]


def test_a_list_is_an_access_to_each_in_it(lab: Lab, photo: str, second: str) -> None:
    since = lab.service.audit.head()
    items = good(lab.http.get("/v1/photos?limit=100"))["items"]
    assert {photo, second} <= {item["id"] for item in items}
    assert list_recorded(lab, since) == [("lab", "GET /v1/photos", "done", item["id"]) for item in items]
    assert good(lab.other.get("/v1/photos"))["items"] == []


def test_cancelling_is_recorded(lab: Lab) -> None:
    with lab.occupied():
        sent = good(lab.send(phantom(2), {"Prefer": ""}), 202)
        lab.until_waiting()
        since = lab.service.audit.head()
        good(lab.http.post(f"{sent['links']['job']}/cancel"))
    action = "POST /v1/jobs/{job_id}/cancel"
    assert list_recorded(lab, since, owners=["lab"]) == [("lab", action, how, sent["id"]) for how in ("begun", "done")]
    lab.idle()
    assert list_recorded(lab, since, owners=["service"])[-1] == ("service", ERASE_ORIGINAL, "done", sent["id"])


def test_a_failure_is_recorded(lab: Lab, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("api.routes.photos.describe_photo", broken)
    since = lab.service.audit.head()
    url, key = lab.http.base_url.join(f"/v1/photos/{photo}"), lab.http.headers  # a connection ends with a failure
    refused(httpx.get(url, headers=key), 500)
    with full_disk(lab.state):
        assert problem_of(httpx.get(url, headers=key)) is ProblemType.AUDIT_UNAVAILABLE
    assert list_recorded(lab, since) == [("lab", "GET /v1/photos/{photo_id}", "failed", photo)]


# Erasure


def test_erasing_is_recorded_with_the_packs_that_go_too(lab: Lab) -> None:
    first, other = lab.photo(0), lab.photo(1)
    purposes = {entry.purpose for entry in lab.service.audit.entries(photo=first)}
    good(lab.pack(first, other))
    since = lab.service.audit.head()
    good(lab.http.delete(f"/v1/photos/{first}"))
    expected = [
        ("lab", ERASE_PHOTO, "begun", first),
        *(("lab", ERASE_PACK, outcome, one) for outcome in ("begun", "done") for one in (first, other)),
        ("lab", ERASE_PHOTO, "done", first),
        ("lab", "DELETE /v1/photos/{photo_id}", "done", first),
    ]
    assert list_recorded(lab, since) == expected
    since = lab.service.audit.head()
    refused(lab.http.get(f"/v1/photos/{first}"), 404)  # the record knows it still
    assert list_recorded(lab, since) == [("lab", "GET /v1/photos/{photo_id}", "refused", first)]
    assert {entry.purpose for entry in lab.service.audit.entries(photo=first)} == purposes
    assert lab.service.audit.verify(since).seq > since.seq


def test_erasing_a_pack_is_recorded(lab: Lab, photo: str, second: str) -> None:
    made = good(lab.pack(photo, second, seed=4))["id"]
    since = lab.service.audit.head()
    assert lab.http.delete(f"/v1/stimuli/{made}").status_code == 204
    assert list_recorded(lab, since) == [
        ("lab", action, outcome, one)
        for action, outcome in ((ERASE_PACK, "begun"), (ERASE_PACK, "done"), ("DELETE /v1/stimuli/{pack_id}", "done"))
        for one in (photo, second)
    ]


def test_what_is_erased_because_its_time_is_over_is_recorded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    short = lab.photo(0, ttl_s=60)
    since, now = lab.service.audit.head(), time.time_ns() // 1_000_000
    monkeypatch.setattr("api.photographs.erasure.now_ms", lambda: now + 61_000)
    with full_disk(lab.state):
        lab.service.eraser.erase_expired()
    assert lab.service.photographs.get(short) is not None  # not without a record
    lab.service.eraser.erase_expired()
    assert list_recorded(lab, since) == [("service", ERASE_PHOTO, outcome, short) for outcome in ("begun", "done")]
    assert lab.service.photographs.get(short) is None


def test_an_erasure_that_fails_is_recorded_as_such(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = lab.photo(0)
    lab.idle()  # its original is deleted
    since = lab.service.audit.head()
    with monkeypatch.context() as patched:
        patched.setattr(lab.service.photographs.files, "delete_tree", lambda _: 1 / 0)
        url = lab.http.base_url.join(f"/v1/photos/{sent}")
        refused(httpx.delete(url, headers=lab.http.headers), 500)
    assert list_recorded(lab, since) == [
        ("lab", ERASE_PHOTO, "begun", sent),
        ("lab", ERASE_PHOTO, "failed", sent),
        ("lab", "DELETE /v1/photos/{photo_id}", "failed", sent),
    ]
    good(lab.http.delete(f"/v1/photos/{sent}"))


def test_an_original_stays_until_its_erasure_can_be_recorded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    record, photographs = lab.service.audit.record, lab.service.photographs

    def no_originals(caller: Caller, action: str, *what: Any) -> None:
        if action == ERASE_ORIGINAL:
            raise AuditError("the disk is full")
        record(caller, action, *what)

    with monkeypatch.context() as patched:
        patched.setattr(lab.service.audit, "record", no_originals)
        sent = lab.photo(3)
        lab.idle()
        lab.service.eraser.erase_expired()
        assert photographs.has_original(sent)
        since = lab.service.audit.head()
    lab.photo(0, keep_original=True)
    lab.service.eraser.erase_expired()
    erased = [entry for entry in list_recorded(lab, since) if entry[1] == ERASE_ORIGINAL]
    assert erased == [("service", ERASE_ORIGINAL, outcome, sent) for outcome in ("begun", "done")]
    assert not photographs.has_original(sent)


# Without a record


@pytest.mark.parametrize("action", [*READS, *CHANGES])
def test_without_a_record_nothing_is_answered_and_nothing_done(
    lab: Lab, second: str, path_of: Callable[[str], str], action: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, before, jobs = path_of(action.split()[1]), all_files(lab.state), lab.jobs()
    since = lab.service.audit.head()
    with full_disk(lab.state):
        answer = send_request(lab.http, action, path)
        other = send_request(lab.other, action, path)
    for one in (answer, other):
        assert problem_of(one) is ProblemType.AUDIT_UNAVAILABLE
        assert set(one.json()) == {"type", "title", "status", "detail", "instance"}
        assert "set-cookie" not in one.headers
    assert answer.json() == other.json()
    assert all_files(lab.state) == before
    assert lab.jobs() == jobs
    assert list_recorded(lab, since) == []
    assert "an answer is withheld" in caplog.text
    assert lab.service.photographs.get(second) is not None


def test_without_a_record_nothing_is_taken_packed_or_listed(lab: Lab, photo: str, second: str) -> None:
    key, before, jobs = {"Idempotency-Key": "unrecorded"}, all_files(lab.state), lab.jobs()
    photos = good(lab.http.get("/v1/photos?limit=100"))["items"]
    with full_disk(lab.state):
        for answer in (
            lab.send(phantom(0), key),
            lab.http.get("/v1/photos"),
            lab.pack(photo, second, headers=key | {"Idempotency-Key": "unrecorded pack"}),
        ):
            assert problem_of(answer) is ProblemType.AUDIT_UNAVAILABLE
            assert photo not in answer.text
        assert good(lab.other.get("/v1/photos"))["items"] == []  # nobody's photograph is in it
        assert lab.http.get("/v1/models").status_code == 200
    assert all_files(lab.state) == before
    assert lab.jobs() == jobs
    assert good(lab.http.get("/v1/photos?limit=100"))["items"] == photos
    assert good(lab.send(phantom(0), key))["state"] == "done"


def test_with_a_record_that_is_gone_nothing_is_answered(lab: Lab, photo: str) -> None:
    with raw(lab.state, triggers=True) as database:
        database.execute("ALTER TABLE audit RENAME TO aside")
        try:
            for path in (f"/v1/photos/{photo}/crop.png", f"/v1/photos/{NO_PHOTO}"):
                assert problem_of(lab.http.get(path)) is ProblemType.AUDIT_UNAVAILABLE
        finally:
            database.execute("ALTER TABLE aside RENAME TO audit")
    assert lab.http.get(f"/v1/photos/{photo}/crop.png").status_code == 200


# What is not in it


@of_sqlite
def test_nothing_of_a_picture_or_of_a_person_is_recorded(lab: Lab) -> None:
    picture, name = phantom(5), "anna-schmidt-2019.png"
    words = {"Consent-Reference": "consent of Anna Schmidt", "Purpose": "syndrome of Anna Schmidt, born 2019"}
    words |= {"Reference": "photograph of Anna Schmidt"}
    headers = words | {"Content-Disposition": f'attachment; filename="{name}"', "Idempotency-Key": "anna-schmidt"}
    sent = good(lab.send(picture, headers, keep_original=True))
    here, other = sent["links"]["self"], lab.photo(1)
    edited = good(lab.edit(sent["id"], strength=1.0))["links"]
    packed = good(lab.pack(sent["id"], other, groups={sent["id"]: "Anna Schmidt", other: "b"}))["links"]
    paths = (f"{here}/original", f"{here}/crop.png", f"{here}/reconstruction.png", edited["image"], packed["archive"])
    files = [picture, *(lab.http.get(path).content for path in paths)]
    pixels = [read_image(lab.http.get(path).content).tobytes() for path in paths[:4]]
    lab.http.get(f"{here}?name=Anna%20Schmidt")
    good(lab.http.delete(here))
    kept = b"".join(path.read_bytes() for path in lab.state.glob("audit.sqlite*"))
    assert sent["id"].encode() in kept
    text = kept.lower()
    for word in (*words.values(), name, "anna", "schmidt", "syndrome", "2019.png", "gestaltgen_"):
        assert word.lower().encode() not in text, word
    for data in (*files, *pixels):
        assert data[64:96] not in kept
        for algorithm in ("md5", "sha1", "sha256", "sha512", "blake2b"):
            digest = hashlib.new(algorithm, data, usedforsecurity=False)
            assert digest.hexdigest()[:16].encode() not in text
            assert digest.digest()[:8] not in kept
    for entry in lab.service.audit.entries(photo=sent["id"]):
        assert entry.purpose.startswith("other:")


def test_a_purpose_of_the_list_is_given_in_words(lab: Lab) -> None:
    sent = good(lab.send(phantom(0), {"Purpose": "Teaching"}))["id"]
    assert {entry.purpose for entry in lab.service.audit.entries(photo=sent)} == {"teaching"}
    assert {entry.photo for entry in lab.service.audit.entries(purpose=Purpose("teaching"))} == {sent}


def test_owners_see_what_they_and_the_service_did(lab: Lab) -> None:
    sent = lab.photo(0)
    refused(lab.other.get(f"/v1/photos/{sent}"), 404)
    refused(lab.sets_only.get(f"/v1/photos/{sent}"), 403)
    items: list[Json] = good(lab.http.get(f"/v1/photos/{sent}/accesses"))["items"]
    seen = [(item["owner"], item["action"], item["outcome"]) for item in items]
    assert sorted(seen) == sorted(
        [
            ("service", ERASE_ORIGINAL, "done"),
            ("lab", "POST /v1/photos", "done"),
            ("lab", "GET /v1/photos/{photo_id}", "refused"),
        ]
    )


def test_the_record_outlives_the_service(lab: Lab, photo: str) -> None:
    """Retention prunes nothing of it."""
    before = list(lab.service.audit.entries())
    lab.service.eraser.erase_expired()
    assert list(lab.service.audit.entries())[: len(before)] == before
    assert isinstance(lab.service.photographs, Photographs)
    assert Audit.open(Database.at(lab.state)).verify().seq >= len(before)
