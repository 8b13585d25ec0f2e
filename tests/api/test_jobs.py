from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.client import Client, ImageSet, JobError, ServiceError
from api.models import Models
from api.settings import Settings
from faces.errors import CheckpointError, ConfigError
from tests.api.fake import FakeModel, served
from tests.api.serving import serving, start_and_stop

PROGRESSION = {"kind": "age_progression", "conditions": ["WS", "other"], "count": 64}
IMAGES = 640


@contextmanager
def service(state: Path, model: FakeModel) -> Iterator[Client]:
    with (
        serving(create_app(Settings(state=state, without_keys=True), load=served(model))) as url,
        Client(url) as client,
    ):
        yield client


@contextmanager
def process(state: Path, chunk_s: float) -> Iterator[tuple[subprocess.Popen[bytes], Client]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-W", "error", "-m", "tests.api.killable", str(state), str(port), str(chunk_s)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            client.wait_ready(30)
            yield child, client
    finally:
        child.kill()
        child.communicate()


def until_half(image_set: ImageSet) -> ImageSet:
    while image_set.done < 128:
        time.sleep(0.02)
        image_set = image_set.refresh()
    return image_set


def files(state: Path, set_id: str) -> dict[str, bytes]:
    folder = state / "sets" / set_id
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_a_killed_process_leaves_a_set_that_the_next_one_completes(tmp_path: Path) -> None:
    with process(tmp_path / "killed", 0.15) as (child, client):
        asked = until_half(client.create(**PROGRESSION))
        child.kill()
        child.wait()
    partial = tmp_path / "killed" / "sets" / f"{asked.id}.partial"
    kept = {p.name: p.stat().st_mtime_ns for p in sorted((partial / "images").iterdir())[:64]}
    assert len(kept) == 64
    (partial / "images" / "000070.png").write_bytes(b"damaged by the crash")

    model = FakeModel()
    with service(tmp_path / "killed", model) as client:
        done = client.image_set(asked.id).wait(timeout_s=30)  # nobody asked again
        assert [item.index for item in done] == list(range(IMAGES))
        assert 64 <= model.rendered < IMAGES  # at least the damaged chunk, and not what was there
    images = tmp_path / "killed" / "sets" / asked.id / "images"
    assert {name: (images / name).stat().st_mtime_ns for name in kept} == kept

    with service(tmp_path / "whole", FakeModel()) as client:
        list(client.create(**PROGRESSION).wait(timeout_s=30))
    assert files(tmp_path / "whole", asked.id) == files(tmp_path / "killed", asked.id)


def test_a_stopped_service_goes_on_where_it_was(tmp_path: Path) -> None:
    slow = FakeModel(0.1)
    with service(tmp_path, slow) as client:
        asked = until_half(client.create(**PROGRESSION))
    assert slow.rendered < IMAGES
    model = FakeModel()
    with service(tmp_path, model) as client:
        assert client.image_set(asked.id).wait(timeout_s=30).state == "done"
    assert slow.rendered + model.rendered == IMAGES


def test_a_cancelled_job_stops_and_its_set_can_be_completed(tmp_path: Path) -> None:
    model = FakeModel(0.1)
    with service(tmp_path, model) as client:
        asked = until_half(client.create(**PROGRESSION))
        assert asked.cancel().state == "cancelled"
        with pytest.raises(JobError, match="cancelled: ask for it again to go on"):
            asked.wait(timeout_s=5)
        with pytest.raises(ServiceError, match=r"409 Conflict: .*last job is cancelled"):
            asked.manifest()
        model.chunk_s = 0
        again = client.create(**PROGRESSION)
        assert again.links["job"] == f"/v1/jobs/{asked.id}-2"
        assert len(list(again.wait(timeout_s=30))) == IMAGES
        assert model.rendered <= IMAGES + 64
        jobs = client.send("GET", "v1/jobs").json()["items"]
    assert [(job["id"][-1], job["state"]) for job in jobs] == [("2", "done"), ("1", "cancelled")]


def test_a_failed_job_says_why_and_can_be_repeated(tmp_path: Path) -> None:
    model = FakeModel()
    with service(tmp_path, model) as client:
        model.broken = True
        asked = client.create(**PROGRESSION)
        with pytest.raises(JobError, match=r"failed: .*the model is broken"):
            asked.wait(timeout_s=10)
        model.broken = False
        assert client.create(**PROGRESSION).wait(timeout_s=10).state == "done"


def test_progress_arrives_as_events(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel(0.05)) as client:
        asked = client.create(**PROGRESSION)
        events: list[tuple[str, int]] = []
        with httpx.stream("GET", client.url(asked.links["job"] + "/events"), timeout=20) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    events.append((line.removeprefix("event: "), -1))
                elif line.startswith("data: "):
                    events[-1] = (events[-1][0], json.loads(line.removeprefix("data: "))["done"])
    done = [count for _, count in events]
    assert len(events) > 2
    assert done == sorted(done)
    assert events[-1] == ("done", IMAGES)
    assert {name for name, _ in events[:-1]} == {"progress"}


def test_asked_for_by_many_at_once_it_is_made_once(tmp_path: Path) -> None:
    model = FakeModel(0.05)
    with service(tmp_path, model) as client, ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda _: client.create(**PROGRESSION), range(8)))
        assert {image_set.links["job"] for image_set in asked} == {f"/v1/jobs/{asked[0].id}-1"}
        asked[0].wait(timeout_s=20)
        others = list(pool.map(lambda seed: client.create(kind="unrelated", count=2, seed=seed), range(1000, 1080, 10)))
        for image_set in others:
            assert image_set.wait(timeout_s=20).state == "done"
    assert model.rendered == IMAGES + 8 * 30


def test_a_set_whose_folder_was_deleted_is_made_again(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel()) as client:
        first = client.create(**PROGRESSION).wait(timeout_s=10)
        manifest = first.manifest()
        shutil.rmtree(tmp_path / "sets" / first.id)
        assert client.create(**PROGRESSION).wait(timeout_s=10).manifest() == manifest


def test_jobs_come_in_pages_those_of_deleted_sets_too(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel()) as client:
        made = [client.create(kind="unrelated", count=1, seed=seed).wait(timeout_s=10) for seed in range(4)]
        shutil.rmtree(tmp_path / "sets" / made[2].id)
        seen: list[str] = []
        path: str | None = "v1/jobs?limit=2"
        while path is not None:
            page = client.send("GET", path).json()
            seen += [job["id"] for job in page["items"]]
            path = page["next"]
    assert seen == [f"{made[n].id}-1" for n in (3, 2, 1, 0)]


def test_small_sets_do_not_wait_for_large_ones(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel(0.1)) as client:
        large = client.create(**PROGRESSION)
        small = client.create(kind="age_progression", conditions=["WS"], count=1).wait(timeout_s=10)
        assert (small.state, large.refresh().state) == ("done", "running")


def test_other_weights_do_not_finish_anothers_set(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel(0.1)) as client:
        asked = until_half(client.create(**PROGRESSION))
    with service(tmp_path, FakeModel(weights="e" * 64)) as client:
        with pytest.raises(JobError, match="was asked of other weights"):
            client.image_set(asked.id).wait(timeout_s=10)
        assert client.create(**PROGRESSION).id != asked.id


def test_weights_that_cannot_be_loaded_fail_no_job(tmp_path: Path) -> None:
    def load(_: Settings) -> Models:
        raise CheckpointError("damaged")

    with service(tmp_path, FakeModel(0.1)) as client:
        asked = until_half(client.create(**PROGRESSION))
    with (
        serving(create_app(Settings(state=tmp_path, without_keys=True), load=load), ready=False) as url,
        Client(url) as client,
    ):
        time.sleep(0.5)
        assert client.image_set(asked.id).state == "running"
    with service(tmp_path, FakeModel()) as client:
        assert client.image_set(asked.id).wait(timeout_s=10).state == "done"


def test_not_ready_until_the_weights_are_loaded(tmp_path: Path) -> None:
    go_on = threading.Event()

    def load(_: Settings) -> Models:
        assert go_on.wait(10)
        return Models({"fake": FakeModel()})

    app = create_app(Settings(state=tmp_path, without_keys=True), load=load)
    with serving(app, ready=False) as url, httpx.Client(base_url=url) as http:
        assert http.get("/livez").status_code == 200
        for answer in (http.get("/readyz"), http.post("/v1/image-sets", json=PROGRESSION)):
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
        threading.Timer(0.2, go_on.set).start()
        waited = http.post("/v1/image-sets", json=PROGRESSION, headers={"Prefer": "wait=10"}, timeout=20)
        assert waited.status_code == 200
        deadline = time.monotonic() + 10
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
def test_one_service_holds_a_state_folder(tmp_path: Path) -> None:
    app = create_app(Settings(state=tmp_path, without_keys=True), load=served(FakeModel()))
    with process(tmp_path, 0), pytest.raises(ConfigError, match="in use by another service"):
        start_and_stop(app)
    start_and_stop(app)


def test_one_service_runs_in_a_process(tmp_path: Path) -> None:
    app = create_app(Settings(state=tmp_path / "b", without_keys=True), load=served(FakeModel()))
    with (
        service(tmp_path / "a", FakeModel()),
        pytest.raises(RuntimeError, match="already runs in this process"),
    ):
        start_and_stop(app)
    start_and_stop(app)


def test_nothing_is_written_outside_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    with service(tmp_path / "state", FakeModel()) as client:
        client.create(**PROGRESSION).wait(timeout_s=10)
    assert os.listdir(tmp_path / "cwd") == []
    written = set(os.listdir(tmp_path / "state"))
    databases = {f"{name}.sqlite{part}" for name in ("jobs", "service") for part in ("", "-wal", "-shm")}
    assert {"sets", "jobs.sqlite", "service.sqlite", "lock"} <= written
    assert written <= databases | {"sets", "photos", "edits", "stimuli", "secret", "lock"}


@pytest.mark.slow
def test_a_process_is_quiet(tmp_path: Path) -> None:
    with process(tmp_path, 0) as (child, client):
        client.create(**PROGRESSION).wait(timeout_s=20)
        client.create(kind="unrelated", count=1).cancel()
        child.terminate()
        said, _ = child.communicate(timeout=15)
    assert said == b""
