"""Hostile requests over raw sockets, so that no client library corrects them, and the status of each answer."""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import numpy as np
from PIL import Image

from benchmarks.load.serving import RunningService
from gestaltgen_client import Client

SLOW_CONNECTIONS: Final = 200
"""Connections that send a header one byte at a time, all at once."""

CLOSED: Final = 0
"""Status for a connection that the service closed without an answer."""

_JSON: Final = {"Content-Type": "application/json"}
_PHOTO: Final = {"Consent-Reference": "none", "Purpose": "benchmark", "Prefer": "wait=20"}


@dataclass(frozen=True)
class Case:
    """A hostile request, or several of a kind.

    Attributes:
        name: description of the request.
        status: status of the answer; of several, the worst.
        expected: statuses that are right.
    """

    name: str
    status: int
    expected: Sequence[int]


def send_hostile_requests(service: RunningService) -> Iterator[Case]:
    """Send all hostile requests, and yield each case; the service has free models and a body timeout of 2 s."""
    with Client(service.url) as client:
        set_id = client.create(kind="age_progression", conditions=["WS"], count=1, seed=1, wait_s=10).id
        document = client.send("GET", "openapi.json").json()
    for name, picture, statuses in _make_pictures():
        yield Case(f"verify, {name}", _send(service, "POST", "/v1/verify", {}, picture), statuses)
        yield Case(f"photo, {name}", _send_photo(service, picture), statuses)
    yield from _try_paths(service, document, set_id)
    yield from _try_bodies(service)
    yield from _try_headers(service, set_id)
    yield from _try_slow_connections(service)


def _make_pictures() -> Iterator[tuple[str, bytes, Sequence[int]]]:
    """Make hostile pictures: name, bytes, and expected statuses."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    png, jpeg, webp = (_encode(noise, form) for form in ("PNG", "JPEG", "WEBP"))
    refused = (422,)
    yield "bomb: PNG of 50,000 x 50,000", _make_png(50_000, 50_000, b"\0" * 50_000_000), refused
    yield "bomb: PNG of 9 MP and 10 times the rows", _make_png(3_000, 3_000, bytes(10 * 3_000 * 9_001)), (200, 422)
    yield "bomb: JPEG that says 65,500 x 65,500", jpeg.replace(b"\0\x40\0\x40", b"\xff\xdc\xff\xdc", 1), refused
    for kind in (b"zTXt", b"iCCP"):
        text = kind + b"a\0\0" + zlib.compress(b"\0" * 100_000_000, 9)
        yield f"bomb: {kind.decode()} of 100 MB", png[:33] + _make_chunk(text) + png[33:], (200, 422)
    yield "100,000 empty chunks", png[:33] + _make_chunk(b"teXt") * 100_000 + png[33:], refused
    for form, data in (("PNG", png), ("JPEG", jpeg), ("WebP", webp)):
        yield f"{form}, half of it", data[: len(data) // 2], refused
        yield f"{form}, only its start", data[:12], refused
        yield f"{form} and a ZIP", data + b"PK\x05\x06" + bytes(18), refused
        yield f"{form} and a page", data + b"<html><script>alert(1)</script></html>", refused
    yield "PNG with a program inside", png[:33] + _make_chunk(b"teXt<script>alert(1)</script>") + png[33:], refused
    moving = io.BytesIO()
    noise.save(moving, "PNG", save_all=True, append_images=[noise.rotate(90)])
    yield "animated PNG", moving.getvalue(), refused
    yield "GIF", _encode(noise, "GIF"), (415,)
    yield "SVG", b'<svg xmlns="http://www.w3.org/2000/svg"/>', (415,)
    yield "nothing", b"", (400,)


def _try_paths(service: RunningService, document: Any, set_id: str) -> Iterator[Case]:
    """Send every parameter of every path with values that could lead elsewhere."""
    tricks = {
        "..": "..",
        "../../../etc/passwd": "../../../etc/passwd",
        "%2e%2e": "%2e%2e",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd": "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%5c..%5c": "..%5c..%5c",
        "%252e%252e%252f": "%252e%252e%252f",
        "%00": "%00",
        "id%00.png": f"{set_id}%00.png",
        "%0d%0aX: y": "%0d%0aX:%20y",
        "%ff%fe": "%ff%fe",
        "an emoji": "%F0%9F%98%80",
        "5,000 characters": "a" * 5_000,
        "50,000 digits": "9" * 50_000,
        "-1": "-1",
        "' OR 1=1 --": "'%20OR%201=1%20--",
    }
    operations = [(method, path) for path, methods in document["paths"].items() for method in methods if "{" in path]
    for name, trick in tricks.items():
        statuses = set()
        for method, path in operations:
            names = [part.split("}")[0] for part in path.split("{")[1:]]
            for bad in names:
                filled = path
                for one in names:
                    usual = {"set_id": set_id, "n": "0"}.get(one, "0" * 32)
                    filled = filled.replace("{" + one + "}", trick if one == bad else usual)
                body = b"{}" if method == "post" else b""
                statuses.add(_send(service, method.upper(), filled, _JSON, body))
        worst = max(statuses, key=lambda status: (status >= 500, status < 400, status))
        yield Case(f"path, {name}, in {len(operations)} operations", worst, (400, 404, 405, 422))


def _try_bodies(service: RunningService) -> Iterator[Case]:
    """Send bodies that are no JSON, or too large."""

    def post(body: bytes, **headers: str) -> int:
        return _send(
            service, "POST", "/v1/image-sets", _JSON | {k.replace("_", "-"): v for k, v in headers.items()}, body
        )

    start = b'{"kind": "age_progression", "conditions": ["WS"], "count": 1, '
    yield Case("JSON, 1 MB of [", post(b"[" * 1_000_000), (400, 422))
    yield Case("JSON, 1 MB of nested objects", post(b'{"a":' * 200_000), (400, 422))
    yield Case("JSON, a number of 100,000 digits", post(start + b'"seed": ' + b"9" * 100_000 + b"}"), (400, 422))
    yield Case("JSON, 1e999", post(start + b'"seed": 1e999}'), (400, 422))
    yield Case("JSON, NaN", post(start + b'"truncation": NaN}'), (400, 422))
    yield Case("JSON, a lone surrogate", post(b'{"kind": "\\ud800"}'), (400, 422))
    yield Case("JSON, a lone surrogate as condition", post(b'{"kind": "unrelated", "conditions": ["\\udfff"]}'), (422,))
    yield Case("JSON, a lone surrogate as model", post(start + b'"model": "\\ud800"}'), (422,))
    yield Case("JSON, NUL in a name", post(b'{"kind": "unrelated", "conditions": ["\\u0000"]}'), (422,))
    yield Case("JSON, bytes that are no UTF-8", post(b'{"kind": "\xff\xfe"}'), (400, 422))
    yield Case(
        "JSON, 100,000 conditions",
        post(b'{"kind": "unrelated", "conditions": [' + b'"WS",' * 99_999 + b'"WS"]}'),
        (422,),
    )
    yield Case("JSON, a count of 10^12", post(b'{"kind": "unrelated", "count": 1000000000000}'), (422,))
    yield Case("JSON, 2 MB", post(b" " * 2_000_000), (413,))
    yield Case("a length of -1", post(b"{}", Content_Length="-1"), (400,))
    yield Case("a length of 10^30", post(b"{}", Content_Length="1" + "0" * 30), (400, 413))
    yield Case("2 MB in pieces", post(_make_pieces(2_000_000), Transfer_Encoding="chunked", Content_Length=""), (413,))
    yield Case("pieces of no length", post(b"zz\r\n", Transfer_Encoding="chunked", Content_Length=""), (400,))
    both = b"POST /v1/image-sets HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}"
    yield Case("two lengths", _send_raw(service, both), (400,))
    both = b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield Case("a length and pieces", _send_raw(service, both), (400, 405))


def _try_headers(service: RunningService, set_id: str) -> Iterator[Case]:
    """Send headers that are many, long or malformed."""
    made = b'{"kind": "age_progression", "conditions": ["WS"], "count": 1, "seed": 1}'

    def get(path: str = "/livez", **headers: str) -> int:
        return _send(service, "GET", path, {name.replace("_", "-"): value for name, value in headers.items()}, b"")

    many = {f"X-{n}": "y" for n in range(1_000)}
    yield Case("1,000 headers", get(**many), (200, 400, 431))
    yield Case("100,000 headers", get(**{f"X-{n}": "y" for n in range(100_000)}), (400, 431, CLOSED))
    yield Case("a header of 10 MB", get(X="y" * 10_000_000), (400, 431, CLOSED))
    yield Case("a path of 1 MB", get("/" + "a" * 1_000_000), (400, 414, 431, CLOSED))
    yield Case(
        "a header that never ends its line",
        _send_raw(service, b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000),
        (400, 431, CLOSED),
    )
    yield Case("no HTTP", _send_raw(service, b"\x16\x03\x01\x02\x00\x01" * 100 + b"\r\n\r\n"), (400, CLOSED))
    yield Case("a method of no kind", _send_raw(service, b"FROB /livez HTTP/1.1\r\nHost: x\r\n\r\n"), (400, 405))
    yield Case("no host", _send_raw(service, b"GET /livez HTTP/1.1\r\n\r\n"), (400,))
    image, manifest = f"/v1/image-sets/{set_id}/images/0", f"/v1/image-sets/{set_id}/manifest.jsonl"
    ranges = "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 10_000, 2))
    for name, value in {
        "5,000 ranges": ranges,
        "ranges that overlap": "bytes=" + ",".join(["0-"] * 5_000),
        "a range of 10^30": "bytes=0-1" + "0" * 30,
        "ranges of 5,000 digits": "bytes=" + "9" * 5_000 + "-",
        "a range backwards": "bytes=9-1",
        "a range of nothing": "bytes=-",
        "a range of letters": "bytes=a-b",
    }.items():
        statuses = [get(path, Range=value) for path in (image, manifest)]
        yield Case(name, max(statuses), (200, 206, 400, 416))
    yield Case("If-Range of 8,000 letters", get(image, Range="bytes=0-1", If_Range="a" * 8_000), (200,))
    for name, given in {
        "Prefer: wait=10^20": {"Prefer": "wait=" + "9" * 20},
        "Prefer of 8,000 letters": {"Prefer": "wait" * 2_000},
        "Idempotency-Key of 8,000 letters": {"Idempotency-Key": "a" * 8_000},
        "Idempotency-Key of no UTF-8": {"Idempotency-Key": "\xff\xfe\x80"},
        "Authorization of 8,000 letters": {"Authorization": "Bearer " + "\xff" * 8_000},
    }.items():
        yield Case(name, _send(service, "POST", "/v1/image-sets", _JSON | given, made), (200, 202, 400, 401, 422))
    status = _send(service, "POST", "/v1/photos", _PHOTO | {"Purpose": "\x01\x02", "Consent-Reference": "\xff"}, b"x")
    yield Case("control letters in Purpose", status, (400, 415, 422))
    status = _send(service, "POST", "/v1/photos", _PHOTO | {"Purpose": "a" * 5_000}, b"x")
    yield Case("Purpose of 5,000 letters", status, (422,))


def _try_slow_connections(service: RunningService) -> Iterator[Case]:
    """Open slow connections, and measure whether another client is served meanwhile."""
    body = b"POST /v1/image-sets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    yield Case("a body of a byte each 0.2 s", _send_raw(service, body, b"[" * 40, pause_s=0.2), (408,))
    body = body.replace(b"image-sets", b"photos").replace(b"Content-Type", b"Purpose: a\r\nConsent-Reference: b\r\nX")
    yield Case("a photograph of a byte each 0.2 s", _send_raw(service, body, b"\xff\xd8\xff" * 40, pause_s=0.2), (408,))
    yield Case("a body that stops", _send_raw(service, body, b"\xff\xd8\xff", pause_s=0), (408,))
    statuses: list[int] = []

    def dawdle() -> None:
        statuses.append(
            _send_raw(service, b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"X" * 20, pause_s=0.25, timeout_s=0.1)
        )

    threads = [threading.Thread(target=dawdle) for _ in range(SLOW_CONNECTIONS)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    began = time.perf_counter()
    status = httpx.get(f"{service.url}/readyz", timeout=30).status_code
    took_s = time.perf_counter() - began
    yield Case(f"beside {SLOW_CONNECTIONS} slow headers, ready in {1000 * took_s:.0f} ms", status, (200,))
    for thread in threads:
        thread.join()
    idle = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(SLOW_CONNECTIONS)]
    yield Case(f"beside {SLOW_CONNECTIONS} silent connections", httpx.get(f"{service.url}/readyz").status_code, (200,))
    for connection in idle:
        connection.close()


def _send_photo(service: RunningService, picture: bytes) -> int:
    """Send a photograph; returns the status of the answer, or 422 if the job refused it."""
    with httpx.Client(base_url=service.url, timeout=60) as http:
        answer = http.post("/v1/photos", headers=_PHOTO, content=picture)
        if answer.status_code == 200 and answer.json()["state"] == "failed":
            return 422
        return answer.status_code


def _send(service: RunningService, method: str, path: str, headers: dict[str, str], body: bytes) -> int:
    headers = {"Host": "x", "Connection": "close", "Content-Length": str(len(body))} | headers
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items() if value), "", ""]
    return _send_raw(service, "\r\n".join(lines).encode("latin-1"), body)


def _send_raw(
    service: RunningService, head: bytes, body: bytes = b"", *, pause_s: float | None = None, timeout_s: float = 60
) -> int:
    """Send bytes; returns the status of the answer, or CLOSED.

    Args:
        pause_s: pause after each byte of the body; None sends it at once.
        timeout_s: seconds to wait for an answer; then the result is CLOSED.
    """
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        try:
            connection.sendall(head)
            for piece in [body] if pause_s is None else (body[at : at + 1] for at in range(len(body))):
                connection.sendall(piece)
                time.sleep(pause_s or 0)
        except (ConnectionError, TimeoutError):
            pass  # it may have answered before all was sent
        connection.settimeout(timeout_s)
        try:
            line = connection.makefile("rb").readline()
        except (ConnectionError, TimeoutError):
            return CLOSED
    return int(line.split()[1]) if line.startswith(b"HTTP/") else CLOSED


def _encode(image: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def _make_chunk(body: bytes) -> bytes:
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _make_png(width: int, height: int, rows: bytes) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _make_chunk(header)
        + _make_chunk(b"IDAT" + zlib.compress(rows, 9))
        + _make_chunk(b"IEND")
    )


def _make_pieces(count: int) -> bytes:
    return b"".join(b"10000\r\n" + b" " * 65_536 + b"\r\n" for _ in range(count // 65_536 + 1)) + b"0\r\n\r\n"
