"""Photographs: what is taken, what is made of it, and who sees it."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import numpy as np
import pytest
from PIL import Image

from api.access.ownership import Kind
from api.problem_types import ProblemType
from api.provenance.claims import EDITED_NOTICE
from faces.images import Pixels, encode_png, read_image
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from tests.api.lab import (
    CONSENT,
    WAIT,
    Json,
    Lab,
    add_slowly,
    all_files,
    files_of,
    good,
    phantom,
    problem_of,
    refused,
    saved,
)
from tests.api.photographs.test_photo_originals import read_unnamed_files

ROTATED = 6
"""EXIF: turn it clockwise by 90 degrees to see it upright."""


@pytest.fixture(scope="module")
def photo(lab: Lab) -> str:
    """One that no test erases."""
    return lab.photo(0)


@pytest.fixture(scope="module")
def no_face() -> bytes:
    return encode_png(np.full((64, 64, 3), 128, np.uint8))


# Sending


def test_a_photograph_is_inverted_while_its_sender_waits(lab: Lab) -> None:
    answer = lab.send(phantom(1), ttl_s=3600)
    sent = good(answer)
    assert answer.headers["Location"] == f"/v1/photos/{sent['id']}" == sent["links"]["self"]
    assert answer.headers["Preference-Applied"] == "wait=60"
    assert (sent["state"], sent["error"], sent["notes"], sent["model"]) == ("done", None, "", "phantom128")
    assert (sent["consent"], sent["purpose"]) == tuple(CONSENT.values())
    assert (sent["quality"]["judged"], sent["quality"]["verdict"]) == (True, "good")
    assert sent["quality"]["l2"] < 0.02
    assert sent["notice"] == EDITED_NOTICE
    assert good(lab.http.get(sent["links"]["self"])) == sent
    lab.http.get(f"{sent['links']['job']}/events")  # until it has ended, a moment after the photograph is done
    assert good(lab.http.get(sent["links"]["job"]))["state"] == "done"


def test_without_prefer_it_is_accepted_and_a_job_inverts_it(lab: Lab) -> None:
    with lab.occupied():
        answer = lab.send(phantom(2), {"Prefer": ""})
        sent = good(answer, 202)
        assert sent["state"] in ("queued", "running")
        assert sent["quality"] is None
        assert "Preference-Applied" not in answer.headers
        for name in ("crop.png", "reconstruction.png"):
            early = lab.http.get(f"/v1/photos/{sent['id']}/{name}")
            assert problem_of(early) is ProblemType.PHOTO_NOT_READY
            assert early.headers["Retry-After"] == "1"
        assert problem_of(lab.edit(sent["id"], strength=1)) is ProblemType.PHOTO_NOT_READY
    assert lab.finished(sent["links"]["self"])["state"] == "done"


@pytest.mark.parametrize("name", list(CONSENT))
@pytest.mark.parametrize("value", [None, "", "x" * 201])
def test_consent_and_purpose_are_required(lab: Lab, name: str, value: str | None) -> None:
    headers = {key: text for key, text in (CONSENT | {name: value}).items() if text is not None}
    answer = lab.http.post("/v1/photos", content=phantom(0), headers=headers)
    assert name.lower() in refused(answer, 422).lower()
    assert answer.json()["errors"][0]["field"] == name.lower()


def test_landmarks_set_by_hand_place_the_face(lab: Lab, no_face: bytes) -> None:
    points = {"left_eye": [22, 28], "right_eye": [42, 28], "mouth_left": [25, 46], "mouth_right": [39, 46]}
    sent = good(lab.send(no_face, {"Landmarks": json.dumps(points)}, aligned=False))
    assert sent["error"] is None
    assert sent["notes"].startswith("landmarks set by hand")
    outside = json.dumps(points | {"left_eye": [-22, 28]})
    assert "(-22, 28)" in good(lab.send(no_face, {"Landmarks": outside}, aligned=False))["error"]
    for headers, aligned in (({"Landmarks": "{}"}, False), ({"Landmarks": json.dumps(points)}, True)):
        answer = lab.send(no_face, headers, aligned=aligned)
        assert problem_of(answer) is ProblemType.REQUEST_INVALID


def test_a_reference_of_the_senders_is_returned_encrypted_and_erased(lab: Lab) -> None:
    reference = "family 12, photo 3"
    sent = good(lab.send(phantom(0), {"Reference": reference}))
    assert sent["reference"] == reference
    assert good(lab.http.get(sent["links"]["self"]))["reference"] == reference
    assert good(lab.send(phantom(0)))["reference"] is None
    assert refused(lab.other.get(sent["links"]["self"]), 404)
    assert lab.service.photographs.files.read(f"photos/{sent['id']}/reference") == reference.encode()
    for path in lab.state.rglob("*"):
        assert not path.is_file() or reference.encode() not in path.read_bytes(), path
    good(lab.http.delete(sent["links"]["self"]))
    assert files_of(lab.state, sent["id"]) == []


def test_another_reference_is_another_request(lab: Lab) -> None:
    key = {"Idempotency-Key": "with a reference"}
    sent = good(lab.send(phantom(0), key | {"Reference": "a"}))
    assert good(lab.send(phantom(0), key | {"Reference": "a"})) == sent
    assert lab.send(phantom(0), key | {"Reference": "b"}).status_code == 422
    assert lab.send(phantom(0), key).status_code == 422


@pytest.mark.parametrize("reference", ["", "x" * 101])
def test_a_reference_has_up_to_a_hundred_characters(lab: Lab, reference: str) -> None:
    answer = lab.send(phantom(0), {"Reference": reference})
    assert refused(answer, 422)
    assert answer.json()["errors"][0]["field"] == "reference"


def test_a_form_is_refused_with_what_to_send_instead(lab: Lab) -> None:
    answer = lab.http.post("/v1/photos", files={"file": ("face.jpg", phantom(0))}, headers=CONSENT)
    assert problem_of(answer) is ProblemType.BODY_IS_FORM


@pytest.mark.parametrize(
    ("picture", "problem"),
    [
        (b"", ProblemType.BODY_EMPTY),
        (b"GIF89a" + bytes(100), ProblemType.PICTURE_FORMAT_UNKNOWN),
        (b'{"photo": 1}' * 3, ProblemType.PICTURE_FORMAT_UNKNOWN),
        (b"<svg>" * 10, ProblemType.PICTURE_FORMAT_UNKNOWN),
        (phantom(0)[:-20], ProblemType.PICTURE_UNUSABLE),
        (phantom(0) + b"PK\x03\x04" + bytes(40), ProblemType.PICTURE_UNUSABLE),
        (
            saved(np.zeros((10, 10, 3), np.uint8), "PNG").replace(b"\0\0\0\x0a", b"\0\1\0\0"),
            ProblemType.PICTURE_UNUSABLE,
        ),
    ],
    ids=["empty", "gif", "json", "svg", "cut off", "with a zip", "damaged header"],
)
def test_what_is_no_picture_is_refused_and_not_kept(lab: Lab, picture: bytes, problem: ProblemType) -> None:
    before = all_files(lab.state)
    assert problem_of(lab.send(picture)) is problem
    assert all_files(lab.state) == before


def test_too_many_pixels_are_refused(lab: Lab) -> None:
    bomb = Image.new("1", (8000, 5001))
    buffer = io.BytesIO()
    bomb.save(buffer, "PNG")
    before = all_files(lab.state)
    assert problem_of(lab.send(buffer.getvalue())) is ProblemType.PICTURE_UNUSABLE
    assert all_files(lab.state) == before


@pytest.mark.parametrize("declared", [True, False])
def test_too_many_bytes_are_refused(lab: Lab, declared: bool) -> None:
    def body() -> Iterator[bytes]:
        yield phantom(0)
        for _ in range(21):
            yield bytes(1_000_000)

    before = all_files(lab.state)
    content = b"".join(body()) if declared else body()
    with lab.http.stream("POST", "/v1/photos", content=content, headers=CONSENT) as answer:
        assert answer.status_code == 413
    assert all_files(lab.state) == before


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"model": "nobody"}, "model"),
        ({"ttl_s": 59}, "ttl_s"),
        ({"ttl_s": 10**9}, "ttl_s"),
        ({"keep_original": "perhaps"}, "keep_original"),
    ],
)
def test_parameters_that_cannot_be_are_named(lab: Lab, params: Json, field: str) -> None:
    answer = lab.send(phantom(0), **params)
    assert field in refused(answer, 422)
    assert answer.json()["errors"][0]["field"] == field


def test_an_upload_that_breaks_off_leaves_nothing(lab: Lab) -> None:
    before = all_files(lab.state)
    url = lab.http.base_url
    with socket.create_connection((url.host, url.port or 80)) as connection:
        head = dict(lab.http.headers) | CONSENT | {"Host": url.host, "Content-Length": "1000000"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        connection.sendall(f"POST /v1/photos?aligned=true HTTP/1.1\r\n{lines}\r\n".encode())
        connection.sendall(phantom(0) + bytes(400_000))
        lab.until(lambda: any(map(len, read_unnamed_files(lab.state))))
    lab.until(lambda: read_unnamed_files(lab.state) == [])
    assert all_files(lab.state) == before


def test_landmarks_of_the_aligned_face_are_told(lab: Lab, photo: str) -> None:
    """They are those of the drawing, as exactly as the network for phantoms finds them."""
    found = good(lab.http.get(f"/v1/photos/{photo}/landmarks"))
    drawn = draw_phantom(nth_phantom(3, 0), 128).landmarks
    assert found["side"] == 128
    assert np.abs(np.array(found["landmarks"]) - drawn).mean() < 3
    left, top, right, bottom = found["areas"]["mouth"]
    assert left < found["landmarks"][48][0] < found["landmarks"][54][0] < right
    assert top < bottom < found["areas"]["face"][3]
    assert 0 <= found["smile"] <= 1


# What is made of it


def test_what_is_made_of_it_says_so_and_carries_no_metadata_of_the_photograph(lab: Lab) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a name"
    sent = good(lab.send(saved(read_image(phantom(5)), "JPEG", exif=exif, comment=b"a name")))
    for name, marked in (("crop", False), ("reconstruction", True)):
        answer = lab.http.get(sent["links"][name])
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.content.startswith(b"\x89PNG")
        assert b"a name" not in answer.content
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert not picture.getexif()
        found = lab.service.marker.read(answer.content)
        assert (found is not None) == marked  # a crop is a photograph, and must not say that it is none
        if found is not None:
            assert found.genuine
            assert found.intact
            assert found.claim.source == "reconstructed"


def test_exif_orientation_is_applied(lab: Lab) -> None:
    upright = read_image(phantom(6))
    exif = Image.Exif()
    exif[0x0112] = ROTATED
    turned = saved(np.rot90(upright).copy(), "PNG", exif=exif)
    sent = good(lab.send(turned))
    assert np.array_equal(read_image(lab.http.get(sent["links"]["crop"]).content), upright)
    assert sent["quality"]["ms_ssim"] > 0.8


def test_a_photograph_is_framed_and_its_quality_honest(lab: Lab, astronaut: Pixels) -> None:
    sent = good(lab.send(saved(astronaut, "WEBP", quality=90), aligned=False))
    assert sent["state"] == "done"
    assert sent["quality"]["verdict"] == "out of domain"
    assert "l2" in sent["quality"]["because"]
    assert read_image(lab.http.get(sent["links"]["crop"]).content).shape == (128, 128, 3)


def test_what_is_no_aligned_square_is_not_taken_for_one(lab: Lab, astronaut: Pixels) -> None:
    sent = good(lab.send(saved(astronaut[:300], "PNG")))
    assert (sent["state"], sent["quality"]) == ("failed", None)
    assert "512 x 300 pixels; expected an aligned square" in sent["error"]


# Whose it is


def test_photographs_come_in_pages(lab: Lab, photo: str) -> None:
    lab.photo(1)
    seen: list[str] = []
    path: str | None = "/v1/photos?limit=2"
    while path is not None:
        page = good(lab.http.get(path))
        assert 1 <= len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        path = page["next"]
    assert photo in seen
    assert seen == sorted(set(seen)) == lab.service.ownership.page(Kind.PHOTO, "lab", 1000, "")[0]
    assert good(lab.other.get("/v1/photos")) == {"items": [], "next": None}
    assert refused(lab.http.get("/v1/photos?limit=101"), 422)


PATHS = (
    ("GET", ""),
    ("DELETE", ""),
    ("GET", "/accesses"),
    ("GET", "/original"),
    ("GET", "/crop.png"),
    ("GET", "/landmarks"),
    ("GET", "/reconstruction.png"),
    ("POST", "/edits"),
    ("GET", "/edits"),
    ("GET", "/edits/EDIT"),
    ("GET", "/edits/EDIT/image.png"),
    ("GET", "/edits/EDIT/before.png"),
    ("GET", "/explanations"),
    ("GET", "/assessments"),
    ("PUT", "/cohort"),
    ("DELETE", "/cohort"),
)
BODIES: Final[dict[str, dict[str, Any]]] = {"POST": {"json": {"smile": 0.3}}, "PUT": {"json": {"syndrome": "KdVS"}}}


def test_the_paths_are_all_of_them(lab: Lab) -> None:
    known = good(lab.http.get("/openapi.json"))["paths"]
    under = {
        (method.upper(), path.removeprefix("/v1/photos/{photo_id}").replace("{edit_id}", "EDIT"))
        for path, operations in known.items()
        for method in operations
        if path.startswith("/v1/photos/")
    }
    assert under == set(PATHS)


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_photograph_is_its_owners(lab: Lab, photo: str, method: str, path: str) -> None:
    edit = good(lab.edit(photo, strength=1.0))["id"] if "EDIT" in path else ""
    noted = len(list(lab.service.audit.entries(photo=photo, outcomes=["begun", "done"])))
    asked = f"/v1/photos/{photo}{path.replace('EDIT', edit)}"
    body = BODIES.get(method, {})
    unknown = lab.other.request(method, f"/v1/photos/{'0' * 32}{path.replace('EDIT', edit)}", **body)  # type: ignore[arg-type]
    theirs = lab.other.request(method, asked, **body)  # type: ignore[arg-type]
    assert refused(theirs, 404).replace(photo, "0" * 32) == refused(unknown, 404)
    assert problem_of(lab.sets_only.request(method, asked, **body)) is ProblemType.SCOPE_MISSING  # type: ignore[arg-type]
    assert refused(httpx.request(method, str(lab.http.base_url.join(asked)), **body), 401)  # type: ignore[arg-type]
    assert len(list(lab.service.audit.entries(photo=photo, outcomes=["begun", "done"]))) == noted
    assert good(lab.http.get(f"/v1/photos/{photo}"))["state"] == "done"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_sending_and_listing_need_the_scope(lab: Lab, method: str) -> None:
    answer = lab.sets_only.request(method, "/v1/photos", headers=CONSENT, content=b"")
    assert problem_of(answer) is ProblemType.SCOPE_MISSING


def test_an_edit_is_found_with_its_own_photograph_only(lab: Lab, photo: str) -> None:
    edit, another = good(lab.edit(photo, strength=1.0))["id"], lab.photo(7)
    assert problem_of(lab.http.get(f"/v1/photos/{another}/edits/{edit}")) is ProblemType.EDIT_NOT_FOUND


def test_every_access_is_recorded(lab: Lab) -> None:
    photo, second = lab.photo(0, keep_original=True), lab.photo(1)
    here = f"/v1/photos/{photo}"
    edit = good(lab.edit(photo, strength=1.0))["links"]
    pack = good(lab.pack(photo, second))["links"]
    paths = (here, f"{here}/original", f"{here}/crop.png", f"{here}/reconstruction.png", f"{here}/edits")
    for path in (*paths, *(edit[name] for name in ("self", "image", "before")), pack["self"], pack["archive"]):
        assert lab.http.get(path).status_code == 200
    assert lab.http.delete(pack["self"]).status_code == 204
    items = good(lab.http.get(f"{here}/accesses"))["items"]
    assert [item["action"] for item in items] == [
        "POST /v1/photos",
        "POST /v1/photos/{photo_id}/edits",
        "POST /v1/stimuli",
        "GET /v1/photos/{photo_id}",
        "GET /v1/photos/{photo_id}/original",
        "GET /v1/photos/{photo_id}/crop.png",
        "GET /v1/photos/{photo_id}/reconstruction.png",
        "GET /v1/photos/{photo_id}/edits",
        "GET /v1/photos/{photo_id}/edits/{edit_id}",
        "GET /v1/photos/{photo_id}/edits/{edit_id}/image.png",
        "GET /v1/photos/{photo_id}/edits/{edit_id}/before.png",
        "GET /v1/stimuli/{pack_id}",
        "GET /v1/stimuli/{pack_id}/archive.zip",
        "erase survey pack",
        "DELETE /v1/stimuli/{pack_id}",
    ]
    assert {(item["owner"], item["key"]) for item in items} == {("lab", lab.key)}
    assert [item["at"] for item in items] == sorted(item["at"] for item in items)


# Idempotency-Key


def test_the_same_photograph_with_a_key_is_one(lab: Lab) -> None:
    key = {"Idempotency-Key": "photo-1"}
    first = good(lab.send(phantom(0), key))
    before = all_files(lab.state)
    assert good(lab.send(phantom(0), key)) == first
    assert all_files(lab.state) == before
    for other in (
        lab.send(phantom(1), key),
        lab.send(phantom(0), key, keep_original=True),
        lab.send(phantom(0), key, aligned=False),
        lab.send(phantom(0), key, ttl_s=3600),
        lab.send(phantom(0), key | {"Purpose": "another"}),
    ):
        assert problem_of(other) is ProblemType.IDEMPOTENCY_KEY_REUSED
    assert all_files(lab.state) == before
    answer = lab.other.post("/v1/photos?aligned=true", content=phantom(0), headers=CONSENT | WAIT | key)
    assert good(answer)["id"] != first["id"]  # keys are an owner's


def test_sent_by_many_at_once_with_a_key_it_is_one(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    add_slowly(monkeypatch, lab.service.photographs)
    key, jobs = {"Idempotency-Key": "photo-at-once"}, len(lab.jobs())
    with ThreadPoolExecutor(6) as pool:
        answers = [good(one) for one in pool.map(lambda _: lab.send(phantom(0), key), range(6))]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["state"] == "done"
    assert len(lab.jobs()) == jobs + 1


def test_a_key_is_free_when_its_photograph_is_erased(lab: Lab) -> None:
    key = {"Idempotency-Key": "photo-erased"}
    first = good(lab.send(phantom(0), key))
    good(lab.http.delete(first["links"]["self"]))
    again = good(lab.send(phantom(0), key))
    assert again["id"] != first["id"]
    assert again["state"] == "done"
