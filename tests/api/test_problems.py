from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from api.problems import STATUS, Problem, problem_of
from core import errors
from tests.api.conftest import Running

JSON = {"Content-Type": "application/json"}
SETS = "/v1/image-sets"


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert {"type", "title", "detail", "instance"} <= document.keys()
    return document


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/nothing", 404, "Nothing is at /nothing"),
        ("GET", "/v1/image-sets/00ff00ff", 404, "There is no image set '00ff00ff'"),
        ("GET", "/v1/image-sets/..%2f..%2fetc", 404, "Nothing is at"),
        ("GET", "/v1/image-sets/00ff00ff/manifest.jsonl", 404, "There is no image set"),
        ("GET", "/v1/jobs/none-1", 404, "There is no job 'none-1'"),
        ("PUT", "/v1/jobs", 405, "it accepts GET"),
        ("GET", "/v1/image-sets?limit=0", 422, "limit: expected greater than or equal to 1, got"),
        ("POST", "/v1/jobs/none-1/cancel", 404, "There is no job"),
    ],
)
def test_every_path_refuses_with_a_problem(running: Running, method: str, path: str, status: int, says: str) -> None:
    assert says in problem(running.http.request(method, path), status)["detail"]


@pytest.mark.parametrize(
    ("body", "field", "value", "says"),
    [
        ({"kind": "portrait"}, "kind", "portrait", "'age_progression'"),
        (
            {"kind": "unrelated", "conditions": ["Noonan"]},
            "conditions",
            ["Noonan"],
            "WS, 22q11DS, other, unaff",
        ),
        ({"kind": "unrelated", "conditon": ["WS"]}, "conditon", ["WS"], "did you mean conditions"),
        ({"kind": "unrelated", "zzz": 1}, "zzz", 1, "the fields are kind, conditions"),
        ({"kind": "unrelated", "count": 0}, "count", 0, "greater than or equal to 1"),
        ({"kind": "unrelated", "count": 1_000_000}, "count", 1_000_000, "a set has at most 5000 images"),
        ({"kind": "unrelated", "count": 4_000}, "count", 4_000, "at most 5000"),
        ({"kind": "unrelated", "count": "5"}, "count", "5", "a valid integer"),
        ({"kind": "unrelated", "count": True}, "count", True, "a valid integer"),
        ({"kind": "blended", "blend": 1.2}, "blend", 1.2, "less than or equal to 1"),
        ({"kind": "unrelated", "seed": -1}, "seed", -1, "greater than or equal to 0"),
        ({"kind": "unrelated", "seed": 1.5}, "seed", 1.5, "a valid integer"),
        ({"kind": "unrelated", "seed": 2**63}, "seed", 2**63, str(2**63 - 1)),
        ({"kind": "unrelated", "seed": 10**3000}, "seed", "an enormous integer", str(2**63 - 1)),
        ({"kind": "unrelated", "seeds": [1, -2]}, "seeds.1", -2, "greater than or equal to 0"),
        ({"kind": "unrelated", "seeds": list(range(5001))}, "seeds", 5001, "at most 5000 images"),
        ({}, "kind", None, "is missing"),
        ({"kind": "unrelated", "precision": "float16"}, "precision", "float16", "'auto', 'float32' or 'bfloat16'"),
    ],
)
def test_a_field_that_cannot_be_is_named_with_its_value_and_what_is_accepted(
    running: Running, body: dict[str, Any], field: str, value: Any, says: str
) -> None:
    document = problem(running.http.post(SETS, json=body), 422)
    [entry] = document["errors"]
    assert (entry["field"], entry["value"]) == (field, value)
    assert says in entry["message"]
    assert says in document["detail"]


def test_unknown_names_come_with_the_known_ones(running: Running) -> None:
    body = {"kind": "unrelated", "conditions": ["Noonan"]}
    [entry] = problem(running.http.post(SETS, json=body), 422)["errors"]
    assert entry["accepted"] == ["WS", "22q11DS", "other", "unaffected"]


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"{", 400, "The body is not JSON"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"seed": ' + b"9" * 5000 + b"}", 400, "an enormous number"),
        (b"\xff\xfe", 400, "JSON"),
        (b"", 422, "the body is empty"),
        (b"[]", 422, "dictionary or object"),
        (b'{"kind": "blended", "blend": NaN}', 422, 'blend: expected a finite number, got "nan"'),
        (b'{"kind": "blended", "truncation": 1e999}', 422, 'truncation: expected a finite number, got "inf"'),
        (b'{"kind": "\\ud800"}', 422, "kind: expected"),
        (b" " * 2_000_000, 413, "larger than 1048576 bytes"),
    ],
)
def test_bodies_that_are_no_request(running: Running, content: bytes, status: int, says: str) -> None:
    assert says in problem(running.http.post(SETS, content=content, headers=JSON), status)["detail"]


def test_a_body_without_a_length_is_limited_too(running: Running) -> None:
    blocks = (b" " * 100_000 for _ in range(20))
    problem(running.http.post(SETS, content=blocks, headers=JSON), 413)


def test_another_content_type(running: Running) -> None:
    answer = running.http.post(SETS, content=b"{}", headers={"Content-Type": "text/plain"})
    assert "expected application/json" in problem(answer, 415)["detail"]


def test_an_unexpected_failure_tells_nothing_of_the_inside() -> None:
    request: Any = None
    found = problem_of(KeyError("secret"), request)
    assert found.status == 500
    assert "secret" not in found.detail


def test_every_error_of_ours_has_a_status() -> None:
    ours = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.GestaltError)]
    assert len(ours) > 5
    for kind in ours:
        assert any(issubclass(kind, known) for known, _ in STATUS)


def test_values_that_json_cannot_carry_are_shown_as_text() -> None:
    body = Problem(422, "no", errors=[{"field": "x", "value": "\ud800"}]).response("/").body
    assert json.loads(bytes(body))["errors"][0]["field"] == "x"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (f"{SETS}?limt=3", "did you mean limit?"),
        ("/v1/models?model=x", "unknown query parameter 'model'; expected none"),
        ("/v1/photos?ttl=60", "unknown query parameter 'ttl'; expected limit, after"),
    ],
)
def test_a_misspelt_query_parameter_is_not_ignored(running: Running, path: str, says: str) -> None:
    assert says in problem(running.http.get(path), 422)["detail"]


def test_a_photograph_is_not_kept_for_a_week_by_a_misspelt_time(running: Running) -> None:
    answer = running.http.post("/v1/photos?ttl=60", content=b"x", headers={"Consent-Reference": "1", "Purpose": "2"})
    assert "did you mean ttl_s?" in problem(answer, 422)["detail"]


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/v1/stimuli", {"photo": ["a", "b"]}, "did you mean photos?"),
        ("/v1/stimuli", {"zzz": 1}, "the fields are photos, smile, groups, seed, doubtful"),
    ],
)
def test_a_strange_field_is_told_the_fields_of_its_own_body(
    running: Running, path: str, body: dict[str, object], says: str
) -> None:
    assert says in problem(running.http.post(path, json=body), 422)["detail"]
