"""Start of a service: its weights, its state folder, and what an earlier process left."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from dbos._serialization import DefaultSerializer

from api.app import create_app
from api.models.pool import Models
from api.settings import Settings
from core.errors import CheckpointError, ConfigError
from gestaltgen_client import Client, JobError
from tests.api.fake import FakeModel, served
from tests.api.jobs.test_job_list import (
    PROGRESSION,
    Slowing,
    events_of,
    service,
    until_some,
)
from tests.api.lab import of_sqlite
from tests.api.processes import process
from tests.api.serving import serving, start_and_stop


def test_other_weights_do_not_finish_anothers_set(tmp_path: Path) -> None:
    with service(tmp_path, Slowing()) as client:
        asked = until_some(client.create(**PROGRESSION))
    with service(tmp_path, FakeModel(weights="e" * 64)) as client:
        with pytest.raises(JobError, match="was asked of other weights"):
            client.image_set(asked.id).wait(timeout_s=60)
        assert client.create(**PROGRESSION).id != asked.id


def test_weights_that_cannot_be_loaded_fail_no_job(tmp_path: Path) -> None:
    def load(_: Settings) -> Models:
        raise CheckpointError("damaged")

    with service(tmp_path, Slowing()) as client:
        asked = until_some(client.create(**PROGRESSION))
    with (
        serving(create_app(Settings(state=tmp_path, without_keys=True), load=load), ready=False) as url,
        Client(url) as client,
    ):
        time.sleep(0.5)
        assert client.image_set(asked.id).state == "running"
    with service(tmp_path, FakeModel()) as client:
        assert client.image_set(asked.id).wait(timeout_s=60).state == "done"


def test_not_ready_until_the_weights_are_loaded(tmp_path: Path) -> None:
    go_on = threading.Event()

    def load(_: Settings) -> Models:
        assert go_on.wait(60)
        return Models({"fake": FakeModel()})

    app = create_app(Settings(state=tmp_path, without_keys=True), load=load)
    with serving(app, ready=False) as url, httpx.Client(base_url=url) as http:
        assert http.get("/livez").status_code == 200
        for answer in (http.get("/readyz"), http.post("/v1/image-sets", json=PROGRESSION)):
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
        threading.Timer(0.2, go_on.set).start()
        waited = http.post("/v1/image-sets", json=PROGRESSION, headers={"Prefer": "wait=60"}, timeout=90)
        assert waited.status_code == 200
        deadline = time.monotonic() + 60
        while http.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline


def test_weights_that_cannot_be_loaded_are_a_problem(tmp_path: Path) -> None:
    def load(_: Settings) -> Models:
        raise CheckpointError("weights.safetensors: its sha256 is wrong; fetch it again")

    app = create_app(Settings(state=tmp_path, without_keys=True), load=load)
    with serving(app, ready=False) as url, httpx.Client(base_url=url) as http:
        answer = http.get("/readyz")
        while "being loaded" in answer.text:
            answer = http.get("/readyz")
        assert answer.status_code == 503
        assert "its sha256 is wrong; fetch it again" in answer.json()["detail"]


@pytest.mark.slow
def test_one_service_runs_in_a_process(tmp_path: Path) -> None:
    app = create_app(Settings(state=tmp_path / "b", without_keys=True), load=served(FakeModel()))
    with (
        service(tmp_path / "a", FakeModel()),
        pytest.raises(RuntimeError, match="already runs in this process"),
    ):
        start_and_stop(app)
    start_and_stop(app)


@of_sqlite
def test_nothing_is_written_outside_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    with service(tmp_path / "state", FakeModel()) as client:
        client.create(**PROGRESSION).wait(timeout_s=60)
    assert os.listdir(tmp_path / "cwd") == []
    written = set(os.listdir(tmp_path / "state"))
    databases = {f"{name}.sqlite{part}" for name in ("jobs", "service", "audit") for part in ("", "-wal", "-shm")}
    assert {"jobs.sqlite", "service.sqlite", "lock"} <= written
    folders = {"sets", "photos", "edits", "explanations", "assessments", "stimuli", "cache"}
    assert written <= databases | folders | {"secret", "server.keys", "lock", "reserve", "receipts"}


@pytest.mark.slow
def test_a_process_is_quiet_and_holds_its_state_folder(tmp_path: Path) -> None:
    app = create_app(Settings(state=tmp_path, without_keys=True), load=served(FakeModel()))
    with process(tmp_path, 0) as (child, client):
        client.create(**PROGRESSION).wait(timeout_s=60)
        client.create(kind="unrelated", count=1).cancel()
        with pytest.raises(ConfigError, match="in use by another service"):
            start_and_stop(app)
        child.terminate()
        said, _ = child.communicate(timeout=60)
    assert said == b""
    start_and_stop(app)


@of_sqlite
def test_a_start_settles_what_a_crash_left_between_list_and_queue(tmp_path: Path) -> None:
    model = FakeModel()
    settings = Settings(state=tmp_path, without_keys=True, max_open_jobs=2, concurrent_jobs=1)
    with serving(create_app(settings, load=served(model))) as url, Client(url) as client:
        done = client.create(**PROGRESSION | {"count": 1})
        assert events_of(client, done.links["job"])[-1]["event"] == "done"
        model.chunk_s = 0.1
        client.create(**PROGRESSION | {"seed": 300})
        lost = client.create(**PROGRESSION | {"seed": 500})
        assert lost.state == "queued"
    with sqlite3.connect(tmp_path / "jobs.sqlite") as queue:
        for table in ("workflow_input", "workflow_status"):
            queue.execute(f"DELETE FROM {table} WHERE workflow_uuid = ?", (f"{lost.id}-1",))  # noqa: S608
    queue.close()
    with sqlite3.connect(tmp_path / "service.sqlite") as listed:  # one was not queued, another not closed
        assert listed.execute("UPDATE jobs SET open = 1").rowcount == 3
    listed.close()

    with serving(create_app(settings, load=served(FakeModel()))) as url, Client(url) as client:
        made = client.image_set(lost.id).wait(timeout_s=60)  # nobody asked again
        assert (made.state, made.links["job"]) == ("done", f"/v1/jobs/{lost.id}-1")
        assert events_of(client, made.links["job"])[-1]["event"] == "done"
        for seed in (700, 800):  # there is room for both
            assert client.create(**PROGRESSION | {"seed": seed, "count": 1}).wait(timeout_s=60).state == "done"


class Planted:
    """Object whose pickle runs code where it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.putenv, ("GESTALTGEN_TEST_UNPICKLED", "1")


@of_sqlite
def test_a_pickle_in_the_queue_is_refused_at_launch_and_never_read(tmp_path: Path) -> None:
    app = create_app(Settings(state=tmp_path), load=served(FakeModel()))
    start_and_stop(app)
    path = tmp_path / "jobs.sqlite"
    assert path.stat().st_mode & 0o777 == 0o600
    pickled = DefaultSerializer().serialize(Planted())
    with pytest.raises(ConfigError):
        DefaultSerializer().deserialize(pickled)
    row = ("x", "ENQUEUED", "job", "py_pickle", pickled, 1, 1)
    with closing(sqlite3.connect(path)) as queue, queue:
        queue.execute(
            "INSERT INTO workflow_status (workflow_uuid, status, name, serialization, inputs, created_at, updated_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        )
    with pytest.raises(ConfigError):
        start_and_stop(app)
