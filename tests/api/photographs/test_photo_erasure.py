"""Erasing a photograph: nothing of it stays, whatever is done with it at the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.access.api_keys import SERVICE, Caller
from api.photographs.erasure import ERASE_PHOTO
from api.photographs.records import EditRecord, ErasureCause, PackRecord
from api.problem_types import ProblemType
from tests.api.lab import (
    Lab,
    all_files,
    files_of,
    good,
    phantom,
    problem_of,
    refused,
    tables_naming,
)
from tests.api.photographs.test_photos import BODIES, PATHS


def test_erased_it_is_gone_with_all_that_follows_from_it(lab: Lab) -> None:
    purpose = "a purpose that is to be forgotten"
    photo, second = (
        good(lab.send(phantom(0), {"Purpose": purpose, "Idempotency-Key": "e"}, keep_original=True)),
        lab.photo(1),
    )
    here = photo["links"]["self"]
    edits = [good(lab.edit(photo["id"], strength=s, headers={"Idempotency-Key": f"e{s}"}))["id"] for s in (1.0, 2.0)]
    packs = [good(lab.pack(photo["id"], second, seed=n, headers={"Idempotency-Key": f"p{n}"}))["id"] for n in range(2)]
    subjects = (photo["id"], *edits, *packs)
    for subject in subjects:
        assert files_of(lab.state, subject)
        assert {"owned", "jobs", "idempotency"} <= tables_naming(lab.state, subject)

    receipt = good(lab.http.delete(here))
    assert receipt["erased"] == {
        "originals": 1,
        "crops": 1,
        "landmarks": 1,
        "latents and offsets": 1,
        "reconstructions": 1,
        "edits": 2,
        "maps of explanations": 0,
        "assessments": 0,
        "places in a cohort": 0,
        "survey packs": 2,
    }
    assert receipt["photo"] == photo["id"]
    assert receipt["because"] == "it was asked for"
    assert good(lab.http.get(f"/v1/receipts/{photo['id']}")) == receipt
    assert problem_of(lab.other.get(f"/v1/receipts/{photo['id']}")) is ProblemType.PHOTO_NOT_FOUND
    assert problem_of(lab.http.get(f"/v1/receipts/{second}")) is ProblemType.PHOTO_NOT_FOUND
    for subject in subjects:
        assert files_of(lab.state, subject) == []
        assert tables_naming(lab.state, subject) == set()
    for method, path in PATHS:
        body = BODIES.get(method, {})
        assert refused(lab.http.request(method, here + path.replace("EDIT", edits[0]), **body), 404)  # type: ignore[arg-type]
    assert refused(lab.http.get(f"/v1/stimuli/{packs[0]}"), 404)
    assert refused(lab.http.get(f"/v1/jobs/{photo['id']}-1"), 404)
    assert not any(subject in job for job in lab.jobs() for subject in subjects)
    assert photo["id"] not in lab.http.get("/v1/photos?limit=100").text
    assert good(lab.http.get(f"/v1/photos/{second}"))["state"] == "done"
    for file in lab.state.glob("service.sqlite*"):
        assert purpose.encode() not in file.read_bytes(), file.name


@pytest.mark.parametrize("after_s", [0.0, 0.2])
def test_erased_while_its_job_is_at_work_it_leaves_nothing(lab: Lab, after_s: float) -> None:
    with lab.occupied():
        sent = good(lab.send(phantom(2), {"Prefer": ""}, keep_original=True), 202)
        lab.until_waiting()
        if not after_s:
            good(lab.http.delete(sent["links"]["self"]))
    if after_s:
        time.sleep(after_s)
        good(lab.http.delete(sent["links"]["self"]))
    lab.idle()
    assert files_of(lab.state, sent["id"]) == []
    assert tables_naming(lab.state, sent["id"]) == set()
    assert lab.photo(2)  # the queue goes on


def test_erased_while_it_is_edited_and_packed_it_leaves_nothing(lab: Lab) -> None:
    photo, second = lab.photo(0), lab.photo(1)
    with lab.occupied():
        edit = good(lab.edit(photo, {"Prefer": ""}, strength=1.0), 202)["id"]
        pack = good(lab.pack(second, photo, headers={"Prefer": ""}), 202)["id"]
        lab.until_waiting(2)
        receipt = good(lab.http.delete(f"/v1/photos/{photo}"))
    assert receipt["erased"]["survey packs"] == 1
    lab.idle()
    for subject in (photo, edit, pack):
        assert files_of(lab.state, subject) == []
        assert tables_naming(lab.state, subject) == set()
    assert good(lab.http.get(f"/v1/photos/{second}"))["state"] == "done"


@pytest.mark.parametrize("name", ["edits", "survey_packs"])
def test_what_is_asked_for_while_it_is_erased_leaves_nothing(
    lab: Lab, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, second, store = lab.photo(0), lab.photo(1), getattr(lab.service, name)
    add, erased = store.add, []

    with ThreadPoolExecutor(1) as pool:

        def add_while_erasing(record: EditRecord | PackRecord) -> None:
            erased.append(pool.submit(lab.http.delete, f"/v1/photos/{photo}"))
            time.sleep(0.3)
            add(record)

        with monkeypatch.context() as patch:
            patch.setattr(store, "add", add_while_erasing)
            now = {"Prefer": ""}
            answer = lab.edit(photo, now, strength=1.0) if name == "edits" else lab.pack(second, photo, headers=now)
        subject = good(answer, 202, 200)["id"]
        good(erased[0].result())
    lab.idle()
    for one in (photo, subject):
        assert files_of(lab.state, one) == []
        assert tables_naming(lab.state, one) == set()


def test_erased_twice_at_once_it_is_erased_once(lab: Lab) -> None:
    photo = lab.photo(0)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: lab.http.delete(f"/v1/photos/{photo}").status_code, range(4)))
    assert sorted(answers) == [200, 404, 404, 404]
    recorded = [entry for entry in lab.service.audit.entries(photo=photo) if entry.action == ERASE_PHOTO]
    assert [entry.outcome for entry in recorded] == ["begun", "done"]


def test_a_photograph_is_erased_when_its_time_is_over(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = lab.photo(0, ttl_s=60), lab.photo(1, ttl_s=120)
    edit, pack = good(lab.edit(short, strength=1.0))["id"], good(lab.pack(short, long))
    shown = good(lab.http.get(f"/v1/photos/{short}"))
    assert pack["expires"] == shown["expires"] < good(lab.http.get(f"/v1/photos/{long}"))["expires"]
    now = time.time_ns() // 1_000_000
    monkeypatch.setattr("api.photographs.erasure.now_ms", lambda: now + 30_000)
    lab.service.eraser.erase_expired()
    assert good(lab.http.get(f"/v1/photos/{short}")) == shown
    monkeypatch.setattr("api.photographs.erasure.now_ms", lambda: now + 61_000)
    lab.service.eraser.erase_expired()
    for subject in (short, edit, pack["id"]):
        assert files_of(lab.state, subject) == []
        assert tables_naming(lab.state, subject) == set()
    assert problem_of(lab.http.get(f"/v1/photos/{short}")) is ProblemType.PHOTO_NOT_FOUND
    assert good(lab.http.get(f"/v1/photos/{long}"))["state"] == "done"
    last = list(lab.service.audit.entries(photo=short))[-2]  # before the request that finds nothing
    assert (last.owner, last.action, last.outcome) == (SERVICE.owner, ERASE_PHOTO, "done")


def test_a_photograph_that_cannot_be_erased_does_not_stop_the_sweep(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = lab.photo(0, ttl_s=60), lab.photo(1, ttl_s=60)
    stuck = min(first, second)
    erase_files: Callable[[str, Caller, ErasureCause], object] = lab.service.eraser.erase_files

    def erase(photo: str, caller: Caller, cause: ErasureCause) -> object:
        if photo == stuck:
            raise OSError("the disk says no")
        return erase_files(photo, caller, cause)

    now = time.time_ns() // 1_000_000
    with monkeypatch.context() as patched:
        patched.setattr("api.photographs.erasure.now_ms", lambda: now + 61_000)
        patched.setattr(lab.service.eraser, "erase_files", erase)
        lab.service.eraser.erase_expired()
        assert [bool(files_of(lab.state, photo)) for photo in (first, second)] == [first == stuck, second == stuck]
        patched.setattr(lab.service.eraser, "erase_files", erase_files)
        lab.service.eraser.erase_expired()
    assert files_of(lab.state, stuck) == []


def test_the_queue_being_full_a_photograph_is_not_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    before, key = all_files(lab.state), {"Idempotency-Key": "full"}
    monkeypatch.setattr(lab.service.jobs, "most_open", (1000, 0))
    assert problem_of(lab.send(phantom(0), key)) is ProblemType.TOO_MANY_JOBS
    assert all_files(lab.state) == before
    monkeypatch.undo()
    assert good(lab.send(phantom(0), key))["state"] == "done"
