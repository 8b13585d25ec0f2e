"""Files of image sets as responses: checksummed, cacheable for ever, and in ranges."""

from __future__ import annotations

from pathlib import Path

from fastapi import Request
from starlette.responses import FileResponse, Response


def file_response(request: Request, path: Path, sha256: str, media_type: str, name: str | None = None) -> Response:
    """A stored file, or 304 if the caller has it. Its ETag is the sha256 of its bytes.

    Args:
        name: file name to save it under; None shows it in place.
    """
    etag = f'"{sha256}"'
    headers = {"ETag": etag, "Cache-Control": "public, max-age=31536000, immutable"}
    if _matches(request.headers.get("If-None-Match", ""), etag):
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type=media_type, filename=name, headers=headers)


def _matches(condition: str, etag: str) -> bool:
    return condition.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in condition.split(","))
