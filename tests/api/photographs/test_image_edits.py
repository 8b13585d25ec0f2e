"""Edits: of photographs, and of images of a set, which are faces of nobody."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from api.problem_types import ProblemType
from api.provenance.claims import EDITED_NOTICE, NOTICE
from faces.images import read_image
from tests.api.lab import WAIT, Json, Lab, add_slowly, files_of, good, problem_of, refused, tables_naming

SET = {"kind": "unrelated", "conditions": ["WS"], "ages": ["child"], "count": 3, "seed": 5}


@pytest.fixture(scope="module")
def photo(lab: Lab) -> str:
    return lab.photo(0)


@pytest.fixture(scope="module")
def image(lab: Lab) -> str:
    """Path of an image of a set."""
    asked = good(lab.http.post("/v1/image-sets", json=SET, headers=WAIT))
    assert asked["state"] == "done"
    return f"/v1/image-sets/{asked['id']}/images/1"


@pytest.fixture(scope="module", params=["photograph", "image"])
def face(request: pytest.FixtureRequest) -> str:
    """Path of what is edited."""
    if request.param == "photograph":
        return f"/v1/photos/{request.getfixturevalue('photo')}"
    return str(request.getfixturevalue("image"))


def edit(lab: Lab, face: str, headers: Json | None = None, **body: object) -> Json:
    return good(lab.http.post(f"{face}/edits", json=body, headers=WAIT | (headers or {})))


def test_a_smile_is_reached(lab: Lab, face: str) -> None:
    made = edit(lab, face, smile=0.6)
    result = made["result"]
    assert (made["state"], made["error"], made["request"]["smile"]) == ("done", None, 0.6)
    assert result["smile_before"] < 0.5
    assert result["smile_after"] == pytest.approx(0.6, abs=0.03)
    assert result["target"] == 0.6
    assert result["path"][0] == [0.0, pytest.approx(result["smile_before"], abs=1e-4)]
    assert len(result["path"]) > 2
    assert made["notice"] == (EDITED_NOTICE if "photos" in face else NOTICE)
    assert good(lab.http.get(made["links"]["self"])) == made
    assert made in good(lab.http.get(f"{face}/edits"))["items"]
    assert good(lab.http.get(made["links"]["job"]))["kind"] == "edit"


def test_a_strength_moves_by_units_and_none_leaves_the_face(lab: Lab, face: str) -> None:
    moved, still = edit(lab, face, strength=2.0), edit(lab, face, strength=0.0)
    assert (moved["result"]["strength"], moved["result"]["target"]) == (2.0, None)
    assert moved["result"]["smile_after"] > moved["result"]["smile_before"] + 0.05
    pictures = [
        read_image(lab.http.get(made["links"][name]).content) for made in (moved, still) for name in ("before", "image")
    ]
    before, after, unmoved, same = pictures
    assert before.shape == (128, 128, 3)
    assert np.array_equal(before, unmoved)
    assert np.array_equal(unmoved, same)
    assert np.abs(after.astype(int) - before).max() > 20


def test_another_direction_moves_something_else(lab: Lab, face: str) -> None:
    names = [item["name"] for item in good(lab.http.get("/v1/directions"))["items"]]
    assert "age" in names
    result = edit(lab, face, direction="age", strength=2.0)["result"]
    assert result["age_years"] > 0.2


def test_the_face_before_an_edit_is_the_face(lab: Lab, image: str, photo: str) -> None:
    of_photo = edit(lab, f"/v1/photos/{photo}", strength=1.0)
    reconstruction = read_image(lab.http.get(f"/v1/photos/{photo}/reconstruction.png").content)
    of_image = edit(lab, image, strength=1.0)
    original = read_image(lab.http.get(image).content)
    for made, expected in ((of_photo, reconstruction), (of_image, original)):
        before = read_image(lab.http.get(made["links"]["before"]).content)
        rounding = 1 if made["result"]["precision"] == "float32" else 4  # in another batch
        assert np.abs(before.astype(int) - expected).max() <= rounding


def test_the_files_say_what_they_are(lab: Lab, face: str) -> None:
    made, of_photo = edit(lab, face, smile=0.5), "photos" in face
    for name, source in (("image", "edited"), ("before", "reconstructed")):
        answer = lab.http.get(made["links"][name])
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Cache-Control"].endswith("no-store" if of_photo else "immutable")
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert picture.format == "PNG"
            assert not picture.getexif()
        marked = lab.service.marker.read(answer.content)
        assert marked is not None
        assert marked.claim.source == (source if of_photo else "synthetic")
        assert marked.claim.what["edit"] == made["request"]
        assert marked.intact
        assert marked.genuine == of_photo
        assert face.split("/")[3] not in json.dumps(marked.claim.to_dict()) or not of_photo


def test_pictures_of_nobody_may_be_cached(lab: Lab, image: str) -> None:
    path = edit(lab, image, strength=1.0)["links"]["image"]
    first = lab.http.get(path)
    assert lab.http.get(path, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    part = lab.http.get(path, headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, first.content[:8])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"smile": 0.5, "strength": 1.0}, "body"),
        ({"smile": 0.5, "direction": "age"}, "body"),
        ({"smile": 1.1}, "smile"),
        ({"smile": -0.1}, "smile"),
        ({"smile": "broad"}, "smile"),
        ({"smile": True}, "smile"),
        ({"strength": 101.0}, "strength"),
        ({"strength": 1.0, "hold": "yes"}, "hold"),
        ({"strength": 1.0, "colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_is_named(lab: Lab, face: str, body: Json, field: str) -> None:
    count = len(good(lab.http.get(f"{face}/edits"))["items"])
    answer = lab.http.post(f"{face}/edits", json=body)
    refused(answer, 422)
    assert answer.json()["errors"][0]["field"] == field
    assert len(good(lab.http.get(f"{face}/edits"))["items"]) == count


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_numbers_that_are_none_are_refused(lab: Lab, face: str, number: str) -> None:
    body, headers = f'{{"strength": {number}}}', {"Content-Type": "application/json"}
    assert lab.http.post(f"{face}/edits", content=body, headers=headers).status_code in (400, 422)


@pytest.mark.parametrize("name", ["wink", "", "\ud800", "\0"])
def test_an_unknown_direction_is_refused_with_the_known_ones(lab: Lab, face: str, name: str) -> None:
    body, headers = json.dumps({"strength": 1.0, "direction": name}), {"Content-Type": "application/json"}
    answer = lab.http.post(f"{face}/edits", content=body, headers=headers)
    known = {item["name"] for item in good(lab.http.get("/v1/directions"))["items"]}
    refused(answer, 422)
    (entry,) = answer.json()["errors"]
    assert entry["field"] == "direction"
    if name != "\ud800":
        assert set(entry["accepted"]) == known
        assert "expected one of" in entry["message"]


def test_an_edit_wants_json(lab: Lab, face: str) -> None:
    assert problem_of(lab.http.post(f"{face}/edits", content=b'{"smile": 0.5}')) is ProblemType.BODY_NOT_DECLARED_JSON


def test_the_same_edit_with_a_key_is_one(lab: Lab, face: str) -> None:
    key = {"Idempotency-Key": f"edit-{face}"}
    first = edit(lab, face, key, strength=1.0)
    assert edit(lab, face, key, strength=1.0) == first
    for path, body in ((face, {"strength": 1.5}), (face, {"smile": 0.5}), (face, {"strength": 1.0, "hold": False})):
        answer = lab.http.post(f"{path}/edits", json=body, headers=key)
        assert problem_of(answer) is ProblemType.IDEMPOTENCY_KEY_REUSED
    assert edit(lab, face, strength=1.0)["id"] != first["id"]  # without a key, another one


def test_a_key_is_of_one_face(lab: Lab, photo: str, image: str) -> None:
    key = {"Idempotency-Key": "one face"}
    edit(lab, image, key, strength=1.0)
    for other in (image[:-1] + "2", f"/v1/photos/{photo}"):
        answer = lab.http.post(f"{other}/edits", json={"strength": 1.0}, headers=key)
        assert problem_of(answer) is ProblemType.IDEMPOTENCY_KEY_REUSED


def test_asked_for_by_many_at_once_with_a_key_it_is_one(lab: Lab, face: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_slowly(monkeypatch, lab.service.edits)
    key, jobs = {"Idempotency-Key": f"at once {face}"}, len(lab.jobs())
    before = len(good(lab.http.get(f"{face}/edits"))["items"])
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: edit(lab, face, key, strength=0.5), range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert len(good(lab.http.get(f"{face}/edits"))["items"]) == before + 1
    assert len(lab.jobs()) == jobs + 1


def test_the_queue_being_full_an_edit_is_not_kept(lab: Lab, face: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, key = good(lab.http.get(f"{face}/edits")), {"Idempotency-Key": f"full {face}"}
    monkeypatch.setattr(lab.service.jobs, "most_open", (1000, 0))
    monkeypatch.setattr(lab.service.edits, "add", pytest.fail)  # nothing is stored to be deleted again
    refused(lab.http.post(f"{face}/edits", json={"strength": 0.5}, headers=key), 429)
    assert good(lab.http.get(f"{face}/edits")) == before
    monkeypatch.undo()
    assert edit(lab, face, key, strength=0.5)["state"] == "done"


def test_an_edit_waits_for_its_job(lab: Lab, face: str) -> None:
    with lab.occupied():
        answer = lab.http.post(f"{face}/edits", json={"strength": 0.7})
        asked = good(answer, 202)
        assert answer.headers["Location"] == asked["links"]["self"]
        assert asked["result"] is None
        for name in ("image", "before"):
            assert problem_of(lab.http.get(asked["links"][name])) is ProblemType.EDIT_NOT_READY
    assert lab.finished(asked["links"]["self"])["result"]["strength"] == 0.7


def test_a_photograph_without_a_face_is_not_edited(lab: Lab) -> None:
    sent = good(lab.send(blank(), aligned=False))
    assert sent["state"] == "failed"
    answer = lab.http.post(f"/v1/photos/{sent['id']}/edits", json={"smile": 0.5})
    assert sent["error"] in refused(answer, 409)


def blank() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, "PNG")
    return buffer.getvalue()


# Of images


def test_faces_of_nobody_need_no_scope_for_photographs(lab: Lab, image: str, photo: str) -> None:
    made = good(lab.sets_only.post(f"{image}/edits", json={"smile": 0.4}, headers=WAIT))
    assert made["state"] == "done"
    for path in (made["links"]["self"], made["links"]["image"], made["links"]["before"], f"{image}/edits"):
        assert lab.sets_only.get(path).status_code == 200
    assert problem_of(lab.sets_only.get(f"/v1/photos/{photo}/edits")) is ProblemType.SCOPE_MISSING
    assert files_of(lab.state, made["id"]) == [f"edits/{made['id']}-before.png", f"edits/{made['id']}.png"]


def test_an_edit_of_an_image_is_its_owners(lab: Lab, image: str) -> None:
    made = edit(lab, image, strength=1.0)
    assert problem_of(lab.other.get(made["links"]["self"])) is ProblemType.IMAGE_SET_NOT_FOUND
    good(lab.other.post("/v1/image-sets", json=SET, headers=WAIT))  # now the set is theirs too
    assert good(lab.other.get(f"{image}/edits")) == {"items": []}
    for path in (made["links"]["self"], made["links"]["image"], made["links"]["before"]):
        assert problem_of(lab.other.get(path)) is ProblemType.EDIT_NOT_FOUND
    assert (
        problem_of(lab.http.get(made["links"]["self"].replace("/images/1/", "/images/2/")))
        is ProblemType.EDIT_NOT_FOUND
    )


def test_an_image_that_is_not_there_is_not_edited(lab: Lab, image: str) -> None:
    for n in ("3", "-1"):
        answer = lab.http.post(f"{image[:-1]}{n}/edits", json={"strength": 1.0})
        assert problem_of(answer) is ProblemType.IMAGE_NOT_FOUND
    assert refused(lab.http.post(f"{image[:-1]}x/edits", json={"strength": 1.0}), 422)
    unknown = lab.http.post(f"/v1/image-sets/{'0' * 32}/images/0/edits", json={"strength": 1.0})
    assert problem_of(unknown) is ProblemType.IMAGE_SET_NOT_FOUND


def test_an_incomplete_set_is_not_edited(lab: Lab) -> None:
    with lab.occupied():
        asked = good(lab.http.post("/v1/image-sets", json=SET | {"seed": 77}), 202)
        answer = lab.http.post(f"/v1/image-sets/{asked['id']}/images/0/edits", json={"strength": 1.0})
        assert problem_of(answer) is ProblemType.IMAGE_SET_NOT_READY
    assert lab.finished(asked["links"]["self"])["state"] == "done"


def test_a_deleted_set_takes_its_edits_along(lab: Lab) -> None:
    asked = good(lab.http.post("/v1/image-sets", json=SET | {"seed": 78}, headers=WAIT))
    face = f"/v1/image-sets/{asked['id']}/images/0"
    made = edit(lab, face, {"Idempotency-Key": "with-its-set"}, strength=1.0)
    picture = lab.http.get(made["links"]["image"]).content
    good(lab.other.post("/v1/image-sets", json=SET | {"seed": 78}, headers=WAIT))
    theirs = good(lab.other.post(f"{face}/edits", json={"strength": 2.0}, headers=WAIT))
    assert files_of(lab.state, made["id"])
    assert {"edits", "jobs", "owned", "idempotency"} <= tables_naming(lab.state, made["id"])

    assert lab.http.delete(f"/v1/image-sets/{asked['id']}").status_code == 204
    assert files_of(lab.state, made["id"]) == []
    assert tables_naming(lab.state, made["id"]) == set()
    for link in ("self", "image", "before"):
        assert problem_of(lab.http.get(made["links"][link])) is ProblemType.IMAGE_SET_NOT_FOUND
    assert problem_of(lab.http.get(made["links"]["job"])) is ProblemType.JOB_NOT_FOUND
    verdict = good(lab.http.post("/v1/verify", content=picture))
    assert verdict["verdict"] != "made here"
    assert lab.other.get(theirs["links"]["image"]).status_code == 200  # another owner keeps the set and the edits of it

    assert lab.other.delete(f"/v1/image-sets/{asked['id']}").status_code == 204
    for subject in (asked["id"], theirs["id"]):
        assert files_of(lab.state, subject) == []
        assert tables_naming(lab.state, subject) == set()
