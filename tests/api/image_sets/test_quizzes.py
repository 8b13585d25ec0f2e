"""Quizzes over REST: files of a set, from sets of the caller only, that do not tell the answers."""

from __future__ import annotations

import base64
import io
import zipfile

import pytest

from api.image_sets.quizzes import Quizzes
from api.image_sets.storage import ImageSetStore, StoredRequest
from api.provenance.marks import read_claim
from core.errors import RequestError
from faces.conditions.catalogue import load_catalogue
from tests.api.conftest import Running
from tests.api.fake import FakeModel
from tests.api.image_sets.test_image_sets import PROGRESSION, made, path_of
from tests.studies.quiz.small_quiz import parse

AVERAGES = {"kind": "average", "conditions": ["WS", "22q11DS"], "count": 1}


@pytest.fixture(scope="module")
def image_set(running: Running) -> dict[str, object]:
    return made(running.http, PROGRESSION)


@pytest.fixture(scope="module")
def averages(running: Running) -> dict[str, object]:
    return made(running.http, AVERAGES)


@pytest.mark.parametrize("name", ["quiz.xml", "quiz.zip"])
def test_a_quiz_is_a_cacheable_file(running: Running, image_set: dict[str, object], name: str) -> None:
    path = path_of(image_set, name)
    answer = running.http.get(path, params={"questions": 6})
    assert answer.status_code == 200, answer.text
    assert running.http.get(path, params={"questions": 6}).headers["ETag"] == answer.headers["ETag"]
    assert running.http.get(path, params={"questions": 6, "seed": 1}).headers["ETag"] != answer.headers["ETag"]


def test_further_sets_add_conditions_and_averages(
    running: Running, image_set: dict[str, object], averages: dict[str, object]
) -> None:
    unaffected = made(running.http, PROGRESSION | {"conditions": ["unaffected"]})
    known = running.client.image_set(str(image_set["id"]))
    more = [running.client.image_set(str(one["id"])) for one in (unaffected, averages)]
    root = parse(known.quiz(questions=9, more=more))
    first = root.findall("question")[1]
    assert [text.text for text in first.findall("answer/text")] == [
        *("Williams syndrome", "22q11.2 deletion syndrome", "unaffected"),
    ]
    explained = [len(one.findall("generalfeedback/file")) for one in root.findall("question")[1:]]
    assert sorted(explained) == [0] * 3 + [1] * 6


def test_pictures_say_that_they_are_synthetic_and_not_what_they_show(
    running: Running, image_set: dict[str, object]
) -> None:
    known = running.client.image_set(str(image_set["id"]))
    with zipfile.ZipFile(io.BytesIO(known.quiz("qti", questions=2))) as package:
        pictures = [package.read(name) for name in package.namelist() if name.startswith("pictures/")]
    root = parse(known.quiz("moodle", questions=2))
    assert pictures == [base64.b64decode(file.text or "") for file in root.iter("file")]
    for picture in pictures:
        claim = read_claim(picture)
        assert claim is not None
        assert (claim.source, claim.weights_sha256, claim.what) == ("synthetic", "f" * 64, {"quiz": True})


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"questions": 0}, 422),
        ({"questions": 101}, 422),
        ({"more": "0" * 32}, 404),
        ({"number": 3}, 422),
    ],
)
def test_what_cannot_be_is_refused(
    running: Running, image_set: dict[str, object], query: dict[str, str | int], status: int
) -> None:
    assert running.http.get(path_of(image_set, "quiz.xml"), params=query).status_code == status


def test_a_set_of_one_condition_is_no_quiz(running: Running) -> None:
    lonely = made(running.http, PROGRESSION | {"conditions": ["WS"]})
    assert running.http.get(path_of(lonely, "quiz.xml")).status_code == 422


@pytest.mark.parametrize(("kind", "weights"), [("blended", "f" * 64), ("unrelated", "e" * 64)])
def test_blends_and_other_weights_are_refused(kind: str, weights: str) -> None:
    other = StoredRequest("0" * 32, 1, {}, {"kind": kind, "weights_sha256": weights})
    quizzes = Quizzes(ImageSetStore.__new__(ImageSetStore), FakeModel().info, load_catalogue())
    with pytest.raises(RequestError):
        quizzes.draw([other], 2, 0)
