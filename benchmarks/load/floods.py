"""Floods of requests by one owner, each of a kind that once held up everybody else.

`python -m benchmarks.load.floods PORT KEY NAME SECONDS` sends one flood, and prints how often each status was answered.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from typing import Final

from PIL import Image

from faces.images import encode_png
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom

NO_ANSWER: Final = 0
"""Status for a connection that was closed without an answer."""

EVENT_STREAMS: Final = "event streams beside a large job"

_JSON: Final = {"Content-Type": "application/json"}
PHOTO: Final = {"Consent-Reference": "none", "Purpose": "benchmark"}


@dataclass(frozen=True)
class Request:
    """Request as it is sent.

    Attributes:
        with_key: whether the owner's key is sent.
        trickles: whether a byte of the body is sent each 0.1 s.
        half: whether only half of the head is sent, and the connection held.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    with_key: bool = True
    trickles: bool = False
    half: bool = False


@dataclass(frozen=True)
class Flood:
    """Flood of one kind.

    Attributes:
        connections: connections that send one request after the other.
        requests: makes the endless sequence of requests of one connection, given its number.
    """

    connections: int
    requests: Callable[[int], Iterator[Request]]


def list_floods(set_id: str, job_id: str) -> dict[str, Flood]:
    """Return all floods by name.

    Args:
        set_id: a complete image set of the owner.
        job_id: a job of the owner that waits or runs.
    """
    shard, events = f"/v1/image-sets/{set_id}/shards/0.tar", f"/v1/jobs/{job_id}/events"
    return {
        "1 MB of lists, no key": Flood(12, _repeat(lambda: _post_json(_make_lists(), with_key=False))),
        "1 MB of lists": Flood(12, _repeat(lambda: _post_json(_make_lists()))),
        "60,000 unknown fields": Flood(12, _repeat(lambda: _post_json(_make_unknown_fields()))),
        "sets of 99,000 images": Flood(8, _request_large_sets),
        "costly pictures to verify": Flood(80, _repeat(lambda: Request("POST", "/v1/verify", {}, _make_costly()))),
        "photographs": Flood(16, _repeat(lambda: _send_photo(draw_face(0)))),
        "broken photographs": Flood(16, _repeat(lambda: _send_photo(draw_face(0)[:5000]))),
        "photographs sent very slowly": Flood(80, _repeat(lambda: replace(_send_photo(draw_face(0)), trickles=True))),
        "reads": Flood(32, _repeat(lambda: Request("GET", "/v1/models", {}))),
        "downloads": Flood(16, _repeat(lambda: Request("GET", shard, {}))),
        EVENT_STREAMS: Flood(200, _repeat(lambda: Request("GET", events, {}))),
        "request headers that never end": Flood(
            400, _repeat(lambda: Request("GET", "/livez", {}, with_key=False, half=True))
        ),
    }


def _repeat(make: Callable[[], Request]) -> Callable[[int], Iterator[Request]]:
    return lambda _: iter(make, None)


def _request_large_sets(connection: int) -> Iterator[Request]:
    for seed in count(1_000_000 * (connection + 1), 1000):
        body = {"kind": "unrelated", "conditions": ["WS"], "total_images": 99_000, "seed": seed}
        yield replace(_post_json(json.dumps(body).encode()), headers=_JSON | {"Prefer": "wait=2"})


def _post_json(body: bytes, *, with_key: bool = True) -> Request:
    return Request("POST", "/v1/image-sets", _JSON, body, with_key)


def _send_photo(picture: bytes) -> Request:
    return Request("POST", "/v1/photos?aligned=true", PHOTO, picture)


@cache
def _make_lists() -> bytes:
    return b"[" + b"[]," * 333_000 + b"[]]"


@cache
def _make_unknown_fields() -> bytes:
    return json.dumps({f"u{n}": 0 for n in range(60_000)}).encode()


@cache
def _make_costly() -> bytes:
    """Make a picture that is small as a file, and has nearly as many pixels as a photograph may have."""
    file = io.BytesIO()
    Image.new("RGB", (6000, 6000)).save(file, "PNG")
    return file.getvalue()


@cache
def draw_face(n: int) -> bytes:
    """Draw a phantom, as a PNG of 128 px."""
    return encode_png(draw_phantom(nth_phantom(3, n), 128).image)


def send_flood(flood: Flood, port: int, key: str, seconds: float) -> Counter[int]:
    """Send a flood for some seconds; returns how often each status was answered."""
    until, answers = time.monotonic() + seconds, Counter[int]()
    guard = threading.Lock()

    def send_all(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
        for request in flood.requests(number):
            if time.monotonic() >= until:
                break
            try:
                status = _send(connection, request, key, until)
            except (OSError, http.client.HTTPException):
                status = NO_ANSWER
                connection.close()
            with guard:
                answers[status] += 1
        connection.close()

    threads = [threading.Thread(target=send_all, args=(number,), daemon=True) for number in range(flood.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until + 1 - time.monotonic()))
    return answers


def _send(connection: http.client.HTTPConnection, request: Request, key: str, until: float) -> int:
    headers = {"Authorization": f"Bearer {key}"} if request.with_key else {}
    if request.half:
        return _hold_half_head(connection, until)
    if request.trickles:
        return _trickle(connection, request, headers, until)
    connection.request(request.method, request.path, request.body or None, {**request.headers, **headers})
    answer = connection.getresponse()
    while time.monotonic() < until and answer.read(1 << 16):
        pass
    if not answer.isclosed():
        connection.close()
    return answer.status


def _hold_half_head(connection: http.client.HTTPConnection, until: float) -> int:
    left_s = max(0.1, until - time.monotonic())
    with socket.create_connection((connection.host, connection.port), timeout=left_s) as half:
        half.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX: ")
        half.recv(1)
    return NO_ANSWER


def _trickle(connection: http.client.HTTPConnection, request: Request, headers: Mapping[str, str], until: float) -> int:
    connection.putrequest(request.method, request.path)
    for name, value in {**request.headers, **headers, "Content-Length": str(len(request.body))}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.sock is not None
    connection.sock.settimeout(0.1)
    for byte in request.body:
        if time.monotonic() >= until:
            raise TimeoutError
        connection.send(bytes([byte]))
        with suppress(TimeoutError):
            connection.sock.recv(1, socket.MSG_PEEK)
            break
    connection.sock.settimeout(5)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def main(port: str, key: str, name: str, seconds: str, set_id: str, job_id: str) -> None:
    os.nice(10)  # an attacker has a machine of their own
    flood = list_floods(set_id, job_id)[name]
    next(flood.requests(0))  # its body is made before the time begins
    print("ready", flush=True)
    print(json.dumps(send_flood(flood, int(port), key, float(seconds))))


if __name__ == "__main__":
    main(*sys.argv[1:])
