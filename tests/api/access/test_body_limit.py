"""Bodies: how large, and how slow."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

from api.app import create_app
from api.problem_types import ProblemType
from api.settings import Settings
from tests.api.fake import FakeModel, served
from tests.api.lab import problem_of
from tests.api.serving import caller, serving

SETS: Final = "/v1/image-sets"
JSON: Final = {"Content-Type": "application/json"}
PHOTO: Final = {"Consent-Reference": "study-7", "Purpose": "a test"}
SMALL: Final = {"kind": "age_progression", "conditions": ["WS"], "count": 1}
LARGE: Final = SMALL | {"count": 8}


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    limits: dict[str, Any] = {"max_body_bytes": 2000, "max_photo_bytes": 10_000, "body_timeout_s": 0.5}
    limits |= {"max_streams_per_owner": 2}
    app = create_app(Settings(state=tmp_path_factory.mktemp("state"), **limits), load=served(FakeModel(0.8)))
    with serving(app) as url, caller(app, url, "lab") as http:
        yield http


def streamed(size: int, begin: bytes = b"") -> Iterator[bytes]:
    """A body without a declared length."""
    body = begin.ljust(size)
    for start in range(0, size, 500):
        yield body[start : start + 500]


@pytest.mark.parametrize(
    ("path", "most", "accepted"), [(SETS, 2000, 422), ("/v1/stimuli", 2000, 422), ("/v1/photos", 10_000, 422)]
)
def test_a_body_is_counted_whether_its_length_is_declared_or_not(
    bounded: httpx.Client, path: str, most: int, accepted: int
) -> None:
    headers, begin = (
        (PHOTO, b"\xff\xd8\xff") if path == "/v1/photos" else (JSON, b"")
    )  # else its format is refused first
    for body in (begin.ljust(most + 1), streamed(most + 1, begin)):
        assert problem_of(bounded.post(path, content=body, headers=headers)) is ProblemType.BODY_TOO_LARGE
    answers = [bounded.post(path, content=body, headers=headers) for body in (begin.ljust(most), streamed(most, begin))]
    assert {answer.status_code for answer in answers} <= {accepted, 400}


def test_pictures_to_be_recognised_may_be_as_large_as_photographs(bounded: httpx.Client) -> None:
    assert problem_of(bounded.post("/v1/verify", content=streamed(10_000))) is ProblemType.PICTURE_FORMAT_UNKNOWN
    for body in (b" " * 10_001, streamed(10_001)):
        assert problem_of(bounded.post("/v1/verify", content=body)) is ProblemType.BODY_TOO_LARGE


def test_only_the_path_for_photographs_takes_more(bounded: httpx.Client) -> None:
    for path in ("/v1/photos/some/edits", "/v1/photos/x", "/v1/image-sets/photos", "/nothing"):
        assert problem_of(bounded.post(path, content=b" " * 2001, headers=JSON)) is ProblemType.BODY_TOO_LARGE


@contextmanager
def raw(http: httpx.Client, path: str, *headers: str) -> Iterator[socket.socket]:
    """A connection that has sent the head of a request."""
    where = urlsplit(str(http.base_url))
    lines = [f"POST {path} HTTP/1.1", f"Host: {where.netloc}", f"Authorization: {http.headers['Authorization']}"]
    lines += [*(f"{name}: {value}" for name, value in (JSON | PHOTO).items()), *headers]
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        yield connection


def answer_of(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and problem of the answer; the connection ends."""
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-len")]
        if lengths and len(body) >= lengths[0]:
            break
    return int(head.split()[1]), json.loads(body)


def test_a_declared_length_is_refused_before_the_body_comes(bounded: httpx.Client) -> None:
    for path, length in ((SETS, 2001), ("/v1/photos", 10**18)):
        with raw(bounded, path, f"Content-Length: {length}") as connection:
            status, said = answer_of(connection)
        assert (status, said["type"]) == (413, ProblemType.BODY_TOO_LARGE.uri)


@pytest.mark.parametrize("path", [SETS, "/v1/photos", "/v1/photos/x/edits", "/v1/stimuli", "/v1/verify"])
def test_the_key_is_checked_before_a_byte_of_the_body_is_read(bounded: httpx.Client, path: str) -> None:
    with (
        httpx.Client(base_url=bounded.base_url, headers={"Authorization": "Bearer another"}) as stranger,
        raw(stranger, path, "Content-Length: 1000") as connection,
    ):
        status, said = answer_of(connection)
    assert (status, said["type"]) == (401, ProblemType.API_KEY_INVALID.uri)


@pytest.mark.parametrize("path", [SETS, "/v1/photos", "/v1/verify"])
def test_a_body_that_does_not_end_is_given_up(bounded: httpx.Client, path: str) -> None:
    with raw(bounded, path, "Content-Length: 1000") as connection:
        connection.sendall(b"{")
        began = time.monotonic()
        status, said = answer_of(connection)
        took = time.monotonic() - began
    assert (status, said["type"]) == (408, ProblemType.BODY_TOO_SLOW.uri)
    assert 0.3 < took < 30


@pytest.mark.parametrize("path", [SETS, "/v1/photos"])
def test_a_body_that_trickles_is_given_up_too(bounded: httpx.Client, path: str) -> None:
    ended = threading.Event()
    with raw(bounded, path, "Transfer-Encoding: chunked") as connection:

        def trickle() -> None:
            try:
                while not ended.wait(0.1):
                    connection.sendall(b"1\r\n{\r\n")
            except OSError:
                return

        thread = threading.Thread(target=trickle)
        thread.start()
        began = time.monotonic()
        status, _ = answer_of(connection)
        ended.set()
        thread.join()
    assert status == 408
    assert time.monotonic() - began < 30


def test_the_time_is_that_of_the_body_and_not_of_the_answer(bounded: httpx.Client) -> None:
    """The model takes longer than bodies may."""
    assert bounded.post(SETS, json=SMALL, headers={"Prefer": "wait=60"}).status_code == 200
    job = bounded.post(SETS, json=LARGE).json()["links"]["job"]
    assert "event: done" in bounded.get(f"{job}/events").text


def test_a_service_with_slow_callers_answers_others(bounded: httpx.Client) -> None:
    with ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(raw(bounded, SETS, "Content-Length: 1000"))
        assert bounded.get("/v1/models").status_code == 200


def test_an_owner_follows_so_many_jobs_at_once(bounded: httpx.Client) -> None:
    job = bounded.post(SETS, json=LARGE | {"count": 200, "seed": 5}).json()["links"]["job"]
    with ExitStack() as streams:
        for _ in range(2):
            assert streams.enter_context(bounded.stream("GET", f"{job}/events")).status_code == 200
        assert bounded.get(f"{job}/events").status_code == 429
    deadline = time.monotonic() + 30
    while True:  # until the service has noticed that both are gone
        with bounded.stream("GET", f"{job}/events") as stream:
            if stream.status_code == 200:
                break
        assert time.monotonic() < deadline
    bounded.post(f"{job}/cancel")
