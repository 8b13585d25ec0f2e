"""A client waits for a slow service as long as it takes, and gives up on one that does not answer at all."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import httpx
import pytest

from gestaltgen_client import Client, ServiceError, connection

Answer = Callable[[int, httpx.Request], httpx.Response]


class _Service(httpx.BaseTransport):
    """Transport that answers its n-th request, from 1, by a function; questions whether it is alive do not count."""

    def __init__(self, answer: Answer, *, alive: bool = True) -> None:
        self._answer, self._alive = answer, alive
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/livez":
            if not self._alive:
                raise httpx.ReadTimeout("timed out", request=request)
            return httpx.Response(200, json={})
        self.requests.append(request)
        return self._answer(len(self.requests), request)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(connection, "_LOOK_S", 0.0)


def silent_until(last: int) -> Answer:
    def answer(n: int, request: httpx.Request) -> httpx.Response:
        if n < last:
            raise httpx.ReadTimeout("timed out", request=request)
        return httpx.Response(200, json={"items": [{"name": "phantom128"}]})

    return answer


def test_a_slow_service_is_asked_again_as_long_as_it_takes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "_TELL_EVERY_S", 0.0)
    service = _Service(silent_until(30))
    with Client("http://service", transport=service, attempts=2) as client, caplog.at_level(logging.WARNING):
        assert client.models() == [{"name": "phantom128"}]
    assert len(service.requests) == 30
    assert "slow to answer" in caplog.messages[0]


def test_a_service_that_does_not_say_that_it_is_alive_is_given_up() -> None:
    service = _Service(silent_until(30), alive=False)
    with (
        Client("http://service", transport=service, attempts=2) as client,
        pytest.raises(ServiceError, match="GET http://service/v1/models: ReadTimeout"),
    ):
        client.models()
    assert len(service.requests) == 2


@pytest.mark.parametrize(("slug", "asked"), [("model-busy", 20), ("models-loading", 20), ("storage-unavailable", 2)])
def test_a_service_that_is_busy_is_waited_for_and_one_that_is_broken_is_not(slug: str, asked: int) -> None:
    def answer(n: int, _: httpx.Request) -> httpx.Response:
        if n < 20:
            problem = {"type": f"urn:gestaltgen:problem:{slug}", "status": 503, "title": slug, "detail": "later"}
            return httpx.Response(503, json=problem)
        return httpx.Response(200, json={"items": []})

    service = _Service(answer)
    with Client("http://service", transport=service, attempts=2) as client:
        if asked == 20:
            assert client.models() == []
        else:
            with pytest.raises(ServiceError, match="503"):
                client.models()
    assert len(service.requests) == asked


def test_a_long_wait_is_made_of_short_requests() -> None:
    def answer(n: int, _: httpx.Request) -> httpx.Response:
        described = {"id": "abc", "links": {"self": "/v1/image-sets/abc", "job": "/v1/jobs/1"}, "error": None}
        described |= {"done": 0, "total": 1, "images_per_s": None, "eta_s": None, "shards": 1, "shard_images": 1}
        return httpx.Response(200, json={**described, "request": {}, "state": "done" if n == 4 else "running"})

    service = _Service(answer)
    with Client("http://service", transport=service) as client:
        assert client.create(kind="unrelated", count=1, wait_s=600).state == "done"
    first, *others = service.requests
    assert (first.headers["Prefer"], json.loads(first.content)) == ("wait=20", {"kind": "unrelated", "count": 1})
    assert [(request.method, request.url.path) for request in others] == [("GET", "/v1/image-sets/abc")] * 3
