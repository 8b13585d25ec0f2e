"""Files of image sets as responses: checksummed, cacheable for ever, and in ranges."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from fastapi import Request
from starlette.responses import FileResponse, Response


def file_response(request: Request, path: Path, sha256: str, media_type: str, name: str | None = None) -> Response:
    """A stored file, or 304 if the caller has it. Its ETag is the sha256 of its bytes.

    Args:
        name: file name to save it under; None shows it in place.
    """
    headers = _lasting(sha256)
    if _is_there(request, headers):
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type=media_type, filename=name, headers=headers)


def bytes_response(request: Request, data: bytes, media_type: str) -> Response:
    """A picture made for this request, or 304 if the caller has it. Its ETag is the sha256 of its bytes."""
    headers = _lasting(hashlib.sha256(data).hexdigest())
    if _is_there(request, headers):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)


def private_file(path: Path, media_type: str, name: str | None = None) -> Response:
    """A file that follows from a photograph of a person: no cache may keep it."""
    return FileResponse(path, media_type=media_type, filename=name, headers={"Cache-Control": "private, no-store"})


def _lasting(sha256: str) -> dict[str, str]:
    """Headers of what never changes."""
    return {"ETag": f'"{sha256}"', "Cache-Control": "private, max-age=31536000, immutable"}


def _is_there(request: Request, headers: Mapping[str, str]) -> bool:
    """Whether the caller has it already."""
    condition, etag = request.headers.get("If-None-Match", ""), headers["ETag"]
    return condition.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in condition.split(","))
