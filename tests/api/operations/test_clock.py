"""Times of the service while the machine's clock is set by hours."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import IO, Final, Self

import pytest

from api.access.api_keys import SERVICE, ApiKeys, Scope
from api.access.idempotency import KEPT_S, IdempotencyKeys
from api.image_sets.file_cache import FileCache
from api.operations.clock import lead_s, now, now_ms
from api.operations.database import Database
from api.photographs.audit.entries import Purpose
from api.photographs.audit.record import AuditRecord
from tests.api.machine_clock import HOURS, MachineClock
from tests.api.photographs.test_erasure import left, open_process, send

ROOT: Final = Path(__file__).parents[3]
JUMPS: Final = pytest.mark.parametrize("set_s", [-40 * 24 * HOURS, -5 * HOURS, 5 * HOURS, 40 * 24 * HOURS])
MACHINE_TIME: Final = {
    "image_sets/file_cache.py",  # compares with times of files
    "models/checkpoint_files.py",  # the same
    "operations/clock.py",
    "photographs/audit/record.py",  # records what the clock shows
    "provenance/c2pa_certificate.py",  # validity of certificates
    "provenance/c2pa_signing.py",
    "provenance/content_credentials.py",
    "provenance/trial_authority.py",
}
"""Modules of the service that may read the machine's clock."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MachineClock:
    return MachineClock.install(monkeypatch)


def test_only_these_modules_read_the_machines_clock() -> None:
    reads = re.compile(r"\btime\.time\(|time_ns\(\)|datetime\.now|utcnow")
    api = ROOT / "api"
    found = {str(path.relative_to(api)) for path in api.rglob("*.py") if reads.search(path.read_text())}
    assert found == MACHINE_TIME


@JUMPS
def test_time_goes_on_while_the_clock_is_set(clock: MachineClock, set_s: float) -> None:
    before_ms, before = now_ms(), now()
    clock.set_s = set_s
    assert 0 <= now_ms() - before_ms < HOURS * 1000
    assert timedelta(0) <= now() - before < timedelta(hours=1)
    assert lead_s() == pytest.approx(set_s, abs=HOURS)


def test_a_suspended_machine_has_missed_no_time(clock: MachineClock) -> None:
    before_ms = now_ms()
    clock.passed_s = 5 * HOURS
    assert 5 * HOURS * 1000 <= now_ms() - before_ms < 6 * HOURS * 1000
    assert lead_s() == pytest.approx(0, abs=HOURS)


@JUMPS
def test_a_photograph_is_kept_for_its_time(tmp_path: Path, clock: MachineClock, set_s: float) -> None:
    with closing(Database.open(tmp_path)) as database:
        process = open_process(database, None)
        photo = send(process.photographs)  # for a minute
        clock.set_s = set_s
        process.eraser.erase_expired()
        assert left(process.files) == [f"photos/{photo}/original"]
        clock.passed_s = 61
        process.eraser.erase_expired()
        assert left(process.files) == []


@JUMPS
def test_a_key_is_valid_for_its_time(tmp_path: Path, clock: MachineClock, set_s: float) -> None:
    with closing(Database.open(tmp_path)) as database:
        keys = ApiKeys(database.engine)
        secret, _ = keys.create("lab", [Scope.PHOTOS], now() + timedelta(hours=1))
        clock.set_s = set_s
        assert keys.find_caller(secret) is not None
        clock.passed_s = HOURS + 1
        assert keys.find_caller(secret) is None


@JUMPS
def test_an_idempotency_key_stands_for_its_request(tmp_path: Path, clock: MachineClock, set_s: float) -> None:
    with closing(Database.open(tmp_path)) as database:
        keys, eraser = IdempotencyKeys(database.engine), open_process(database, None).eraser
        keys.claim("lab", "a", {}, "first")
        clock.set_s = set_s
        eraser.erase_expired()
        assert keys.claim("lab", "a", {}, "second") == "first"
        clock.passed_s = KEPT_S + 1
        eraser.erase_expired()
        assert keys.claim("lab", "a", {}, "third") == "third"


class ShownTime(datetime):
    """Time that the fake clock shows."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(time.time(), tz)


def test_the_audit_record_keeps_its_order(tmp_path: Path, clock: MachineClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.photographs.audit.record.datetime", ShownTime)
    with closing(Database.open(tmp_path)) as database:
        audit = AuditRecord.open(database)
        for action, set_s in (("first", 0), ("second", -5 * HOURS), ("third", 5 * HOURS)):
            clock.set_s = set_s
            audit.record(SERVICE, action, {"photo": Purpose("research")}, "done")
        entries = list(audit.entries())
        assert [entry.action for entry in entries] == ["first", "second", "third"]
        assert entries[1].at < entries[0].at < entries[2].at
        assert audit.verify().seq == 3
        audit.close()


def test_a_file_that_is_made_while_the_clock_is_set_is_served(tmp_path: Path, clock: MachineClock) -> None:
    cache = FileCache(tmp_path, 1 << 20)

    def write(data: bytes, meanwhile: Callable[[], object]) -> Callable[[IO[bytes]], None]:
        def work(file: IO[bytes]) -> None:
            file.write(data)
            file.flush()
            meanwhile()

        return work

    def set_clock() -> None:
        clock.set_s = 5 * HOURS
        cache.get("other", write(b"other", lambda: None))

    assert bytes(cache.get("shard", write(b"shard", set_clock)).data) == b"shard"
    assert bytes(cache.get("shard", write(b"shard", lambda: None)).data) == b"shard"
