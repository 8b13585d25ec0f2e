"""How much may wait: open jobs, and requests for the model."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from fastapi import FastAPI

from api.app import create_app
from api.models.model import Pixels, RenderPlan
from api.models.model import Row as RowLike
from api.problem_types import ProblemType
from api.settings import Settings
from tests.api.fake import FakeModel, served
from tests.api.lab import problem_of
from tests.api.serving import caller, serving

SETS: Final = "/v1/image-sets"
LARGE: Final = {"kind": "age_progression", "conditions": ["WS"], "count": 20}
SMALL: Final = LARGE | {"count": 1}


class Held(FakeModel):
    """Renders when it is let, but proves at once that it can."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def render(self, plan: RenderPlan, rows: Sequence[RowLike]) -> Pixels:
        if len(rows) > 1:
            assert self.go_on.wait(60)
        return super().render(plan, rows)


@contextmanager
def limited(state: Path, model: FakeModel, **limits: Any) -> Iterator[tuple[FastAPI, str]]:
    app = create_app(Settings(state=state, **limits), load=served(model))
    with serving(app) as url:
        try:
            yield app, url
        finally:
            if isinstance(model, Held):
                model.go_on.set()


def test_an_owner_has_so_many_open_jobs(tmp_path: Path) -> None:
    model = Held()
    with limited(tmp_path, model, max_open_jobs_per_owner=2, max_open_jobs=3) as (app, url), ExitStack() as stack:
        alice, bob, carol = (stack.enter_context(caller(app, url, owner)) for owner in ("alice", "bob", "carol"))
        jobs = [alice.post(SETS, json=LARGE | {"seed": 100 * n}).json()["links"]["job"] for n in range(2)]
        refused = alice.post(SETS, json=LARGE | {"seed": 900})
        assert problem_of(refused) is ProblemType.TOO_MANY_JOBS
        assert int(refused.headers["Retry-After"]) > 0
        assert alice.post(SETS, json=LARGE).status_code == 202  # is there already

        assert bob.post(SETS, json=LARGE | {"seed": 1}).status_code == 202
        full = carol.post(SETS, json=LARGE | {"seed": 2})
        assert problem_of(full) is ProblemType.QUEUE_FULL
        assert int(full.headers["Retry-After"]) > 0
        assert (
            problem_of(alice.post(SETS, json=LARGE | {"seed": 900})) is ProblemType.TOO_MANY_JOBS
        )  # of one's own is said first

        assert alice.post(f"{jobs[0]}/cancel").json()["state"] == "cancelled"
        assert carol.post(SETS, json=LARGE | {"seed": 2}).status_code == 202
        assert problem_of(alice.post(SETS, json=LARGE | {"seed": 900})) is ProblemType.QUEUE_FULL
        model.go_on.set()
        for http, seed in ((alice, 100), (carol, 2)):
            done = http.post(SETS, json=LARGE | {"seed": seed}, headers={"Prefer": "wait=60"})
            assert done.json()["state"] == "done"
        assert alice.post(SETS, json=LARGE | {"seed": 900}, headers={"Prefer": "wait=60"}).status_code == 200


def test_a_failed_job_frees_its_place(tmp_path: Path) -> None:
    model = FakeModel()
    with limited(tmp_path, model, max_open_jobs=1) as (app, url), caller(app, url, "lab") as http:
        model.broken = True
        job = http.post(SETS, json=LARGE).json()["links"]["job"]
        assert "event: failed" in http.get(f"{job}/events").text
        model.broken = False
        for asked in (LARGE | {"seed": 1}, LARGE):
            deadline = time.monotonic() + 60
            while (answer := http.post(SETS, json=asked, headers={"Prefer": "wait=60"})).status_code == 503:
                assert time.monotonic() < deadline, "the place is not freed"
                time.sleep(0.05)  # a job ends a moment after its set is complete
            assert answer.status_code == 200


def test_what_a_stopped_service_left_open_still_counts(tmp_path: Path) -> None:
    with limited(tmp_path, FakeModel(0.3), max_open_jobs=1) as (app, url), caller(app, url, "lab") as http:
        job = http.post(SETS, json=LARGE | {"count": 100}).json()["links"]["job"]
        while http.get(job).json()["state"] != "running":
            time.sleep(0.01)
    with limited(tmp_path, FakeModel(0.3), max_open_jobs=1) as (app, url), caller(app, url, "lab") as http:
        assert problem_of(http.post(SETS, json=LARGE | {"seed": 1})) is ProblemType.QUEUE_FULL
        assert "event: done" in http.get(f"{job}/events").text
        assert http.post(SETS, json=LARGE | {"seed": 1}).status_code == 202


def test_only_so_many_requests_wait_for_the_model(tmp_path: Path) -> None:
    model = Held()
    with (
        limited(tmp_path, model, max_waiting=3) as (app, url),
        caller(app, url, "lab") as http,
        ThreadPoolExecutor(4) as pool,
    ):
        try:
            # Of one set, too: those that wait for each other wait for the model.
            waiting = [pool.submit(ask_and_wait, http, seed) for seed in (10, 20, 20)]
            until_waiting(app, 3)
            refused = http.post(SETS, json=SMALL | {"seed": 40}, headers={"Prefer": "wait=60"})
            assert problem_of(refused) is ProblemType.MODEL_BUSY
            assert refused.headers["Retry-After"] == "1"
            assert http.post(SETS, json=SMALL | {"seed": 40}).status_code == 202  # nobody waits
            assert http.get(f"{SETS}/{refused_id(http)}").json()["state"] in ("queued", "running")
        finally:
            model.go_on.set()
        assert {future.result(60).status_code for future in waiting} == {200}
        assert ask_and_wait(http, 50).status_code == 200


def test_a_wait_that_was_given_up_holds_its_place_until_the_model_is_free(tmp_path: Path) -> None:
    model = Held()
    with limited(tmp_path, model, max_waiting=1, max_wait_s=2) as (app, url), caller(app, url, "lab") as http:
        assert ask_and_wait(http, 10).status_code == 202
        assert problem_of(ask_and_wait(http, 20)) is ProblemType.MODEL_BUSY
        model.go_on.set()
        until_waiting(app, 0)
        assert ask_and_wait(http, 20).status_code == 200


def test_those_that_wait_for_the_model_hold_up_nobody_else(tmp_path: Path) -> None:
    model = Held()
    with (
        limited(tmp_path, model, max_waiting_per_owner=60) as (app, url),
        caller(app, url, "lab") as http,
        ThreadPoolExecutor(60) as pool,
    ):
        try:
            waiting = [pool.submit(ask_and_wait, http, 10 * n) for n in range(60)]
            until_waiting(app, 60)
            for path in ("/livez", "/readyz", "/v1/models", SETS):
                assert httpx.get(url + path, headers=http.headers, timeout=60).status_code == 200
            assert ask_and_wait(http, 999).status_code == 429
        finally:
            model.go_on.set()
        assert {future.result(60).status_code for future in waiting} == {200}


def ask_and_wait(http: httpx.Client, seed: int) -> httpx.Response:
    return http.post(SETS, json=SMALL | {"seed": seed}, headers={"Prefer": "wait=60"})


def refused_id(http: httpx.Client) -> str:
    return str(http.get("/v1/jobs").json()["items"][0]["links"]["subject"].rpartition("/")[2])


def until_waiting(app: FastAPI, requests: int) -> None:
    deadline = time.monotonic() + 60
    while app.state.service.sets.callers != requests:
        assert time.monotonic() < deadline
        time.sleep(0.01)
