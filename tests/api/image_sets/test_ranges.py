"""Ranges of files that are sent, whether they fit a block or not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from api import problems
from api.file_responses import bytes_response, private_file
from tests.api.serving import serving

DATA = {"small": b"0123456789", "large": bytes(range(256)) * 10_000}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    app = FastAPI()
    problems.install(app)

    @app.head("/{size}")
    @app.get("/{size}")
    def lasting(request: Request, size: str) -> Response:
        return bytes_response(request, DATA[size], "text/plain")

    @app.get("/private/{size}")
    def private(request: Request, size: str) -> Response:
        return private_file(request, DATA[size], "text/plain", "a name")

    with serving(app, ready=False) as url, httpx.Client(base_url=url, timeout=30) as http:
        yield http


@pytest.mark.parametrize("size", DATA)
@pytest.mark.parametrize("at", [slice(0, 1), slice(2, None), slice(-3, None), slice(5, 10**9), slice(3, 2_000_000)])
def test_a_range_is_those_bytes(http: httpx.Client, size: str, at: slice) -> None:
    asked = f"{at.start}" if at.start < 0 else f"{at.start}-{'' if at.stop is None else at.stop - 1}"
    answer = http.get(f"/{size}", headers={"Range": f"bytes={asked}"})
    start, stop, _ = at.indices(len(DATA[size]))
    assert answer.status_code == 206
    assert answer.content == DATA[size][at]
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(DATA[size])}"
    assert answer.headers["Content-Length"] == str(stop - start)


@pytest.mark.parametrize("size", DATA)
@pytest.mark.parametrize("asked", ["", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "lines=0-1", "bytes=a-b", "bytes=1"])
def test_what_is_no_single_range_is_answered_with_everything(http: httpx.Client, size: str, asked: str) -> None:
    answer = http.get(f"/{size}", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, DATA[size])
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_a_range_outside_is_refused(http: httpx.Client) -> None:
    answer = http.get("/small", headers={"Range": "bytes=10-"})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */10")
    assert "ask for bytes from 0 to 9" in answer.json()["detail"]


def test_a_range_of_another_file_is_not_given(http: httpx.Client) -> None:
    etag = f'"{hashlib.sha256(DATA["small"]).hexdigest()}"'
    for condition, status in ((etag, 206), ('"other"', 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200)):
        headers = {"Range": "bytes=0-1", "If-Range": condition}
        assert http.get("/small", headers=headers).status_code == status


def test_the_head_says_how_much_there_is(http: httpx.Client) -> None:
    for size, data in DATA.items():
        answer = http.head(f"/{size}")
        assert (answer.headers["Content-Length"], answer.content) == (str(len(data)), b"")


def test_what_is_private_is_kept_by_no_cache(http: httpx.Client) -> None:
    for size, data in DATA.items():
        answer = http.get(f"/private/{size}")
        assert answer.content == data
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a name"'
        assert "ETag" not in answer.headers
