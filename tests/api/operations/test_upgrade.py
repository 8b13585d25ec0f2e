from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from api.image_sets.storage import Store, StoredRequest
from api.operations.database import Database
from api.operations.file_stores import LocalFiles
from api.operations.upgrades import VERSION, upgrade_folder
from core.errors import ConfigError
from tests.api.lab import of_sqlite
from tests.api.processes import process

GROWING, COMPLETE = "00ff00ff00ff00ff", "11ff11ff11ff11ff"
ROWS = [{"index": index} for index in range(3)]
PNGS = [f"image {index}".encode() for index in range(3)]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The folder of an earlier version: one set is complete, of the other a chunk is there."""
    store = Store(LocalFiles(tmp_path))
    for set_id in (GROWING, COMPLETE):
        store.begin(StoredRequest(set_id, 3, {}, {"kind": "unrelated"}))
        store.write_chunk(set_id, 0, ROWS, PNGS)
    store.seal(COMPLETE, [0])
    sets = tmp_path / "sets"
    (sets / GROWING).rename(sets / f"{GROWING}.partial")
    (sets / COMPLETE / "derived").mkdir()
    (sets / COMPLETE / "derived" / "000000.tar").write_bytes(b"tar")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / f".{'0' * 32}.incoming").write_bytes(b"a photograph")
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / ("0" * 32)).write_bytes(b"a photograph")
    return tmp_path


def check(state: Path) -> None:
    store = Store(LocalFiles(state))
    assert store.is_complete(COMPLETE)
    assert not store.is_complete(GROWING)
    assert store.has_chunk(GROWING, 0, 3)
    assert sorted(path.name for path in (state / "sets").iterdir()) == [GROWING, COMPLETE]
    assert sorted(path.name for path in (state / "sets" / COMPLETE).iterdir()) == [
        "images",
        "manifest.jsonl",
        "request.json",
    ]
    assert list((state / "photos").iterdir()) == []
    assert not (state / "incoming").exists()
    store.seal(GROWING, [0])
    assert store.is_complete(GROWING)


def test_a_state_folder_of_before_goes_on(state: Path) -> None:
    upgrade_folder(state)
    upgrade_folder(state)
    check(state)


def test_an_upgrade_that_was_killed_is_finished(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("api.operations.upgrades.shutil.rmtree", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            upgrade_folder(state)
    upgrade_folder(state)
    check(state)


def test_what_a_late_writer_left_of_a_complete_set_goes(state: Path) -> None:
    late = state / "sets" / f"{COMPLETE}.partial" / "images"
    late.mkdir(parents=True)
    (late / "000000.png").write_bytes(b"late")
    upgrade_folder(state)
    check(state)
    assert (state / "sets" / COMPLETE / "images" / "000000.png").read_bytes() == PNGS[0]


def test_a_new_folder_needs_nothing(tmp_path: Path) -> None:
    upgrade_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


# The database


def make_older(state: Path) -> None:
    """Leave the tables as the first version made them, and jobs as begun by an earlier one."""
    with closing(sqlite3.connect(state / "service.sqlite")) as database:
        for statement in (
            "ALTER TABLE jobs DROP COLUMN owner",
            "ALTER TABLE owned DROP COLUMN bytes",
            "DROP TABLE sealing_keys",
            "DROP TABLE tenants",
            "DROP TABLE version",
        ):
            database.execute(statement)
        database.commit()
    with closing(sqlite3.connect(state / "jobs.sqlite")) as queue:
        assert queue.execute("UPDATE workflow_status SET application_version = '2' WHERE status = 'PENDING'").rowcount
        queue.commit()


@of_sqlite
def test_a_service_of_before_is_brought_up_with_its_jobs_in_flight(tmp_path: Path) -> None:
    with process(tmp_path, 0.1) as (child, client):
        asked = client.create(kind="age_progression", conditions=["WS", "other"], count=64)
        while asked.refresh().done < 64:
            time.sleep(0.02)
        job = asked.refresh().links["job"]
        child.kill()
        child.wait()
    make_older(tmp_path)
    with process(tmp_path, 0.0) as (_, client):
        done = client.image_set(asked.id).wait(timeout_s=60)
        assert [item.index for item in done] == list(range(640))
        assert done.links["job"] == job
    with closing(sqlite3.connect(tmp_path / "service.sqlite")) as database:
        assert database.execute("SELECT number FROM version").fetchall() == [(VERSION,)]
        assert database.execute("SELECT owner FROM jobs").fetchall() == [("anyone",)]


@of_sqlite
def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    Database.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "service.sqlite")) as database:
        database.execute("UPDATE version SET number = number + 1")
        database.commit()
    with pytest.raises(ConfigError, match=f"of version {VERSION + 1}, and this gestaltgen knows {VERSION} at most"):
        Database.open(tmp_path)
