"""What the service writes down of itself: parseable, and with nobody's ids, names or keys in it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from api.access.ownership import Kind
from api.app import create_app
from api.operations import logs
from api.settings import Settings
from tests.api.fake import FakeModel, served
from tests.api.serving import caller, serving

SETS = "/v1/image-sets"
LARGE = {"kind": "age_progression", "conditions": ["WS"], "count": 10}


@contextmanager
def logged(monkeypatch: pytest.MonkeyPatch, level: str, form: Literal["text", "json"]) -> Iterator[io.StringIO]:
    """What is logged to standard error; logging is as before at the end."""
    root, ours = logging.getLogger(), logging.getLogger("gestaltgen")
    before = root.handlers[:], root.level, ours.level
    root.handlers = []  # configure closes those that are there
    said = io.StringIO()
    try:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", said)
            logs.configure(level, form)
            logging.getLogger("httpx").setLevel(logging.WARNING)  # the tests' own
        yield said
    finally:
        root.handlers = before[0]
        root.setLevel(before[1])
        ours.setLevel(before[2])
        logging.getLogger("httpx").setLevel(logging.NOTSET)


def lines(said: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.getvalue().splitlines()]


def test_json_lines_are_json_with_one_event_each(monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("gestaltgen.test")
    with logged(monkeypatch, "info", "json") as said:
        log.info('two\nlines and a "quote" \ud800 é')
        log.debug("not wanted")
        log.info("%d images", 3, extra={"fields": {"images": 3}})
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("it failed")
    first, second, third = lines(said)
    assert first["message"] == 'two\nlines and a "quote" \ud800 é'
    assert (first["level"], first["logger"]) == ("info", "gestaltgen.test")
    assert first["time"].endswith("+00:00")
    assert (second["message"], second["images"]) == ("3 images", 3)
    assert "ValueError: broken" in third["trace"]


def test_text_lines_are_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    with logged(monkeypatch, "warning", "text") as said:
        logging.getLogger("gestaltgen.test").warning("mind the gap")
        logging.getLogger("gestaltgen.test").info("not wanted")
    [line] = said.getvalue().splitlines()
    assert line.endswith("WARNING  gestaltgen.test: mind the gap")


def test_libraries_do_not_pour_out_what_they_pass_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with logged(monkeypatch, "debug", "json") as said:
        logging.getLogger("sse_starlette.sse").debug("chunk: an id")
        logging.getLogger("sse_starlette.sse").warning("trouble")
        logging.getLogger("gestaltgen.test").debug("ours")
    assert [line["message"] for line in lines(said)] == ["trouble", "ours"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_id_name_or_key_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Literal["text", "json"]
) -> None:
    """At the most talkative level, through successes, refusals and failures."""
    model = FakeModel()
    with (
        logged(monkeypatch, "debug", form) as said,
        serving(app := create_app(Settings(state=tmp_path), load=served(model))) as url,
        caller(app, url, "Dr-Somebody") as http,
    ):
        service = app.state.service
        made = http.post(SETS, json=LARGE, headers={"Prefer": "wait=60", "Idempotency-Key": "study-of-x"}).json()
        job = made["links"]["job"]
        http.get(f"{job}/events")
        http.get(f"{SETS}/{made['id']}/images/3")
        http.get(f"{SETS}/{made['id']}/shards/0.tar?as=patient-smith")
        http.get("/v1/photos/1234567890abcdef")
        http.get("/nothing/patient-smith")
        http.get("/v1/models", headers={"Authorization": "Bearer gestaltgen_wrong"})
        photo = "fedcba0987654321fedcba0987654321"
        service.ownership.give(photo, Kind.PHOTO, "Dr-Somebody")
        failed = service.jobs.submit(Kind.PHOTO, photo, 1, "Dr-Somebody")
        http.get(f"/v1/jobs/{failed.id}/events")
        model.broken = True
        broken = http.post(SETS, json=LARGE | {"seed": 9}, headers={"Prefer": "wait=60"}).json()
        monkeypatch.setattr(service.store, "manifest", lambda set_id: 1 // 0)
        assert http.get(f"{SETS}/{made['id']}/images/3").status_code == 500
    text = said.getvalue()
    secret = http.headers["Authorization"].removeprefix("Bearer ")
    names = [secret, "Dr-Somebody", "study-of-x", "patient-smith", "gestaltgen_wrong", photo, "1234567890abcdef"]
    for name in [*names, made["id"], broken["id"]]:
        assert name[:12] not in text, name
    if form == "json":
        found = lines(said)
        routes = {(line["method"], line["route"], line["status"]) for line in found if "route" in line}
        assert ("POST", SETS, 200) in routes
        assert ("GET", f"{SETS}/{{set_id}}/images/{{n}}", 200) in routes
        assert ("GET", "/v1/photos/{photo_id}", 404) in routes
        assert ("GET", "unknown", 404) in routes
        assert ("GET", "/v1/models", 401) in routes
        [warned] = [line for line in found if line.get("status") == 500]
        assert warned["level"] == "warning"
        assert all(line["ms"] >= 0 for line in found if "route" in line)
        assert any(line["message"].startswith("image-set: 50 items") for line in found)
        assert {"image-set failed", "photo failed"} <= {line["message"] for line in found}


def test_what_the_queue_reports_is_in_the_same_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        logged(monkeypatch, "info", "json") as said,
        serving(create_app(Settings(state=tmp_path, without_keys=True), load=served(FakeModel()))) as url,
    ):
        assert httpx.get(f"{url}/readyz").status_code == 200
        logging.getLogger("dbos").warning("the database is busy")
    assert "the database is busy" in [line["message"] for line in lines(said)]
