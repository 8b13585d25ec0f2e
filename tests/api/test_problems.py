from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import json_bodies
from api.json_bodies import parse_body
from api.problem_types import ProblemType
from api.problems import TYPE_OF_ERROR, Problem, to_problem
from api.schemas.image_sets import ImageSetBody
from core import errors
from tests.api.conftest import Running

JSON = {"Content-Type": "application/json"}
SETS = "/v1/image-sets"
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "problems.md").read_text()


def problem(answer: httpx.Response, kind: ProblemType) -> dict[str, Any]:
    assert answer.status_code == kind.status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert (document["type"], document["title"], document["status"]) == (kind.uri, kind.title, kind.status)
    assert document["detail"]
    assert document["instance"]
    return document


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/nothing", ProblemType.PATH_NOT_FOUND),
        ("GET", "/v1/image-sets/00ff00ff", ProblemType.IMAGE_SET_NOT_FOUND),
        ("GET", "/v1/image-sets/..%2f..%2fetc", ProblemType.PATH_NOT_FOUND),
        ("GET", "/v1/image-sets/00ff00ff/manifest.jsonl", ProblemType.IMAGE_SET_NOT_FOUND),
        ("GET", "/v1/jobs/none-1", ProblemType.JOB_NOT_FOUND),
        ("PUT", "/v1/jobs", ProblemType.METHOD_NOT_ALLOWED),
        ("GET", "/v1/image-sets?limit=0", ProblemType.REQUEST_INVALID),
        ("POST", "/v1/jobs/none-1/cancel", ProblemType.JOB_NOT_FOUND),
    ],
)
def test_every_path_refuses_with_a_problem(running: Running, method: str, path: str, kind: ProblemType) -> None:
    assert problem(running.http.request(method, path), kind)["instance"] == path.partition("?")[0].replace("%2f", "/")


CONDITIONS = ["WS", "22q11DS", "other", "unaffected"]


@pytest.mark.parametrize(
    ("body", "field", "value", "accepted"),
    [
        ({"kind": "portrait"}, "kind", "portrait", None),
        ({"kind": "unrelated", "conditions": ["Noonan"]}, "conditions", ["Noonan"], CONDITIONS),
        ({"kind": "unrelated", "conditon": ["WS"]}, "conditon", ["WS"], ["conditions", "min_condition", "count"]),
        ({"kind": "unrelated", "zzz": 1}, "zzz", 1, list(ImageSetBody.model_fields)),
        ({"kind": "unrelated", "count": 0}, "count", 0, {"ge": 1}),
        ({"kind": "unrelated", "count": "5"}, "count", "5", None),
        ({"kind": "unrelated", "count": True}, "count", True, None),
        ({"kind": "blended", "blend": 1.2}, "blend", 1.2, {"le": 1.0}),
        ({"kind": "unrelated", "seed": -1}, "seed", -1, {"ge": 0}),
        ({"kind": "unrelated", "seed": 1.5}, "seed", 1.5, None),
        ({"kind": "unrelated", "seed": 2**63}, "seed", 2**63, {"le": 2**63 - 1}),
        ({"kind": "unrelated", "seed": 10**3000}, "seed", "an enormous integer", {"le": 2**63 - 1}),
        ({"kind": "unrelated", "seeds": [1, -2]}, "seeds.1", -2, {"ge": 0}),
        ({}, "kind", None, None),
        ({"kind": "unrelated", "precision": "float16"}, "precision", "float16", None),
    ],
)
def test_a_field_that_cannot_be_is_named_with_its_value_and_what_is_accepted(
    running: Running, body: dict[str, Any], field: str, value: Any, accepted: Any
) -> None:
    document = problem(running.http.post(SETS, json=body), ProblemType.REQUEST_INVALID)
    [entry] = document["errors"]
    assert (entry["field"], entry["value"]) == (field, value)
    assert entry["message"]
    if accepted is not None:
        assert entry["accepted"] == accepted


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ({"kind": "unrelated", "count": 1_000_000}, "count", 1_000_000),
        ({"kind": "unrelated", "count": 4_000}, "count", 4_000),
        ({"kind": "unrelated", "seeds": list(range(5001))}, "seeds", 5001),
    ],
)
def test_a_set_that_is_too_large_has_a_type_of_its_own(
    running: Running, body: dict[str, Any], field: str, value: int
) -> None:
    document = problem(running.http.post(SETS, json=body), ProblemType.IMAGE_SET_TOO_LARGE)
    [entry] = document["errors"]
    assert (entry["field"], entry["value"], entry["accepted"]) == (field, value, {"le": 5000})


def test_unknown_names_come_with_the_known_ones(running: Running) -> None:
    body = {"kind": "unrelated", "conditions": ["Noonan"]}
    [entry] = problem(running.http.post(SETS, json=body), ProblemType.REQUEST_INVALID)["errors"]
    assert entry["accepted"] == CONDITIONS


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", ProblemType.BODY_NOT_JSON),
        (b"[" * 100_000, ProblemType.BODY_NOT_JSON),
        (b'{"seed": ' + b"9" * 5000 + b"}", ProblemType.BODY_NOT_JSON),
        (b"\xff\xfe", ProblemType.BODY_NOT_JSON),
        (b"", ProblemType.REQUEST_INVALID),
        (b"[]", ProblemType.REQUEST_INVALID),
        (b"[" + b"[]," * 5000 + b"[]]", ProblemType.BODY_NOT_JSON),
        (b" " * 2_000_000, ProblemType.BODY_TOO_LARGE),
    ],
)
def test_bodies_that_are_no_request_are_refused(running: Running, content: bytes, kind: ProblemType) -> None:
    problem(running.http.post(SETS, content=content, headers=JSON), kind)


@pytest.mark.parametrize(
    ("content", "field", "value"),
    [
        (b'{"kind": "blended", "blend": NaN}', "blend", "nan"),
        (b'{"kind": "blended", "truncation": 1e999}', "truncation", "inf"),
        (b'{"kind": "\\ud800"}', "kind", "\ud800"),
    ],
)
def test_values_that_are_no_json_are_shown(running: Running, content: bytes, field: str, value: str) -> None:
    answer = running.http.post(SETS, content=content, headers=JSON)
    [entry] = problem(answer, ProblemType.REQUEST_INVALID)["errors"]
    assert entry["field"] == field
    assert str(entry["value"]).strip("'") in (value, "\\ud800")


def test_of_many_fields_at_fault_the_first_are_named_and_all_are_counted(running: Running) -> None:
    for count in (50, 9_000):
        body = {"kind": "unrelated"} | {f"x{n}": 0 for n in range(count)}
        answer = running.http.post(SETS, json=body)
        document = problem(answer, ProblemType.REQUEST_INVALID)
        assert (len(document["errors"]), document["error_count"]) == (20, count)
        assert len(answer.content) < 20_000
    problem(running.http.post(SETS, json={f"x{n}": 0 for n in range(60_000)}), ProblemType.BODY_NOT_JSON)


@pytest.mark.parametrize(("numbers", "in_a_thread"), [(10, False), (40_000, True)])
def test_a_large_body_is_not_parsed_on_the_event_loop(
    running: Running, monkeypatch: pytest.MonkeyPatch, numbers: int, in_a_thread: bool
) -> None:
    threads = []

    def parse(body: bytes, known: Sequence[str]) -> object:
        threads.append(threading.current_thread().name)
        return parse_body(body, known)

    monkeypatch.setattr(json_bodies, "parse_body", parse)
    problem(running.http.post(SETS, json={"kind": "unrelated", "seeds": [-1] * numbers}), ProblemType.REQUEST_INVALID)
    assert ["AnyIO worker" in name for name in threads] == [in_a_thread]


def test_only_bodies_with_long_lists_may_be_long(running: Running) -> None:
    for path in ("/v1/photos/x/edits", "/v1/image-sets/x/images/0/edits"):
        problem(running.http.post(path, content=b" " * 65_537, headers=JSON), ProblemType.BODY_TOO_LARGE)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "attacker.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "https://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Host": "localhost", "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
)
def test_a_service_without_keys_answers_no_other_site(running: Running, headers: dict[str, str], status: int) -> None:
    answer = running.http.get("/v1/models", headers=headers)
    assert answer.status_code == status
    if status == 403:
        problem(answer, ProblemType.SITE_REFUSED)


def test_a_failure_of_the_service_does_not_name_its_folders() -> None:
    request: Any = None
    error = errors.StorageError("/srv/gestaltgen/state/photos/ab cannot be written: no space; see /v1/photos")
    assert to_problem(error, request).detail == "ab cannot be written: no space; see /v1/photos"


def test_a_body_without_a_length_is_limited_too(running: Running) -> None:
    blocks = (b" " * 100_000 for _ in range(20))
    problem(running.http.post(SETS, content=blocks, headers=JSON), ProblemType.BODY_TOO_LARGE)


def test_a_body_of_another_content_type_is_refused(running: Running) -> None:
    answer = running.http.post(SETS, content=b"{}", headers={"Content-Type": "text/plain"})
    problem(answer, ProblemType.BODY_NOT_DECLARED_JSON)


def test_an_unexpected_failure_tells_nothing_of_the_inside() -> None:
    request: Any = None
    found = to_problem(KeyError("secret"), request)
    assert found.status == 500
    assert "secret" not in found.detail


def test_every_error_of_ours_has_a_type() -> None:
    ours = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.GestaltError)]
    assert len(ours) > 5
    for kind in ours:
        assert any(issubclass(kind, known) for known, _ in TYPE_OF_ERROR)


def test_values_that_json_cannot_carry_are_shown_as_text() -> None:
    body = Problem(ProblemType.REQUEST_INVALID, "no", errors=[{"field": "x", "value": "\ud800"}]).response("/").body
    assert json.loads(bytes(body))["errors"][0]["field"] == "x"


@pytest.mark.parametrize(
    ("path", "name", "accepted"),
    [
        (f"{SETS}?limt=3", "limt", ["limit"]),
        ("/v1/models?model=x", "model", []),
        ("/v1/photos?ttl=60", "ttl", ["limit", "after"]),
    ],
)
def test_a_misspelt_query_parameter_is_not_ignored(running: Running, path: str, name: str, accepted: list[str]) -> None:
    [entry] = problem(running.http.get(path), ProblemType.QUERY_PARAMETER_UNKNOWN)["errors"]
    assert (entry["field"], entry["accepted"]) == (name, accepted)


def test_a_photograph_is_not_kept_for_a_week_by_a_misspelt_time(running: Running) -> None:
    answer = running.http.post("/v1/photos?ttl=60", content=b"x", headers={"Consent-Reference": "1", "Purpose": "2"})
    [entry] = problem(answer, ProblemType.QUERY_PARAMETER_UNKNOWN)["errors"]
    assert "ttl_s" in entry["accepted"]


@pytest.mark.parametrize(
    ("path", "body", "accepted"),
    [
        ("/v1/stimuli", {"photo": ["a", "b"]}, ["photos"]),
        (
            "/v1/stimuli",
            {"zzz": 1},
            ["method", "steps", "seconds", "photos", "smile", "groups", "seed", "doubtful", "local", "apply"],
        ),
    ],
)
def test_a_strange_field_is_told_the_fields_of_its_own_body(
    running: Running, path: str, body: dict[str, object], accepted: list[str]
) -> None:
    entries = problem(running.http.post(path, json=body), ProblemType.REQUEST_INVALID)["errors"]
    [entry] = [entry for entry in entries if entry["field"] in body]
    assert entry["accepted"] == accepted


def test_every_type_has_a_uri_of_its_own_and_is_documented() -> None:
    assert len({kind.uri for kind in ProblemType}) == len(ProblemType)
    for kind in ProblemType:
        assert re.fullmatch(r"urn:gestaltgen:problem:[a-z]+(-[a-z]+)*", kind.uri)
        assert f"| `{kind.uri}` | {kind.status} | {kind.meaning} | {kind.remedy} |" in PAGE
    listed = re.findall(r"^\| `(urn:[^`]+)` \|", PAGE, re.MULTILINE)
    assert listed == [kind.uri for kind in ProblemType]


def test_every_problem_of_the_code_has_a_type() -> None:
    for path in (ROOT / "api").rglob("*.py"):
        assert not re.search(r"\bProblem\(\s*\d", path.read_text()), path
        assert "about:blank" not in path.read_text(), path
