"""Figures of photographs: they move, and say nothing of anybody."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final

import anyio
import numpy as np
import pytest
from sqlalchemy.exc import OperationalError

from api.access.api_keys import Scope
from faces.images import read_image
from tests.api.exported import Figures, figures, wait_until
from tests.api.lab import Lab, client, good, phantom, refused, saved

SETS: Final = "/v1/image-sets"


def test_photographs_and_their_ends_are_counted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def moved(what: Callable[[], object], name: str, **labels: str) -> float:
        before = figures(lab.http).of(f"gestaltgen_{name}", **labels)
        what()
        lab.idle()
        return figures(lab.http).of(f"gestaltgen_{name}", **labels) - before

    def gone(photo: str) -> None:
        good(lab.http.delete(f"/v1/photos/{photo}"))

    assert moved(lambda: lab.photo(0), "jobs_total", kind="photo", outcome="done") == 1
    assert moved(lambda: lab.photo(1), "job_part_seconds_count", kind="photo", part="invert") == 1
    photo = lab.photo(2)
    assert moved(lambda: good(lab.edit(photo, strength=1.0)), "model_task_seconds_count") >= 1
    assert moved(lambda: gone(photo), "erasures_total", cause="request") == 1
    with monkeypatch.context() as patched:
        patched.setattr(lab.service.jobs, "most_open", (1000, 0))
        assert moved(lambda: refused(lab.send(phantom(0)), 429), "erasures_total", cause="not_accepted") == 0
        patched.setattr(lab.service.jobs, "check_room", lambda *_: None)  # another request was faster
        assert moved(lambda: refused(lab.send(phantom(0)), 429), "erasures_total", cause="not_accepted") == 1

    late = lab.photo(3, ttl_s=60)
    after = time.time_ns() // 1_000_000 + 61_000

    def unable(photo: str, because: str) -> object:
        raise OSError("the disk says no")

    monkeypatch.setattr("api.photographs.erasure.now_ms", lambda: after)
    with monkeypatch.context() as patched:
        patched.setattr("api.routes.metrics.now_ms", lambda: after)
        assert figures(lab.http).of("gestaltgen_retention_overdue", kind="photo") == 1
        patched.setattr(lab.service.eraser, "erase_files", unable)
        assert moved(lab.service.eraser.erase_expired, "erasure_failures_total") == 1
        patched.undo()
    assert moved(lab.service.eraser.erase_expired, "erasures_total", cause="retention") == 1
    refused(lab.http.get(f"/v1/photos/{late}"), 404)


def test_photographs_that_cannot_be_used_have_a_reason(lab: Lab) -> None:
    jpeg = bytearray(saved(read_image(phantom(3)), "JPEG"))
    at = jpeg.index(b"\xff\xc4")  # a Huffman table with more codes than there can be
    jpeg[at + 5 : at + 21] = b"\xff" * 16
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    sent = (
        ("undecodable", bytes(jpeg), True),
        ("no_face", saved(noise, "PNG"), False),
        ("unsuitable", saved(noise[:100], "PNG"), True),
    )
    for reason, picture, aligned in sent:
        before = figures(lab.http)
        assert good(lab.send(picture, aligned=aligned))["state"] == "failed"
        lab.idle()
        after = figures(lab.http)
        for name, labels in (("photographs_refused_total", {"reason": reason}), ("photographs_refused_total", {})):
            assert after.of(f"gestaltgen_{name}", **labels) - before.of(f"gestaltgen_{name}", **labels) == 1, reason
        assert after.of("gestaltgen_jobs_total", outcome="refused") == 1 + before.of(
            "gestaltgen_jobs_total", outcome="refused"
        )


def test_a_photograph_that_is_cancelled_is_not_refused(lab: Lab) -> None:
    name = "gestaltgen_photographs_refused_total"
    before = figures(lab.http)
    with lab.occupied():
        job = good(lab.send(phantom(5), {"Prefer": ""}), 202)["links"]["job"]
        lab.until_waiting()
        good(lab.http.post(f"{job}/cancel"))
    lab.idle()
    after = figures(lab.http)
    assert after.of(name) == before.of(name)
    cancelled = {"kind": "photo", "outcome": "cancelled"}
    assert after.of("gestaltgen_jobs_total", **cancelled) == before.of("gestaltgen_jobs_total", **cancelled) + 1


def test_nothing_says_whose_it_is(lab: Lab) -> None:
    """Everything that a caller can give a telling name, through successes, refusals, erasures and failures."""
    keys = lab.service.api_keys
    secret, known = keys.create("Dr-Somebody", list(Scope))
    with client(str(lab.http.base_url), secret) as http:
        named = {"Consent-Reference": "form-of-smith", "Purpose": "smile-of-smith", "Idempotency-Key": "key-of-smith"}
        given: dict[str, Any] = {"content": phantom(7), "params": {"aligned": True}}
        photo = good(http.post("/v1/photos", **given, headers=named | {"Prefer": "wait=60"}))
        edit = good(http.post(photo["links"]["edits"], json={"strength": 1.0}, headers={"Prefer": "wait=60"}))
        made = good(http.post(SETS, json={"kind": "unrelated", "conditions": ["WS"], "count": 1, "seed": 4711}), 202)
        for path in (
            f"/v1/photos/{photo['id']}/accesses",
            "/v1/photos/patient-smith",
            "/v1/photos/smith.jpg/edits",
            f"{SETS}/{made['id']}/shards/0.tar?as=smith.tar",
            "/patient-smith.jpg",
            f"/v1/jobs/{photo['id']}-1",
            "/v1/models/smith/training-images",
            f"/v1/photos/{photo['id']}/edits/{edit['id']}/image.png",
        ):
            http.get(path)
        http.request("SMITH", "/v1/photos")
        http.post(SETS, json={"kind": "smith", "conditions": ["smith"]})
        http.post(SETS, json={"kind": "unrelated", "model": "smith"})
        http.delete(f"/v1/photos/{photo['id']}")
        http.get("/v1/models", headers={"Authorization": "Bearer gestaltgen_smith"})
        wait_until(lambda: figures(http).of("gestaltgen_http_requests_total", route="/v1/models", status="401") >= 1)
        text = figures(http).text
    said = re.sub(r"(?m) \S+$", "", text).lower()  # without the numbers, which may have any digits
    told = [secret, known.id, "Dr-Somebody", "smith", photo["id"], edit["id"], made["id"], "4711", str(lab.state)]
    for name in told:
        assert name.lower() not in said, name
    for value in Figures(text).label_values():
        assert not re.search(r"[0-9a-f]{16}", value), value  # no id, whole checksum or key


def test_a_sweep_that_fails_does_not_stop_the_service(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[int] = []

    def fail() -> None:
        swept.append(1)
        if len(swept) < 3:
            raise OperationalError("SELECT", {}, Exception("the database is away"))

    async def sweep() -> None:
        async with lab.service.eraser.erase_regularly():
            with anyio.fail_after(20):
                while len(swept) < 3:
                    await anyio.sleep(0.01)

    monkeypatch.setattr(lab.service.eraser, "erase_expired", fail)
    monkeypatch.setattr("api.photographs.erasure.SWEEP_EVERY_S", 0.01)
    before = figures(lab.http).of("gestaltgen_erasure_failures_total")
    anyio.run(sweep)
    assert figures(lab.http).of("gestaltgen_erasure_failures_total") == before + 2
