"""Survey packs: what is in them, the same from the same, and gone with their photographs."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.problem_types import ProblemType
from api.provenance.claims import EDITED_NOTICE
from editing.survey_pack import MARK
from faces.images import read_image
from tests.api.lab import (
    Json,
    Lab,
    add_slowly,
    files_of,
    forget_faces,
    good,
    phantom,
    problem_of,
    refused,
    tables_naming,
)
from tests.api.photographs.test_image_edits import blank


@pytest.fixture(scope="module")
def photos(lab: Lab) -> list[str]:
    return [lab.photo(n) for n in range(4)]


@pytest.fixture(scope="module")
def faceless(lab: Lab) -> str:
    sent = good(lab.send(blank(), aligned=False))
    assert sent["state"] == "failed"
    return str(sent["id"])


def unpack(lab: Lab, pack: Json) -> dict[str, bytes]:
    answer = lab.http.get(pack["links"]["archive"])
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def table(files: Mapping[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[name].decode())))


def test_a_pack_has_two_versions_and_their_key(lab: Lab, photos: list[str]) -> None:
    answer = lab.pack(*photos, seed=3)
    pack = good(answer)
    assert answer.headers["Location"] == pack["links"]["self"] == f"/v1/stimuli/{pack['id']}"
    assert (pack["state"], pack["done"], pack["total"], pack["people"]) == ("done", 4, 4, 4)
    assert (pack["left_out"], pack["error"], pack["notice"]) == ([], None, EDITED_NOTICE)
    assert good(lab.http.get(pack["links"]["self"])) == pack
    assert good(lab.http.get(pack["links"]["job"]))["done"] == 4
    archive = lab.http.get(pack["links"]["archive"])
    assert archive.headers["Content-Type"] == "application/zip"
    assert archive.headers["Cache-Control"] == "private, no-store"

    files = unpack(lab, pack)
    answers, areas = table(files, "key/answers.csv"), table(files, "areas.csv")
    pictures = {name for name in files if name.startswith(("A/", "B/")) and name.endswith(".png")}
    csvs = {"A/order.csv", "B/order.csv", "areas.csv", "key/answers.csv", "key/pairs.png"}
    assert set(files) == pictures | csvs
    assert pictures == {f"{line['version']}/{line['file']}" for line in answers}
    assert (len(pictures), {f"{line['version']}/{line['file']}" for line in areas}) == (8, pictures)
    for version in ("A", "B"):
        lines = [line for line in answers if line["version"] == version]
        assert {line["photograph"] for line in lines} == set(photos)
        assert [line["edited"] for line in lines].count("True") == 2
        assert table(files, f"{version}/order.csv") == [{"file": line["file"]} for line in lines]
        picture = lab.http.get(pack["links"]["picture"].format(version=version, n=2))
        assert picture.content == files[f"{version}/{lines[1]['file']}"]
        assert picture.headers["Cache-Control"] == "private, no-store"
    edited = {(line["photograph"], line["version"]) for line in answers if line["edited"] == "True"}
    assert len({photo for photo, _ in edited}) == 4
    for name in pictures:
        assert read_image(files[name]).shape == (128, 128, 3)
        assert MARK.encode() in files[name]
    for place in (0, 5):
        missing = lab.http.get(pack["links"]["picture"].format(version="A", n=place))
        assert problem_of(missing) is ProblemType.IMAGE_NOT_FOUND
    blinded = b"".join(files[name] for name in files if not name.startswith("key/")) + "".join(pictures).encode()
    assert not any(photo.encode() in blinded for photo in photos)


def test_what_a_pack_was_made_from_goes(lab: Lab, photos: list[str]) -> None:
    pack = good(lab.pack(*photos[:2]))["id"]
    assert files_of(lab.state, pack) == [f"stimuli/{pack}/pack.zip"]


def test_the_same_request_makes_the_same_files(lab: Lab, photos: list[str]) -> None:
    first = unpack(lab, good(lab.pack(*photos[:2], seed=3)))
    forget_faces()
    again, other = (unpack(lab, good(lab.pack(*photos[:2], seed=seed))) for seed in (3, 4))
    assert first == again
    assert {name for name in first if name.startswith(("A/", "B/"))} != {
        name for name in other if name.startswith(("A/", "B/"))
    }


def test_groups_are_halved_in_each_version(lab: Lab, photos: list[str]) -> None:
    groups = dict(zip(photos, ("WS", "WS", "other", "other"), strict=True))
    answers = table(unpack(lab, good(lab.pack(*photos, groups=groups))), "key/answers.csv")
    assert {line["photograph"]: line["group"] for line in answers} == groups
    for version in ("A", "B"):
        edited = sorted(line["group"] for line in answers if line["version"] == version and line["edited"] == "True")
        assert edited == ["WS", "other"]


def test_a_smile_can_be_asked_for(lab: Lab, photos: list[str]) -> None:
    answers = table(unpack(lab, good(lab.pack(*photos[:2], smile=0.6))), "key/answers.csv")
    assert {round(float(line["smile_after"]), 1) for line in answers} == {0.6}


def test_who_is_not_inverted_is_left_out(lab: Lab, photos: list[str], faceless: str) -> None:
    pack = good(lab.pack(photos[0], faceless, photos[1]))
    assert (pack["state"], pack["people"], pack["total"]) == ("done", 2, 3)
    (left,) = pack["left_out"]
    assert left["photograph"] == faceless
    assert "not inverted" in left["reason"]
    assert "no face" in left["reason"]
    assert table(unpack(lab, pack), "key/left-out.csv") == [left | {"source": ""}]


def test_the_answer_key_has_the_references_of_the_owner_and_participants_see_none(lab: Lab) -> None:
    references = ["family 12, photo 3", "study-7/0042"]
    photos = [good(lab.send(phantom(n), {"Reference": reference}))["id"] for n, reference in enumerate(references)]
    lost = good(lab.send(blank(), {"Reference": "no face"}, aligned=False))["id"]
    pack = good(lab.pack(*photos, lost))
    files = unpack(lab, pack)
    for line in table(files, "key/answers.csv"):
        assert line["source"] == references[photos.index(line["photograph"])]
    assert [(line["photograph"], line["source"]) for line in table(files, "key/left-out.csv")] == [(lost, "no face")]
    assert set(pack["left_out"][0]) == {"photograph", "reason"}
    for name, data in files.items():
        assert name.startswith("key/") or not any(reference.encode() in data for reference in references), name
    for reference in references:
        assert tables_naming(lab.state, reference) == set()


def test_fewer_than_two_are_no_pack(lab: Lab, photos: list[str], faceless: str) -> None:
    pack = good(lab.pack(photos[0], faceless))
    assert (pack["state"], pack["people"]) == ("failed", None)
    assert "1 of 2 photographs can be shown; expected 2 or more" in pack["error"]
    assert f"{faceless[:8]}: it is not inverted" in pack["error"]
    assert problem_of(lab.http.get(pack["links"]["archive"])) is ProblemType.SURVEY_PACK_NOT_READY
    assert files_of(lab.state, pack["id"]) == []
    assert lab.http.delete(pack["links"]["self"]).status_code == 204
    assert tables_naming(lab.state, pack["id"]) == set()


def test_doubtful_faces_are_left_out_unless_asked_for(lab: Lab, photos: list[str]) -> None:
    far = good(lab.pack(*photos[:2], smile=1.0, doubtful=False))
    reasons = far["error"] or " ".join(one["reason"] for one in far["left_out"])
    assert reasons
    assert good(lab.pack(*photos[:2], smile=1.0))["people"] == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"photos": []}, "photos"),
        ({"photos": ["0" * 32]}, "photos"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"smile": 1.5}, "smile"),
        ({"groups": {"nobody": "WS"}}, "groups"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_is_named(lab: Lab, photos: list[str], change: Json, field: str) -> None:
    answer = lab.http.post("/v1/stimuli", json={"photos": photos} | change)
    refused(answer, 422)
    assert answer.json()["errors"][0]["field"] == field


def test_nobody_stands_twice(lab: Lab, photos: list[str]) -> None:
    answer = lab.pack(photos[0], photos[1], photos[0])
    assert problem_of(answer) is ProblemType.REQUEST_INVALID
    assert answer.json()["errors"][0]["field"] == "photos"


def test_packs_and_their_photographs_are_their_owners(lab: Lab, photos: list[str]) -> None:
    pack = good(lab.pack(*photos[:2]))
    theirs = lab.other.post("/v1/stimuli", json={"photos": photos[:2]})
    unknown = lab.other.post("/v1/stimuli", json={"photos": ["0" * 32, "1" * 32]})
    assert refused(theirs, 404).replace(photos[0], "0" * 32) == refused(unknown, 404)
    for method, path in (("GET", "self"), ("GET", "archive"), ("DELETE", "self")):
        assert problem_of(lab.other.request(method, pack["links"][path])) is ProblemType.SURVEY_PACK_NOT_FOUND
        assert problem_of(lab.sets_only.request(method, pack["links"][path])) is ProblemType.SCOPE_MISSING
    assert problem_of(lab.sets_only.post("/v1/stimuli", json={"photos": photos[:2]})) is ProblemType.SCOPE_MISSING
    assert lab.http.get(pack["links"]["archive"]).status_code == 200


def test_the_same_pack_with_a_key_is_one(lab: Lab, photos: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    add_slowly(monkeypatch, lab.service.survey_packs)
    key, jobs = {"Idempotency-Key": "pack"}, len(lab.jobs())
    with ThreadPoolExecutor(6) as pool:
        answers = [good(one) for one in pool.map(lambda _: lab.pack(*photos[:2], headers=key), range(6))]
    assert all(answer == answers[0] for answer in answers)
    assert len(lab.jobs()) == jobs + 1
    assert good(lab.pack(*photos[:2], headers=key)) == answers[0]
    for answer in (lab.pack(*photos[1:3], headers=key), lab.pack(*photos[:2], headers=key, seed=1)):
        assert problem_of(answer) is ProblemType.IDEMPOTENCY_KEY_REUSED


def test_the_queue_being_full_a_pack_is_not_stored(
    lab: Lab, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab.service.jobs, "most_open", (1000, 0))
    monkeypatch.setattr(lab.service.survey_packs, "add", pytest.fail)
    key = {"Idempotency-Key": "full"}
    refused(lab.pack(*photos[:2], headers=key, seed=1), 429)
    monkeypatch.undo()
    good(lab.pack(*photos[:2], headers=key, seed=2))  # the key is free


def test_an_erased_pack_is_gone_and_its_photographs_stay(lab: Lab, photos: list[str]) -> None:
    key = {"Idempotency-Key": "erased pack"}
    pack = good(lab.pack(*photos[:2], headers=key))
    assert lab.http.delete(pack["links"]["self"]).status_code == 204
    assert files_of(lab.state, pack["id"]) == []
    assert tables_naming(lab.state, pack["id"]) == set()
    assert problem_of(lab.http.get(pack["links"]["self"])) is ProblemType.SURVEY_PACK_NOT_FOUND
    assert good(lab.http.get(f"/v1/photos/{photos[0]}"))["state"] == "done"
    assert good(lab.pack(*photos[:2], headers=key))["id"] != pack["id"]


def test_erased_while_its_job_is_at_work_a_pack_leaves_nothing(lab: Lab, photos: list[str]) -> None:
    with lab.occupied():
        pack = good(lab.pack(*photos, headers={"Prefer": ""}), 202)
        lab.until_waiting()
        assert problem_of(lab.http.get(pack["links"]["archive"])) is ProblemType.SURVEY_PACK_NOT_READY
        assert lab.http.delete(pack["links"]["self"]).status_code == 204
    lab.idle()
    assert files_of(lab.state, pack["id"]) == []
    assert tables_naming(lab.state, pack["id"]) == set()


def test_a_cancelled_pack_keeps_no_pictures(lab: Lab, photos: list[str]) -> None:
    with lab.occupied():
        pack = good(lab.pack(*photos, headers={"Prefer": ""}), 202)
        lab.until_waiting()
        assert good(lab.http.post(f"{pack['links']['job']}/cancel"))["state"] == "cancelled"
    lab.idle()
    assert good(lab.http.get(pack["links"]["self"]))["state"] == "cancelled"
    assert files_of(lab.state, pack["id"]) == []


def test_a_pack_waits_for_its_job(lab: Lab, photos: list[str]) -> None:
    with lab.occupied():
        pack = good(lab.pack(*photos[:2], headers={"Prefer": ""}), 202)
        assert pack["state"] in ("queued", "running")
        assert pack["people"] is None
        waited = lab.http.post("/v1/stimuli", json={"photos": photos[:2]}, headers={"Prefer": "wait=1"})
        assert good(waited, 202)["state"] in ("queued", "running")
    assert lab.finished(pack["links"]["self"])["people"] == 2
