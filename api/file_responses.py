"""Stored files as responses: in ranges; those of image sets checksummed and cacheable for ever."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from api.image_sets.file_cache import CachedFile
from api.operations.file_stores import Files
from api.problem_types import ProblemType
from api.problems import Problem
from api.provenance.content_credentials import Credentials

_BLOCK_BYTES: Final = 1_048_576


@dataclass(frozen=True)
class Content:
    """Content of a response.

    Args:
        size: bytes in all.
        read: bytes [start, stop) of it.
    """

    size: int
    read: Callable[[int, int], bytes]


def cached_file(request: Request, found: CachedFile, media_type: str, name: str | None = None) -> Response:
    """Send a file derived from an image set, or 304 if the caller has it. Its ETag is the sha256 of its bytes.

    Args:
        name: file name to save it under; None shows it in place.
    """
    content = Content(len(found.data), lambda start, stop: found.data[start:stop])
    return _send_cacheable(request, content, found.sha256, media_type, name)


def bytes_response(request: Request, data: bytes, media_type: str, sha256: str | None = None) -> Response:
    """Send a file of an image set, or 304 if the caller has it. Its ETag is the sha256 of its bytes.

    Args:
        sha256: checksum of the data; None computes it.
    """
    return _send_cacheable(request, _hold_in_memory(data), sha256 or hashlib.sha256(data).hexdigest(), media_type, None)


def cached_picture(request: Request, credentials: Credentials, found: CachedFile) -> Response:
    """A PNG that follows from an image set; where pictures leave signed, made for this request."""
    if not credentials.signs:
        return cached_file(request, found, "image/png")
    return bytes_response(request, credentials.sign(bytes(found.data)), "image/png")


def picture(request: Request, credentials: Credentials, png: bytes) -> Response:
    """A stored PNG of nobody; where pictures leave signed, made for this request."""
    return bytes_response(request, credentials.sign(png) if credentials.signs else png, "image/png")


def private_picture(request: Request, credentials: Credentials, png: bytes) -> Response:
    """A stored PNG that follows from a photograph of a person: signed, where pictures are, and kept by no cache."""
    return private_file(request, credentials.sign(png) if credentials.signs else png, "image/png")


def private_file(request: Request, content: Content | bytes, media_type: str, name: str | None = None) -> Response:
    """A file that follows from a photograph of a person: no cache may keep it."""
    content = _hold_in_memory(content) if isinstance(content, bytes) else content
    return _send(request, content, {"Cache-Control": "private, no-store"}, media_type, name)


def read_private_file(files: Files, name: str) -> bytes:
    """Read a stored file that may be erased at any time.

    Raises:
        Problem: 404, it was erased since its record was looked up.
    """
    data = files.find(name)
    if data is None:
        raise Problem(ProblemType.PHOTO_NOT_FOUND, "It was erased by another request.")
    return data


def _hold_in_memory(data: bytes) -> Content:
    return Content(len(data), lambda start, stop: data[start:stop])


def _send_cacheable(request: Request, content: Content, sha256: str, media_type: str, name: str | None) -> Response:
    headers = {"ETag": f'"{sha256}"', "Cache-Control": "private, max-age=31536000, immutable"}
    if _caller_has(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return _send(request, content, headers, media_type, name)


def _caller_has(request: Request, etag: str) -> bool:
    """Whether the caller has a copy with this ETag."""
    condition = request.headers.get("If-None-Match", "")
    return condition.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in condition.split(","))


def _send(
    request: Request, content: Content, headers: Mapping[str, str], media_type: str, name: str | None
) -> Response:
    """Send the bytes that are asked for; more than one block is read while it is sent."""
    asked = _range(request, content.size, headers.get("ETag"))
    start, stop = asked or (0, content.size)
    headers = {**headers, "Accept-Ranges": "bytes", "Content-Length": str(stop - start)}
    if asked is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
    if name is not None:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    status = 200 if asked is None else 206
    if request.method == "HEAD":
        return Response(None, status, headers, media_type)
    if stop - start <= _BLOCK_BYTES:
        return Response(content.read(start, stop), status, headers, media_type)

    def blocks() -> Iterator[bytes]:
        for at in range(start, stop, _BLOCK_BYTES):
            yield content.read(at, min(at + _BLOCK_BYTES, stop))

    return StreamingResponse(blocks(), status, headers, media_type)


def _range(request: Request, size: int, etag: str | None) -> tuple[int, int] | None:
    """Parse the bytes [start, stop) that `Range` asks for. None stands for the whole file: without the header, if it is
    about another version of the file, or if it names several ranges, as RFC 9110 allows.

    Raises:
        Problem: 416, it lies outside.
    """
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", request.headers.get("Range", "").replace(" ", ""))
    if found is None or found[0] == "bytes=-" or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if first and last and int(last) < int(first):
        return None  # no range at all
    if start >= size:
        raise Problem(
            ProblemType.RANGE_OUTSIDE_FILE,
            f"The range begins at byte {start}, and there are {size}; ask for bytes from 0 to {size - 1}.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, stop
