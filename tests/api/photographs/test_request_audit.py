"""What the service records of all that is done with photographs, and that it records no pixel."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any, Final

import httpx
import pytest

from api.access.api_keys import Caller
from api.operations.database import Database
from api.photographs.audit.entries import Head, Purpose
from api.photographs.audit.record import AuditRecord
from api.photographs.erasure import ERASE_ORIGINAL, ERASE_PACK, ERASE_PHOTO
from api.photographs.storage import Photographs
from api.problem_types import ProblemType
from core.errors import AuditError
from faces.images import read_image
from tests.api.lab import WAIT, Json, Lab, all_files, good, of_sqlite, phantom, problem_of, refused
from tests.api.photographs.audit.tables import (
    full_disk,
    open_table,
)

NO_PHOTO: Final = "0" * 32


@pytest.fixture(scope="module")
def photo(lab: Lab) -> str:
    """One that no test erases."""
    return lab.photo(0, keep_original=True)


@pytest.fixture(scope="module")
def second(lab: Lab) -> str:
    return lab.photo(1)


@pytest.fixture(scope="module")
def edit(lab: Lab, photo: str) -> str:
    return str(good(lab.edit(photo, strength=1.0))["id"])


@pytest.fixture(scope="module")
def pack(lab: Lab, photo: str, second: str) -> str:
    return str(good(lab.pack(photo, second))["id"])


@pytest.fixture
def path_of(photo: str, edit: str, pack: str) -> Callable[[str], str]:
    """The path of a route, with the ids above in it."""
    ids = {"photo_id": photo, "edit_id": edit, "pack_id": pack, "job_id": f"{photo}-1", "version": "A", "n": 1}
    return lambda route: route.format(**ids)


def list_recorded(lab: Lab, since: Head, **of: Any) -> list[tuple[str, ...]]:
    """(owner, action, outcome, photo) of the entries after a head."""
    found = [entry for entry in lab.service.audit.entries(**of) if entry.seq > since.seq]
    return [(entry.owner, entry.action, entry.outcome, entry.photo) for entry in found]


READS: Final = (
    "GET /v1/photos/{photo_id}",
    "GET /v1/photos/{photo_id}/accesses",
    "GET /v1/photos/{photo_id}/original",
    "GET /v1/photos/{photo_id}/crop.png",
    "GET /v1/photos/{photo_id}/landmarks",
    "GET /v1/photos/{photo_id}/reconstruction.png",
    "GET /v1/photos/{photo_id}/edits",
    "GET /v1/photos/{photo_id}/edits/{edit_id}",
    "GET /v1/photos/{photo_id}/edits/{edit_id}/image.png",
    "GET /v1/photos/{photo_id}/edits/{edit_id}/before.png",
    "GET /v1/photos/{photo_id}/explanations",
    "GET /v1/photos/{photo_id}/assessments",
    "GET /v1/stimuli/{pack_id}",
    "GET /v1/stimuli/{pack_id}/archive.zip",
    "GET /v1/stimuli/{pack_id}/versions/{version}/{n}.png",
    "GET /v1/jobs/{job_id}",
    "GET /v1/jobs/{job_id}/events",
)
CHANGES: Final = (
    "DELETE /v1/photos/{photo_id}",
    "POST /v1/photos/{photo_id}/edits",
    "PUT /v1/photos/{photo_id}/cohort",
    "DELETE /v1/photos/{photo_id}/cohort",
    "DELETE /v1/stimuli/{pack_id}",
    "POST /v1/jobs/{job_id}/cancel",
)
WITHOUT_ID: Final = ("POST /v1/photos", "GET /v1/photos", "POST /v1/stimuli", "GET /v1/stimuli")


def test_the_routes_are_all_that_touch_photographs(lab: Lab) -> None:
    known = good(lab.http.get("/openapi.json"))["paths"]
    touching = {
        f"{method.upper()} {path}"
        for path, operations in known.items()
        for method in operations
        if path.startswith(("/v1/photos", "/v1/stimuli", "/v1/jobs/"))
    }
    assert touching == {*READS, *CHANGES, *WITHOUT_ID}


def send_request(http: httpx.Client, action: str, path: str) -> httpx.Response:
    method = action.partition(" ")[0]
    body = {
        "POST /v1/photos/{photo_id}/edits": {"json": {"strength": 1.0}},
        "PUT /v1/photos/{photo_id}/cohort": {"json": {"syndrome": "KdVS"}},
    }.get(action, {})
    return http.request(method, path, headers=WAIT, **body)  # type: ignore[arg-type]


@pytest.mark.parametrize("action", READS)
def test_every_read_is_recorded_before_it_is_answered(
    lab: Lab,
    photo: str,
    second: str,
    path_of: Callable[[str], str],
    action: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, since, record = path_of(action.split()[1]), lab.service.audit.head(), lab.service.audit.record

    def slowly(*what: Any) -> None:
        time.sleep(0.05)
        record(*what)

    monkeypatch.setattr(lab.service.audit, "record", slowly)
    with lab.http.stream("GET", path) as answer:
        assert answer.status_code == 200
        entries = list_recorded(lab, since)  # by now the head of the answer is here, and perhaps nothing else
    photos = (photo, second) if "stimuli" in path else (photo,)
    assert entries == [("lab", action, "done", one) for one in photos]
    [one] = list(lab.service.audit.entries(photo=photo))[-1:]
    assert (one.key, one.purpose[:6]) == (lab.key, "other:")


@pytest.mark.parametrize("action", [*READS, *CHANGES])
def test_refused_it_is_recorded_too(
    lab: Lab, photo: str, second: str, path_of: Callable[[str], str], action: str
) -> None:
    path = path_of(action.split()[1])
    photos = (photo, second) if "stimuli" in path else (photo,)
    since = lab.service.audit.head()
    refused(send_request(lab.other, action, path), 404)
    assert list_recorded(lab, since) == [("other-lab", action, "refused", one) for one in photos]
    since = lab.service.audit.head()
    refused(send_request(lab.sets_only, action, path), 404 if "jobs" in path else 403)
    assert list_recorded(lab, since) == [("lab", action, "refused", one) for one in photos]


def test_of_what_is_no_photograph_nothing_is_recorded(lab: Lab, photo: str) -> None:
    since = lab.service.audit.head()
    for path in (f"/v1/photos/{NO_PHOTO}", "/v1/photos/Anna%20Schmidt", f"/v1/stimuli/{NO_PHOTO}", "/v1/jobs/x-1"):
        refused(lab.http.get(path), 404)
    refused(lab.http.post("/v1/stimuli", json={"photos": ["Anna Schmidt", NO_PHOTO]}), 404)
    refused(httpx.get(lab.http.base_url.join(f"/v1/photos/{photo}")), 401)  # by nobody who is known
    assert good(lab.http.post("/v1/verify", content=phantom(0)))["verdict"] == "not recognised"
    made = good(lab.http.post("/v1/image-sets", json={"kind": "unrelated", "count": 1}, headers=WAIT))
    image = f"/v1/image-sets/{made['id']}/images/0/edits"
    edited = good(lab.http.post(image, json={"strength": 1.0}, headers=WAIT))
    assert lab.http.get(edited["links"]["image"]).status_code == 200
    assert lab.http.get(edited["links"]["job"]).status_code == 200
    for path in ("/v1/jobs", "/v1/models", "/readyz"):
        assert lab.http.get(path).status_code == 200
    assert list_recorded(lab, since) == []


def test_sending_is_recorded_before_it_is_kept_and_when_it_is_answered(lab: Lab) -> None:
    since = lab.service.audit.head()
    sent = lab.photo(2)
    lab.idle()  # the original is erased after the answer
    send = "POST /v1/photos"
    assert list_recorded(lab, since, owners=["lab"]) == [
        ("lab", send, "begun", sent),
        ("lab", send, "done", sent),
    ]
    assert list_recorded(lab, since, owners=["service"]) == [
        ("service", ERASE_ORIGINAL, "begun", sent),
        ("service", ERASE_ORIGINAL, "done", sent),
    ]
    [key] = {entry.key for entry in lab.service.audit.entries(photo=sent, owners=["service"])}
    assert key == "-"


def test_what_is_sent_again_with_a_key_is_the_first(lab: Lab) -> None:
    key = {"Idempotency-Key": "audited"}
    sent = good(lab.send(phantom(2), key))["id"]
    lab.idle()  # the original is erased
    since = lab.service.audit.head()
    assert good(lab.send(phantom(2), key))["id"] == sent
    assert list_recorded(lab, since) == [("lab", "POST /v1/photos", "done", sent)]


def test_what_is_refused_as_a_photograph_is_recorded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    since = lab.service.audit.head()
    refused(lab.send(b"GIF89a" + bytes(100)), 415)
    [(owner, action, outcome, _)] = list_recorded(lab, since)
    assert (owner, action, outcome) == ("lab", "POST /v1/photos", "refused")
    since = lab.service.audit.head()
    monkeypatch.setattr(lab.service.jobs, "most_open", (1000, 0))
    refused(lab.send(phantom(0)), 429)
    assert [entry[:3] for entry in list_recorded(lab, since)] == [("lab", "POST /v1/photos", "refused")]
    since = lab.service.audit.head()
    monkeypatch.setattr(lab.service.jobs, "check_room", lambda *_: None)  # another request was faster
    refused(lab.send(phantom(0)), 429)
    assert [entry[:3] for entry in list_recorded(lab, since)] == [
        ("lab", "POST /v1/photos", "begun"),
        ("lab", ERASE_PHOTO, "begun"),
        ("lab", ERASE_PHOTO, "done"),
        ("lab", "POST /v1/photos", "refused"),
    ]


def test_what_is_made_of_photographs_is_recorded_before_it_is_made(lab: Lab, photo: str, second: str) -> None:
    since = lab.service.audit.head()
    made = good(lab.edit(photo, strength=2.0))
    assert list_recorded(lab, since) == [
        ("lab", "POST /v1/photos/{photo_id}/edits", "begun", photo),
        ("lab", "POST /v1/photos/{photo_id}/edits", "done", photo),
    ]
    since = lab.service.audit.head()
    assert lab.http.get(made["links"]["job"]).status_code == 200
    assert list_recorded(lab, since) == [("lab", "GET /v1/jobs/{job_id}", "done", photo)]
    since = lab.service.audit.head()
    packed = good(lab.pack(photo, second, seed=3))
    assert list_recorded(lab, since) == [
        ("lab", "POST /v1/stimuli", outcome, one) for outcome in ("begun", "done") for one in (photo, second)
    ]
    since = lab.service.audit.head()
    assert lab.http.get(packed["links"]["job"]).status_code == 200
    assert list_recorded(lab, since) == [("lab", "GET /v1/jobs/{job_id}", "done", one) for one in (photo, second)]
    theirs = {"photos": [photo, second]}
    since = lab.service.audit.head()
    refused(lab.other.post("/v1/stimuli", json=theirs), 404)
    assert list_recorded(lab, since) == [("other-lab", "POST /v1/stimuli", "refused", one) for one in (photo, second)]


def test_a_list_is_an_access_to_each_in_it(lab: Lab, photo: str, second: str) -> None:
    since = lab.service.audit.head()
    items = good(lab.http.get("/v1/photos?limit=100"))["items"]
    assert {photo, second} <= {item["id"] for item in items}
    assert list_recorded(lab, since) == [("lab", "GET /v1/photos", "done", item["id"]) for item in items]
    assert good(lab.other.get("/v1/photos"))["items"] == []


def test_cancelling_is_recorded(lab: Lab) -> None:
    with lab.occupied():
        sent = good(lab.send(phantom(2), {"Prefer": ""}), 202)
        lab.until_waiting()
        since = lab.service.audit.head()
        good(lab.http.post(f"{sent['links']['job']}/cancel"))
    action = "POST /v1/jobs/{job_id}/cancel"
    assert list_recorded(lab, since, owners=["lab"]) == [("lab", action, how, sent["id"]) for how in ("begun", "done")]
    lab.idle()
    assert list_recorded(lab, since, owners=["service"])[-1] == ("service", ERASE_ORIGINAL, "done", sent["id"])


def test_a_failure_is_recorded(lab: Lab, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("api.routes.photos.describe_photo", broken)
    since = lab.service.audit.head()
    url, key = lab.http.base_url.join(f"/v1/photos/{photo}"), lab.http.headers  # a connection ends with a failure
    refused(httpx.get(url, headers=key), 500)
    with full_disk(lab.state):
        assert problem_of(httpx.get(url, headers=key)) is ProblemType.AUDIT_UNAVAILABLE
    assert list_recorded(lab, since) == [("lab", "GET /v1/photos/{photo_id}", "failed", photo)]


# Erasure


def test_erasing_is_recorded_with_the_packs_that_go_too(lab: Lab) -> None:
    first, other = lab.photo(0), lab.photo(1)
    purposes = {entry.purpose for entry in lab.service.audit.entries(photo=first)}
    good(lab.pack(first, other))
    since = lab.service.audit.head()
    good(lab.http.delete(f"/v1/photos/{first}"))
    expected = [
        ("lab", ERASE_PHOTO, "begun", first),
        *(("lab", ERASE_PACK, outcome, one) for outcome in ("begun", "done") for one in (first, other)),
        ("lab", ERASE_PHOTO, "done", first),
        ("lab", "DELETE /v1/photos/{photo_id}", "done", first),
    ]
    assert list_recorded(lab, since) == expected
    since = lab.service.audit.head()
    refused(lab.http.get(f"/v1/photos/{first}"), 404)  # the record knows it still
    assert list_recorded(lab, since) == [("lab", "GET /v1/photos/{photo_id}", "refused", first)]
    assert {entry.purpose for entry in lab.service.audit.entries(photo=first)} == purposes
    assert lab.service.audit.verify(since).seq > since.seq


def test_erasing_a_pack_is_recorded(lab: Lab, photo: str, second: str) -> None:
    made = good(lab.pack(photo, second, seed=4))["id"]
    since = lab.service.audit.head()
    assert lab.http.delete(f"/v1/stimuli/{made}").status_code == 204
    assert list_recorded(lab, since) == [
        ("lab", action, outcome, one)
        for action, outcome in ((ERASE_PACK, "begun"), (ERASE_PACK, "done"), ("DELETE /v1/stimuli/{pack_id}", "done"))
        for one in (photo, second)
    ]


def test_what_is_erased_because_its_time_is_over_is_recorded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    short = lab.photo(0, ttl_s=60)
    since, now = lab.service.audit.head(), time.time_ns() // 1_000_000
    monkeypatch.setattr("api.photographs.erasure.now_ms", lambda: now + 61_000)
    with full_disk(lab.state):
        lab.service.eraser.erase_expired()
    assert lab.service.photographs.get(short) is not None  # not without a record
    lab.service.eraser.erase_expired()
    assert list_recorded(lab, since) == [("service", ERASE_PHOTO, outcome, short) for outcome in ("begun", "done")]
    assert lab.service.photographs.get(short) is None


def test_an_erasure_that_fails_is_recorded_as_such(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = lab.photo(0)
    lab.idle()  # its original is deleted
    since = lab.service.audit.head()
    with monkeypatch.context() as patched:
        patched.setattr(lab.service.photographs.files, "delete_tree", lambda _: 1 / 0)
        url = lab.http.base_url.join(f"/v1/photos/{sent}")
        refused(httpx.delete(url, headers=lab.http.headers), 500)
    assert list_recorded(lab, since) == [
        ("lab", ERASE_PHOTO, "begun", sent),
        ("lab", ERASE_PHOTO, "failed", sent),
        ("lab", "DELETE /v1/photos/{photo_id}", "failed", sent),
    ]
    good(lab.http.delete(f"/v1/photos/{sent}"))


def test_an_original_stays_until_its_erasure_can_be_recorded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    record, photographs = lab.service.audit.record, lab.service.photographs

    def no_originals(caller: Caller, action: str, *what: Any) -> None:
        if action == ERASE_ORIGINAL:
            raise AuditError("the disk is full")
        record(caller, action, *what)

    with monkeypatch.context() as patched:
        patched.setattr(lab.service.audit, "record", no_originals)
        sent = lab.photo(3)
        lab.idle()
        lab.service.eraser.erase_expired()
        assert photographs.has_original(sent)
        since = lab.service.audit.head()
    lab.photo(0, keep_original=True)
    lab.service.eraser.erase_expired()
    erased = [entry for entry in list_recorded(lab, since) if entry[1] == ERASE_ORIGINAL]
    assert erased == [("service", ERASE_ORIGINAL, outcome, sent) for outcome in ("begun", "done")]
    assert not photographs.has_original(sent)


# Without a record


@pytest.mark.parametrize("action", [*READS, *CHANGES])
def test_without_a_record_nothing_is_answered_and_nothing_done(
    lab: Lab, second: str, path_of: Callable[[str], str], action: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, before, jobs = path_of(action.split()[1]), all_files(lab.state), lab.jobs()
    since = lab.service.audit.head()
    with full_disk(lab.state):
        answer = send_request(lab.http, action, path)
        other = send_request(lab.other, action, path)
    for one in (answer, other):
        assert problem_of(one) is ProblemType.AUDIT_UNAVAILABLE
        assert set(one.json()) == {"type", "title", "status", "detail", "instance"}
        assert "set-cookie" not in one.headers
    assert answer.json() == other.json()
    assert all_files(lab.state) == before
    assert lab.jobs() == jobs
    assert list_recorded(lab, since) == []
    assert "an answer is withheld" in caplog.text
    assert lab.service.photographs.get(second) is not None


def test_without_a_record_nothing_is_taken_packed_or_listed(lab: Lab, photo: str, second: str) -> None:
    key, before, jobs = {"Idempotency-Key": "unrecorded"}, all_files(lab.state), lab.jobs()
    photos = good(lab.http.get("/v1/photos?limit=100"))["items"]
    with full_disk(lab.state):
        for answer in (
            lab.send(phantom(0), key),
            lab.http.get("/v1/photos"),
            lab.pack(photo, second, headers=key | {"Idempotency-Key": "unrecorded pack"}),
        ):
            assert problem_of(answer) is ProblemType.AUDIT_UNAVAILABLE
            assert photo not in answer.text
        assert good(lab.other.get("/v1/photos"))["items"] == []  # nobody's photograph is in it
        assert lab.http.get("/v1/models").status_code == 200
    assert all_files(lab.state) == before
    assert lab.jobs() == jobs
    assert good(lab.http.get("/v1/photos?limit=100"))["items"] == photos
    assert good(lab.send(phantom(0), key))["state"] == "done"


def test_with_a_record_that_is_gone_nothing_is_answered(lab: Lab, photo: str) -> None:
    with open_table(lab.state, triggers=True) as database:
        database.execute("ALTER TABLE audit RENAME TO aside")
        try:
            for path in (f"/v1/photos/{photo}/crop.png", f"/v1/photos/{NO_PHOTO}"):
                assert problem_of(lab.http.get(path)) is ProblemType.AUDIT_UNAVAILABLE
        finally:
            database.execute("ALTER TABLE aside RENAME TO audit")
    assert lab.http.get(f"/v1/photos/{photo}/crop.png").status_code == 200


# What is not in it


@of_sqlite
def test_nothing_of_a_picture_or_of_a_person_is_recorded(lab: Lab) -> None:
    picture, name = phantom(5), "anna-schmidt-2019.png"
    words = {"Consent-Reference": "consent of Anna Schmidt", "Purpose": "syndrome of Anna Schmidt, born 2019"}
    words |= {"Reference": "photograph of Anna Schmidt"}
    headers = words | {"Content-Disposition": f'attachment; filename="{name}"', "Idempotency-Key": "anna-schmidt"}
    sent = good(lab.send(picture, headers, keep_original=True))
    here, other = sent["links"]["self"], lab.photo(1)
    edited = good(lab.edit(sent["id"], strength=1.0))["links"]
    packed = good(lab.pack(sent["id"], other, groups={sent["id"]: "Anna Schmidt", other: "b"}))["links"]
    paths = (f"{here}/original", f"{here}/crop.png", f"{here}/reconstruction.png", edited["image"], packed["archive"])
    files = [picture, *(lab.http.get(path).content for path in paths)]
    pixels = [read_image(lab.http.get(path).content).tobytes() for path in paths[:4]]
    lab.http.get(f"{here}?name=Anna%20Schmidt")
    good(lab.http.delete(here))
    kept = b"".join(path.read_bytes() for path in lab.state.glob("audit.sqlite*"))
    assert sent["id"].encode() in kept
    text = kept.lower()
    for word in (*words.values(), name, "anna", "schmidt", "syndrome", "2019.png", "gestaltgen_"):
        assert word.lower().encode() not in text, word
    for data in (*files, *pixels):
        assert data[64:96] not in kept
        for algorithm in ("md5", "sha1", "sha256", "sha512", "blake2b"):
            digest = hashlib.new(algorithm, data, usedforsecurity=False)
            assert digest.hexdigest()[:16].encode() not in text
            assert digest.digest()[:8] not in kept
    for entry in lab.service.audit.entries(photo=sent["id"]):
        assert entry.purpose.startswith("other:")


def test_a_purpose_of_the_list_is_given_in_words(lab: Lab) -> None:
    sent = good(lab.send(phantom(0), {"Purpose": "Teaching"}))["id"]
    assert {entry.purpose for entry in lab.service.audit.entries(photo=sent)} == {"teaching"}
    assert {entry.photo for entry in lab.service.audit.entries(purpose=Purpose("teaching"))} == {sent}


def test_owners_see_what_they_and_the_service_did(lab: Lab) -> None:
    sent = lab.photo(0)
    refused(lab.other.get(f"/v1/photos/{sent}"), 404)
    refused(lab.sets_only.get(f"/v1/photos/{sent}"), 403)
    items: list[Json] = good(lab.http.get(f"/v1/photos/{sent}/accesses"))["items"]
    seen = [(item["owner"], item["action"], item["outcome"]) for item in items]
    assert sorted(seen) == sorted(
        [
            ("service", ERASE_ORIGINAL, "done"),
            ("lab", "POST /v1/photos", "done"),
            ("lab", "GET /v1/photos/{photo_id}", "refused"),
        ]
    )


def test_the_record_outlives_the_service(lab: Lab, photo: str) -> None:
    """Retention prunes nothing of it."""
    before = list(lab.service.audit.entries())
    lab.service.eraser.erase_expired()
    assert list(lab.service.audit.entries())[: len(before)] == before
    assert isinstance(lab.service.photographs, Photographs)
    assert AuditRecord.open(Database.at(lab.state)).verify().seq >= len(before)
