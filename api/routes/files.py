"""Files as responses: of image sets, checksummed, cacheable for ever and in ranges; of photographs, kept by nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fastapi import Request
from starlette.responses import FileResponse, Response

from api.credentials import Credentials

_PRIVATE: Final = {"Cache-Control": "private, no-store"}


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


def picture_file(request: Request, credentials: Credentials, path: Path, sha256: str) -> Response:
    """A stored PNG; where pictures leave signed, made for this request, as what lies there is not."""
    if not credentials.signs:
        return file_response(request, path, sha256, "image/png")
    return bytes_response(request, credentials.signed(path.read_bytes()), "image/png")


def private_picture(credentials: Credentials, path: Path) -> Response:
    """A stored PNG that follows from a photograph of a person: signed, where pictures are, and kept by no cache."""
    if not credentials.signs:
        return private_file(path, "image/png")
    return Response(credentials.signed(path.read_bytes()), media_type="image/png", headers=_PRIVATE)


def private_file(path: Path, media_type: str, name: str | None = None) -> Response:
    """A file that follows from a photograph of a person: no cache may keep it."""
    return FileResponse(path, media_type=media_type, filename=name, headers=_PRIVATE)


def _lasting(sha256: str) -> dict[str, str]:
    """Headers of what never changes."""
    return {"ETag": f'"{sha256}"', "Cache-Control": "private, max-age=31536000, immutable"}


def _is_there(request: Request, headers: Mapping[str, str]) -> bool:
    """Whether the caller has it already."""
    condition, etag = request.headers.get("If-None-Match", ""), headers["ETag"]
    return condition.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in condition.split(","))
