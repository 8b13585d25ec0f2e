"""A single face, as a slider asks for it: the same as in an image set, and stored nowhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from faces.images import Pixels, read_image
from gestaltgen_client import Client
from tests.api.lab import WAIT, Lab, good, refused
from tests.api.stores import files_in

CHILD: dict[str, Any] = {"condition": "WS", "years": 6, "seed": 7}


def fetch(lab: Lab, **asked: Any) -> bytes:
    answer = lab.http.get("/v1/face", params=CHILD | asked)
    assert answer.status_code == 200, answer.text
    return answer.content


def look(lab: Lab, **asked: Any) -> Pixels:
    return read_image(fetch(lab, **asked))


def differ(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(int) - other).max())


@pytest.mark.parametrize(
    ("asked", "request_of_set"),
    [
        ({}, {"kind": "age_progression"}),
        ({"partner": "unaffected", "blend": 0.4}, {"kind": "blended", "partners": ["unaffected"], "blend": 0.4}),
    ],
)
def test_a_face_is_the_image_of_a_set(lab: Lab, asked: dict[str, Any], request_of_set: dict[str, Any]) -> None:
    body = request_of_set | {"conditions": ["WS"], "years": [6], "seeds": [7], "truncation": 0.6}
    made = good(lab.http.post("/v1/image-sets", json=body, headers=WAIT))
    assert made["total"] == 1
    kept = read_image(lab.http.get(f"/v1/image-sets/{made['id']}/images/0").content)
    assert differ(look(lab, **asked), kept) <= 1


def test_every_slider_changes_the_face(lab: Lab) -> None:
    plain = look(lab)
    for change in (
        {"years": 40},
        {"seed": 8},
        {"condition": "unaffected"},
        {"partner": "unaffected", "blend": 0.3},
        {"truncation": 1},
        {"strength": 2},
        {"strength": -2},
    ):
        assert differ(look(lab, **change), plain) > 20, change
    assert np.array_equal(look(lab), plain)


def test_a_moved_face_is_the_edit_of_the_image(lab: Lab) -> None:
    body = {"kind": "age_progression", "conditions": ["WS"], "years": [6], "seeds": [7], "truncation": 0.6}
    made = good(lab.http.post("/v1/image-sets", json=body, headers=WAIT))
    asked = {"direction": "smile", "strength": 2.5, "hold": False}
    edit = lab.http.post(f"/v1/image-sets/{made['id']}/images/0/edits", json=asked, headers=WAIT).json()
    edited = read_image(lab.http.get(lab.finished(edit["links"]["self"])["links"]["image"]).content)
    assert differ(look(lab, strength=2.5), edited) <= 4


@pytest.mark.parametrize(("format", "rounding"), [("png", 0), ("webp", 0), ("jpeg", 40)])
def test_the_picture_says_what_it_is(lab: Lab, format: str, rounding: int) -> None:  # noqa: A002
    answer = lab.http.get("/v1/face", params=CHILD | {"strength": 1.5, "format": format})
    assert answer.headers["Content-Type"] == f"image/{format}"
    marked = lab.service.marker.read(answer.content)
    assert marked is not None
    assert (marked.genuine, marked.intact, marked.claim.source) == (True, True, "synthetic")
    assert marked.claim.what["edit"] == {"direction": "smile", "strength": 1.5, "hold": False}
    assert (marked.claim.what["seed"], marked.claim.what["condition"]) == (7, "WS")
    assert differ(read_image(answer.content), look(lab, strength=1.5)) <= rounding


def test_nothing_is_stored(lab: Lab) -> None:
    files, sets = set(files_in(lab.state).names("")), good(lab.http.get("/v1/image-sets"))
    fetch(lab, seed=99)
    assert (set(files_in(lab.state).names("")), good(lab.http.get("/v1/image-sets"))) == (files, sets)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"condition": "Noonan"}, "condition"),
        ({"partner": "Noonan", "blend": 0.5}, "partner"),
        ({"years": -1}, "years"),
        ({"years": "nan"}, "years"),
        ({"truncation": 2}, "truncation"),
        ({"strength": 1, "direction": "beard"}, "direction"),
        ({"model": "none"}, "model"),
        ({"format": "gif"}, "format"),
        ({"smile": 1}, "smile"),
    ],
)
def test_a_refusal_names_the_parameter(lab: Lab, asked: dict[str, Any], field: str) -> None:
    answer = lab.http.get("/v1/face", params=CHILD | asked)
    refused(answer, 422)
    assert [entry["field"].removeprefix("query.") for entry in answer.json()["errors"]] == [field]


def test_a_flood_of_one_owner_is_refused(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.service.work, "most", 2)
    with ThreadPoolExecutor(4) as threads, lab.occupied():
        futures = [threads.submit(lab.http.get, "/v1/face", params=CHILD | {"seed": seed}) for seed in range(4)]
        lab.until(lambda: sum(future.done() for future in futures) == 2)
        assert {future.result().status_code for future in futures if future.done()} == {429}
    assert {future.result().status_code for future in futures} == {200, 429}


def test_the_client_fetches_a_face(lab: Lab) -> None:
    key = lab.http.headers["Authorization"].removeprefix("Bearer ")
    with Client(str(lab.http.base_url), key=key) as client:
        assert client.face("WS", 6, seed=7) == fetch(lab)
