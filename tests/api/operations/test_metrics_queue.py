"""Figures of services that are full, broken, open to anyone, or several; each test starts its own."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from api.app import create_app
from api.operations.metrics import Metrics
from api.settings import Settings
from tests.api.exported import Figures, figures, wait_until
from tests.api.fake import FakeModel, served
from tests.api.jobs.test_waiting import Held
from tests.api.lab import good
from tests.api.serving import caller, serving

SETS: Final = "/v1/image-sets"
LARGE: Final = {"kind": "age_progression", "conditions": ["WS"], "count": 20}
SMALL: Final = LARGE | {"count": 1}


def test_the_queue_is_told_while_a_job_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Held()
    app = create_app(Settings(state=tmp_path, concurrent_jobs=1), load=served(model))
    with serving(app) as url, caller(app, url, "lab") as http, ThreadPoolExecutor(1) as pool:
        try:
            assert figures(http).of("gestaltgen_queue_oldest_job_age_seconds") == 0
            asked_ms = time.time_ns() // 1_000_000
            jobs = [http.post(SETS, json=LARGE | {"seed": 100 * n}).json()["links"]["job"] for n in range(3)]
            wait_until(lambda: figures(http).of("gestaltgen_jobs_running") == 1)
            waiting = pool.submit(http.post, SETS, json=SMALL | {"seed": 900}, headers={"Prefer": "wait=20"})
            wait_until(lambda: figures(http).of("gestaltgen_requests_waiting", turn="small") == 1)
            began = time.monotonic()
            seen = figures(http)
            assert time.monotonic() - began < 5
            assert seen.of("gestaltgen_jobs_waiting", kind="image-set") == seen.of("gestaltgen_jobs_waiting") == 2
            assert seen.of("gestaltgen_jobs_running", kind="image-set") == 1
            assert seen.of("gestaltgen_queue_oldest_job_age_seconds", kind="image-set") >= 0
            with monkeypatch.context() as patched:
                patched.setattr("api.routes.metrics.now_ms", lambda: asked_ms + 3_600_000)
                aged = figures(http).of("gestaltgen_queue_oldest_job_age_seconds", kind="image-set")
                assert aged == pytest.approx(3600, abs=20)
                assert figures(http).of("gestaltgen_queue_oldest_job_age_seconds") == aged  # of the other kinds 0
        finally:
            model.go_on.set()
        assert waiting.result(20).status_code == 200
        for job in jobs:
            assert "event: done" in http.get(f"{job}/events").text
        seen = figures(http)
        for name in ("jobs_waiting", "jobs_running", "queue_oldest_job_age_seconds", "requests_waiting"):
            assert seen.of(f"gestaltgen_{name}") == 0


def test_what_is_too_much_has_its_reasons(tmp_path: Path) -> None:
    model = Held()
    settings = Settings(state=tmp_path, max_waiting=1, max_open_jobs=2, max_open_jobs_per_owner=1)
    app = create_app(settings, load=served(model))
    with (
        serving(app) as url,
        caller(app, url, "alice") as alice,
        caller(app, url, "bob") as bob,
        caller(app, url, "carol") as carol,
        ThreadPoolExecutor(1) as pool,
    ):
        try:
            pool.submit(alice.post, SETS, json=SMALL, headers={"Prefer": "wait=20"})
            wait_until(lambda: app.state.service.sets.callers == 1)
            busy = alice.post(SETS, json=SMALL | {"seed": 20}, headers={"Prefer": "wait=20"})
            answers = [
                (http.post(SETS, json=LARGE | {"seed": seed}).status_code)
                for http, seed in ((alice, 100), (alice, 200), (bob, 300), (carol, 400))
            ]
            assert (busy.status_code, answers) == (503, [202, 429, 202, 503])
            wait_until(lambda: figures(alice).of("gestaltgen_rejected_total", reason="queue_full") == 1)
            for reason in ("busy", "too_many_jobs"):
                assert figures(alice).of("gestaltgen_rejected_total", reason=reason) == 1
        finally:
            model.go_on.set()


def test_a_service_without_weights_tells_its_figures(tmp_path: Path) -> None:
    def load(_: Settings) -> Any:
        raise OSError("no such file")

    app = create_app(Settings(state=tmp_path), load=load)
    with serving(app, ready=False) as url, caller(app, url, "lab") as http:
        wait_until(lambda: not app.state.service.worker.loading)
        http.post(SETS, json=SMALL)
        wait_until(lambda: figures(http).of("gestaltgen_rejected_total", reason="broken_model") >= 1)
        assert figures(http).of("gestaltgen_model_info") == 0
        assert figures(http).of("gestaltgen_lookup_failures_total") == 0


def test_anyone_may_read_where_the_operator_says_so(tmp_path: Path) -> None:
    app = create_app(Settings(state=tmp_path, metrics="anyone"), load=served(FakeModel()))
    with serving(app) as url, httpx.Client(base_url=url) as nobody:
        assert figures(nobody).of("gestaltgen_build_info") == 1
        assert nobody.get("/v1/models").status_code == 401


def test_without_keys_figures_need_none_either(tmp_path: Path) -> None:
    app = create_app(Settings(state=tmp_path, without_keys=True), load=served(FakeModel()))
    with serving(app) as url, httpx.Client(base_url=url) as nobody:
        assert figures(nobody).of("gestaltgen_build_info") == 1


def test_services_of_one_process_count_for_themselves(tmp_path: Path) -> None:
    apps = [create_app(Settings(state=tmp_path / name), load=served(FakeModel())) for name in ("a", "b")]
    for app in apps:
        with serving(app) as url, caller(app, url, "lab") as http:
            good(http.post(SETS, json=SMALL, headers={"Prefer": "wait=60"}))
            seen = figures(http)
            assert seen.of("gestaltgen_images_total") == 5
            assert seen.of("gestaltgen_stored_images_total") == 5
    one, other = Metrics(), Metrics()
    one.count_erasure("request")
    exports = [Figures(each.export().decode()) for each in (one, other)]
    assert [each.of("gestaltgen_erasures_total") for each in exports] == [1, 0]
