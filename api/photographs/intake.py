"""Intake of photographs: a body is received within limits, and the structure of its file is checked.

`receive` takes a body in; `check_container` refuses files of a strange structure and decodes nothing.
`api.photographs.decoding` decodes the file. Every refusal is a Problem.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.to_thread

from api.encryption.upload_file import SealedUploadFile
from api.problem_types import ProblemType
from api.problems import Problem
from faces import image_containers
from faces.image_containers import ContainerError, Format, describe_start, sniff

MAX_BYTES: Final = 20_000_000
MAX_PIXELS: Final = 40_000_000

REMEDY: Final = "export the picture again as a plain JPEG, PNG or WebP file"
"""Remedy for a picture that cannot be used."""

_SIGNATURE_BYTES: Final = 12
_FORM_BOUNDARY: Final = b"--"
"""First bytes of every body of the type multipart/form-data (RFC 2046, section 5.1)."""
_BLOCK_BYTES: Final = 262_144


@dataclass(frozen=True)
class Received:
    """Description of a body that was received.

    Args:
        format: format of the picture, detected from its first bytes.
        bytes: size in bytes.
        sha256: digest of the whole body, in hexadecimal.
    """

    format: Format
    bytes: int
    sha256: str


async def receive(
    chunks: AsyncIterator[bytes], upload: SealedUploadFile, max_bytes: int = MAX_BYTES, *, seconds: float = 60
) -> Received:
    """Write a body to a file, with at most one block of it in memory.

    Args:
        chunks: the body, in pieces of any size.
        upload: the file; it is complete if this function returns.
        max_bytes: largest body accepted; nothing is read after the first byte too many.
        seconds: longest time that the whole body may take.

    Raises:
        Problem: 400 if the body is empty, 408 if it is too slow, 413 if it is too large, 415 if its format is none of
            `FORMATS`.
    """
    with anyio.move_on_after(seconds):
        return await _receive(chunks, upload, max_bytes)
    raise Problem(
        ProblemType.BODY_TOO_SLOW,
        f"The body took longer than {seconds:g} s; send it faster, or make the picture smaller.",
    )


async def _receive(chunks: AsyncIterator[bytes], upload: SealedUploadFile, max_bytes: int) -> Received:
    size = 0
    pending = bytearray()
    form: Format | None = None
    sha256 = hashlib.sha256()

    def write_pending() -> None:
        sha256.update(pending)
        upload.write(bytes(pending))
        pending.clear()

    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise Problem(
                ProblemType.BODY_TOO_LARGE,
                f"The body is larger than {max_bytes} bytes, the most accepted; make the picture smaller.",
            )
        pending += chunk
        if form is None and len(pending) >= _SIGNATURE_BYTES:
            form = detect_format(pending)
        if len(pending) >= _BLOCK_BYTES:
            await anyio.to_thread.run_sync(write_pending)
    if not size:
        raise Problem(
            ProblemType.BODY_EMPTY, "The body is empty (0 bytes); expected the bytes of a JPEG, PNG or WebP picture."
        )
    form = form or detect_format(pending)
    if pending:
        await anyio.to_thread.run_sync(write_pending)
    return Received(form, size, sha256.hexdigest())


def detect_format(head: bytes | bytearray) -> Format:
    """Return the format that a file's first bytes announce.

    Raises:
        Problem: 415, it is none of `FORMATS`.
    """
    form = sniff(bytes(head[:_SIGNATURE_BYTES]))
    if form is not None:
        return form
    if head.startswith(_FORM_BOUNDARY):
        raise Problem(
            ProblemType.BODY_IS_FORM,
            "The body is a form (multipart/form-data), as `curl -F file=@face.jpg` sends it; expected the bytes of the "
            "picture alone: `curl --data-binary @face.jpg`.",
        )
    raise Problem(
        ProblemType.PICTURE_FORMAT_UNKNOWN,
        f"The photograph is {describe_start(head)}; expected JPEG, PNG or WebP, told by its content: {REMEDY}.",
    )


def check_container(data: bytes, form: Format, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse a file whose structure no camera makes, see `faces.image_containers.check_container`.

    Args:
        data: the whole file.
        form: its format, as `sniff` returns it.
        max_pixels: largest width x height that its headers may announce.

    Raises:
        Problem: 422, with what is wrong and where.
    """
    try:
        image_containers.check_container(data, form, max_pixels)
    except ContainerError as error:
        raise Problem(ProblemType.PICTURE_UNUSABLE, f"The photograph {error.finding}; {REMEDY}.") from error
