from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.image_sets.rendering import CHUNK_IMAGES
from api.models.model import Pixels, RenderPlan
from api.models.model import Row as RowLike
from api.operations.database import Database
from api.settings import Settings
from gestaltgen_client import Client, ImageSet, JobError, ServiceError
from tests.api.fake import FakeModel, served
from tests.api.lab import of_sqlite
from tests.api.processes import process
from tests.api.serving import caller, serving
from tests.api.stores import files_in

PROGRESSION: dict[str, Any] = {"kind": "age_progression", "conditions": ["WS", "other"], "count": 32}
IMAGES = 320
"""In two shares, of 256 and of 64 images."""

LARGE = PROGRESSION | {"count": 64}


@contextmanager
def service(state: Path, model: FakeModel) -> Iterator[Client]:
    with (
        serving(create_app(Settings(state=state, without_keys=True), load=served(model))) as url,
        Client(url) as client,
    ):
        yield client


class Held(FakeModel):
    """Renders seven chunks, with which the smaller share is complete, and more when it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def render(self, plan: RenderPlan, rows: Sequence[RowLike]) -> Pixels:
        if self.rendered >= 7 * CHUNK_IMAGES:
            assert self.go_on.wait(60)
        return super().render(plan, rows)


class Slowing(FakeModel):
    """Renders seven chunks at once, with which the smaller share is complete, and then one a second."""

    def render(self, plan: RenderPlan, rows: Sequence[RowLike]) -> Pixels:
        self.chunk_s = 1.0 if self.rendered >= 7 * CHUNK_IMAGES else 0.0
        return super().render(plan, rows)


def until_some(image_set: ImageSet) -> ImageSet:
    """Wait until a share is complete."""
    while image_set.done == 0:
        time.sleep(0.05)
        image_set = image_set.refresh()
    return image_set


def files(state: Path, set_id: str) -> dict[str, bytes]:
    found, folder = files_in(state), f"sets/{set_id}"
    return {name: found.read(f"{folder}/{name}") for name in found.names(folder)}


@of_sqlite
@pytest.mark.slow
def test_a_killed_process_leaves_a_set_that_the_next_one_completes(tmp_path: Path) -> None:
    with process(tmp_path / "killed", 0.3) as (child, client):
        asked, first = client.create(**PROGRESSION), {f"images/{n:06d}.png" for n in range(CHUNK_IMAGES)}
        while not first <= set(files_in(tmp_path / "killed").names(f"sets/{asked.id}")):
            time.sleep(0.05)
        child.kill()
        child.wait()
    assert "manifest.jsonl" not in files(tmp_path / "killed", asked.id)
    files_in(tmp_path / "killed").write(f"sets/{asked.id}/images/000010.png", b"damaged by the crash")

    model = FakeModel()
    with service(tmp_path / "killed", model) as client:
        done = client.image_set(asked.id).wait(timeout_s=60)  # nobody asked again
        assert [item.index for item in done] == list(range(IMAGES))
        assert CHUNK_IMAGES <= model.rendered < IMAGES  # at least the damaged chunk, and not what was there

    with service(tmp_path / "whole", FakeModel()) as client:
        list(client.create(**PROGRESSION).wait(timeout_s=60))
    assert files(tmp_path / "whole", asked.id) == files(tmp_path / "killed", asked.id)


def test_a_stopped_service_goes_on_where_it_was(tmp_path: Path) -> None:
    slow = Slowing()
    with service(tmp_path, slow) as client:
        asked = until_some(client.create(**PROGRESSION))
    assert slow.rendered < IMAGES
    model = FakeModel()
    with service(tmp_path, model) as client:
        assert client.image_set(asked.id).wait(timeout_s=60).state == "done"
    assert IMAGES <= slow.rendered + model.rendered <= IMAGES + CHUNK_IMAGES  # what was rendered ahead


def test_a_cancelled_job_stops_and_its_set_can_be_completed(tmp_path: Path) -> None:
    model = Held()
    with service(tmp_path, model) as client:
        asked = until_some(client.create(**PROGRESSION))
        assert asked.cancel().state == "cancelled"
        with pytest.raises(JobError, match="cancelled: ask for it again to go on"):
            asked.wait(timeout_s=5)
        with pytest.raises(ServiceError, match="409 Image set stopped"):
            asked.manifest()
        model.go_on.set()
        again = client.create(**PROGRESSION)
        assert again.links["job"] == f"/v1/jobs/{asked.id}-2"
        assert len(list(again.wait(timeout_s=60))) == IMAGES
        assert model.rendered <= IMAGES + 64
        client.send("GET", f"{again.links['job'][1:]}/events")  # until it has ended, a moment after its set is complete
        jobs = client.send("GET", "v1/jobs").json()["items"]
    assert [(job["id"][-1], job["state"]) for job in jobs] == [("2", "done"), ("1", "cancelled")]


def test_a_failed_job_says_why_and_can_be_repeated(tmp_path: Path) -> None:
    model = FakeModel()
    with service(tmp_path, model) as client:
        model.broken = True
        asked = client.create(**PROGRESSION)
        with pytest.raises(JobError, match=r"failed: .*the model is broken"):
            asked.wait(timeout_s=60)
        model.broken = False
        assert client.create(**PROGRESSION).wait(timeout_s=60).state == "done"


def test_progress_arrives_as_events(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel(0.05)) as client:
        asked = client.create(**LARGE)
        events: list[tuple[str, int]] = []
        with httpx.stream("GET", client.url(asked.links["job"] + "/events"), timeout=90) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    events.append((line.removeprefix("event: "), -1))
                elif line.startswith("data: "):
                    events[-1] = (events[-1][0], json.loads(line.removeprefix("data: "))["done"])
    done = [count for _, count in events]
    assert len(events) > 2
    assert done == sorted(done)
    assert events[-1] == ("done", 2 * IMAGES)
    assert {name for name, _ in events[:-1]} == {"progress"}


def test_images_of_shares_that_run_are_counted(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel(0.1)) as client:
        seen: list[int] = []
        client.create(**LARGE).wait(lambda now: seen.append(now.done), timeout_s=90)
    assert seen == sorted(seen)
    assert seen[-1] == 2 * IMAGES
    assert set(seen) - {0, 128, 256, 384, 512, 640}  # sums of whole shares


def test_asked_for_by_many_at_once_it_is_made_once(tmp_path: Path) -> None:
    model = FakeModel(0.05)
    with service(tmp_path, model) as client, ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda _: client.create(**PROGRESSION), range(8)))
        assert {image_set.links["job"] for image_set in asked} == {f"/v1/jobs/{asked[0].id}-1"}
        asked[0].wait(timeout_s=60)
        others = list(pool.map(lambda seed: client.create(kind="unrelated", count=2, seed=seed), range(1000, 1080, 10)))
        for image_set in others:
            assert image_set.wait(timeout_s=60).state == "done"
    assert model.rendered == IMAGES + 8 * 30


def test_a_set_whose_folder_was_deleted_is_made_again(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel()) as client:
        asked = PROGRESSION | {"count": 4}
        first = client.create(**asked).wait(timeout_s=60)
        manifest = first.manifest()
        events_of(client, first.links["job"])  # until the job has ended, too
        files_in(tmp_path).delete_tree(f"sets/{first.id}")
        assert client.create(**asked).wait(timeout_s=60).manifest() == manifest


def test_jobs_come_in_pages_those_of_deleted_sets_too(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel()) as client:
        made = [client.create(kind="unrelated", count=1, seed=seed).wait(timeout_s=60) for seed in range(4)]
        files_in(tmp_path).delete_tree(f"sets/{made[2].id}")
        seen: list[str] = []
        path: str | None = "v1/jobs?limit=2"
        while path is not None:
            page = client.send("GET", path).json()
            seen += [job["id"] for job in page["items"]]
            path = page["next"]
    assert seen == [f"{made[n].id}-1" for n in (3, 2, 1, 0)]


def test_small_sets_do_not_wait_for_large_ones(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel(0.5)) as client:
        large = client.create(**LARGE)
        small = client.create(kind="age_progression", conditions=["WS"], count=1).wait(timeout_s=60)
        assert (small.state, large.refresh().state) == ("done", "running")


class Noting(FakeModel):
    """Notes the seeds of the sets that it renders, in their order."""

    def __init__(self) -> None:
        super().__init__(0.05)
        self.seeds: list[int] = []

    def render(self, plan: RenderPlan, rows: Sequence[RowLike]) -> Pixels:
        if len(rows) > 1:
            self.seeds.append(plan.resolved["seed"])
        return super().render(plan, rows)


def asked_at_once(client: Client, seeds: range) -> list[ImageSet]:
    return [client.create(kind="unrelated", count=1, seed=seed) for seed in seeds]


def test_what_is_asked_for_within_a_second_is_made_in_that_order(tmp_path: Path) -> None:
    settings, model = Settings(state=tmp_path, without_keys=True, concurrent_jobs=1), Noting()
    with serving(create_app(settings, load=served(model))) as url, Client(url) as client:
        for image_set in asked_at_once(client, range(0, 1000, 100)):
            image_set.wait(timeout_s=60)
    assert model.seeds == list(range(0, 1000, 100))


@of_sqlite
def test_what_waited_at_a_restart_comes_before_what_is_asked_for_then(tmp_path: Path) -> None:
    settings, model = Settings(state=tmp_path, without_keys=True, concurrent_jobs=1), Noting()
    with serving(create_app(settings, load=served(model))) as url, Client(url) as client:
        asked_at_once(client, range(0, 600, 100))
    with serving(create_app(settings, load=served(model))) as url, Client(url) as client:
        asked_at_once(client, range(600, 1200, 100))[-1].wait(timeout_s=60)
    in_order = list(dict.fromkeys(model.seeds))  # what was in hand at the restart may be made twice
    assert in_order == list(range(0, 1200, 100))


def events_of(client: Client, job: str, last: str | None = None) -> list[dict[str, str]]:
    """Server-sent events of a job, as their fields by name, until its end."""
    headers = {} if last is None else {"Last-Event-ID": last}
    found: list[dict[str, str]] = [{}]
    with httpx.stream("GET", client.url(f"{job}/events"), headers=headers, timeout=90) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                found[-1][name] = value
            else:
                found.append({})
    return [event for event in found if "event" in event]


def test_who_follows_again_gets_what_is_new_and_the_end(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel(0.05)) as client:
        job = client.create(**LARGE).links["job"]
        first = events_of(client, job)
        ids = [event["id"] for event in first]
        assert len(set(ids)) == len(ids) > 2
        assert [event["event"] for event in first] == ["progress"] * (len(first) - 1) + ["done"]
        assert json.loads(first[-1]["data"])["done"] == 2 * IMAGES
        for last in (ids[0], ids[-1], "some other text"):
            assert [(event["event"], event["id"]) for event in events_of(client, job, last)] == [("done", ids[-1])]


def test_what_was_seen_last_is_not_said_again(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path, without_keys=True, concurrent_jobs=1)
    with serving(create_app(settings, load=served(FakeModel(0.05)))) as url, Client(url) as client:
        client.create(**PROGRESSION)
        job = client.create(**LARGE | {"seed": 500}).links["job"]  # waits for the first
        with httpx.stream("GET", client.url(f"{job}/events"), timeout=90) as answer:
            seen = next(line for line in answer.iter_lines() if line.startswith("id: ")).removeprefix("id: ")
        later = events_of(client, job, seen)
    assert seen not in [event["id"] for event in later]
    assert [event["event"] for event in later[-2:]] == ["progress", "done"]


def test_events_of_a_cancelled_and_of_a_failed_job_end_so(tmp_path: Path) -> None:
    model = Held()
    with service(tmp_path, model) as client:
        asked = until_some(client.create(**PROGRESSION))
        with ThreadPoolExecutor(1) as pool:
            following = pool.submit(events_of, client, asked.links["job"])
            asked.cancel()
            assert following.result(60)[-1]["event"] == "cancelled"
        model.broken = True
        model.go_on.set()
        failing = client.create(**PROGRESSION | {"seed": 500})
        [*_, last] = events_of(client, failing.links["job"])
        assert last["event"] == "failed"
        assert "the model is broken" in json.loads(last["data"])["error"]


def test_who_waits_for_a_job_that_fails_hears_of_it_at_once(tmp_path: Path) -> None:
    model = FakeModel()
    with service(tmp_path, model) as client:
        model.broken = True
        began = time.monotonic()
        answer = client.send("POST", "v1/image-sets", json=PROGRESSION, headers={"Prefer": "wait=60"})
        assert time.monotonic() - began < 30
        assert (answer.status_code, answer.json()["state"]) == (202, "failed")


def test_an_idempotency_key_makes_one_job_of_an_owners(tmp_path: Path) -> None:
    app, model = create_app(Settings(state=tmp_path), load=served(FakeModel(0.02))), {"Idempotency-Key": "run-1"}
    with serving(app) as url, caller(app, url, "alice") as alice, caller(app, url, "bob") as bob:

        def ask(http: httpx.Client, **fields: Any) -> httpx.Response:
            return http.post("/v1/image-sets", json=PROGRESSION | fields, headers=model)

        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: ask(alice), range(6)))
        assert {answer.status_code for answer in answers} <= {200, 202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert len(alice.get("/v1/jobs").json()["items"]) == 1
        refused = ask(alice, seed=1)
        assert refused.status_code == 422
        assert "Idempotency-Key 'run-1' was used for another request" in refused.json()["detail"]
        assert len(alice.get("/v1/image-sets").json()["items"]) == 1

        others = ask(bob, seed=1)  # another owner's key of the same text
        assert others.status_code in (200, 202)
        assert others.json()["id"] != answers[0].json()["id"]
        assert ask(bob).status_code == 422
        assert ask(alice).json()["id"] == answers[0].json()["id"]


@pytest.mark.parametrize("wait", [{}, {"Prefer": "wait=60"}])
def test_a_larger_count_renders_only_the_new_images(tmp_path: Path, wait: dict[str, str]) -> None:
    model = FakeModel()
    body = {"kind": "age_progression", "conditions": ["WS"]}
    with service(tmp_path, model) as client:

        def made(count: int, **fields: Any) -> ImageSet:
            answer = client.send("POST", "v1/image-sets", json=body | {"count": count} | fields, headers=wait)
            return client.image_set(answer.json()["id"]).wait(timeout_s=60)

        small, before = made(2), model.rendered
        assert before == 10
        large = made(4)
        assert model.rendered == before + 10
        assert small.id != large.id
        old, new = ({(i.row["seed"], i.row["step"]): i.image for i in image_set} for image_set in (small, large))
        assert len(new) == 20
        assert {key: new[key] for key in old} == old
        assert made(3).total == 15
        assert model.rendered == before + 10  # all were there
        files_in(tmp_path).delete_tree(f"sets/{large.id}")
        assert len(list(made(4))) == 20
        assert model.rendered == before + 10 + 5  # those of no other set


def test_a_damaged_image_is_not_taken_over(tmp_path: Path) -> None:
    model = FakeModel()
    with service(tmp_path, model) as client:
        body = {"kind": "age_progression", "conditions": ["WS"]}
        small = client.create(**body, count=2).wait(timeout_s=60)
        files_in(tmp_path).write(f"sets/{small.id}/images/000003.png", b"damaged")
        large = client.create(**body, count=4).wait(timeout_s=60)
        assert [item.index for item in large] == list(range(20))  # each is verified
        assert model.rendered == 10 + 11


def test_a_small_set_that_is_waited_for_needs_no_job(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel()) as client:
        made = client.create(kind="age_progression", conditions=["WS"], count=6, wait_s=60)
        assert (made.state, made.done, made.total, made.links["job"]) == ("done", 30, 30, None)
        assert len(list(made)) == 30
        assert client.send("GET", "v1/jobs").json()["items"] == []
        large = client.create(kind="age_progression", conditions=["WS"], count=7, wait_s=60)
        assert (large.state, large.total) == ("done", 35)
        assert large.links["job"] == f"/v1/jobs/{large.id}-1"


def test_a_set_is_the_same_with_a_job_and_without(tmp_path: Path) -> None:
    body: dict[str, Any] = {"kind": "age_progression", "conditions": ["WS"], "count": 6}
    with service(tmp_path / "a", FakeModel()) as client:
        at_once = client.create(**body, wait_s=60)
    with service(tmp_path / "b", FakeModel()) as client:
        by_job = client.create(**body).wait(timeout_s=60)
    assert at_once.id == by_job.id
    assert files(tmp_path / "a", at_once.id) == files(tmp_path / "b", at_once.id)


def test_a_wait_that_is_too_short_ends_in_a_job_that_ends_well(tmp_path: Path) -> None:
    model = FakeModel(3.0)
    with service(tmp_path, model) as client, ThreadPoolExecutor(1) as pool:
        body = {"kind": "age_progression", "conditions": ["WS"], "count": 2}
        asking = pool.submit(client.send, "POST", "v1/image-sets", json=body, headers={"Prefer": "wait=1"})

        def running() -> list[dict[str, Any]]:
            return [item for item in client.send("GET", "v1/image-sets").json()["items"] if item["state"] == "running"]

        while not (listed := running()) and not asking.done():
            time.sleep(0.05)
        [now] = listed
        assert (now["error"], now["links"]["job"]) == (None, None)
        with pytest.raises(ServiceError, match="The image set is running"):
            client.send("GET", now["links"]["archive"])
        answer = asking.result(60)
        assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=1")
        asked = client.image_set(answer.json()["id"])
        assert asked.links["job"] == f"/v1/jobs/{asked.id}-1"
        assert len(list(asked.wait(timeout_s=60))) == 10
        assert events_of(client, asked.links["job"])[-1]["event"] == "done"
        assert model.rendered == 10


def test_a_small_set_that_fails_while_somebody_waits_can_be_asked_for_again(tmp_path: Path) -> None:
    model = FakeModel()
    body: dict[str, Any] = {"kind": "age_progression", "conditions": ["WS"], "count": 2}
    with service(tmp_path, model) as client, httpx.Client(base_url=client.url("")) as http:
        model.broken = True
        assert http.post("/v1/image-sets", json=body, headers={"Prefer": "wait=5"}).status_code == 500
        model.broken = False
        [left] = client.send("GET", "v1/image-sets").json()["items"]
        assert left["state"] == "failed"
        assert "post the request again" in left["error"]
        assert client.create(**body, wait_s=60).state == "done"


def test_pages_of_jobs_stay_while_new_ones_come(tmp_path: Path) -> None:
    with service(tmp_path, FakeModel()) as client:

        def make(seed: int) -> str:
            return f"{client.create(kind='unrelated', count=1, seed=seed).wait(timeout_s=60).id}-1"

        made = [make(10 * n) for n in range(5)]
        seen: list[str] = []
        path: str | None = "v1/jobs?limit=2"
        while path is not None:
            page = client.send("GET", path).json()
            assert len(page["items"]) <= 2
            seen += [job["id"] for job in page["items"]]
            path = page["next"]
            make(1000 + 10 * len(seen))
        assert seen == made[::-1]
        assert len(client.send("GET", "v1/jobs?limit=100").json()["items"]) == 8
        # Jobs of one and the same millisecond are told apart by their ids.
        with closing(Database.at(tmp_path)) as database, database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE jobs SET created_ms = 1")
        seen, path = [], "v1/jobs?limit=3"
        while path is not None:
            page = client.send("GET", path).json()
            seen, path = [*seen, *(job["id"] for job in page["items"])], page["next"]
        assert seen == sorted(set(seen), reverse=True)
        assert len(seen) == 8
        for before in ("1", "x-y", "-", "1-", "1" * 20 + "-x", "\u0661-x"):
            with pytest.raises(ServiceError) as caught:
                client.send("GET", "v1/jobs", params={"before": before})
            assert caught.value.status == 422


def test_jobs_are_cancelled_whether_they_run_or_wait(tmp_path: Path) -> None:
    model = Held()
    app = create_app(Settings(state=tmp_path, without_keys=True, concurrent_jobs=1), load=served(model))
    with serving(app) as url, Client(url) as client:
        running = until_some(client.create(**PROGRESSION))
        waiting = client.create(**PROGRESSION | {"seed": 500})
        assert waiting.state == "queued"
        assert waiting.cancel().state == "cancelled"
        assert (waiting.refresh().done, running.refresh().state) == (0, "running")
        assert running.cancel().state == "cancelled"
        job = client.send("GET", running.links["job"]).json()
        assert (job["state"], job["error"], job["eta_s"]) == ("cancelled", None, None)
        again = client.send("POST", f"{running.links['job']}/cancel").json()
        assert again["state"] == "cancelled"
        model.go_on.set()
        for asked in (waiting, running):
            made = client.create(**PROGRESSION | {"seed": asked.request["seed"]}).wait(timeout_s=60)
            assert made.links["job"] == f"/v1/jobs/{asked.id}-2"
        done = client.send("POST", f"/v1/jobs/{waiting.id}-2/cancel").json()
        assert (done["state"], done["done"]) == ("done", IMAGES)  # too late
