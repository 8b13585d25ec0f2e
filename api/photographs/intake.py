"""Intake of photographs: a body is received within limits, and the structure of its file is checked.

`receive` takes a body in; `check_container` walks the file's structure and decodes nothing. `api.photographs.decoding`
decodes the file. Every refusal is a Problem.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import anyio
import anyio.to_thread

from api.encryption.upload_file import SealedUploadFile
from api.problem_types import ProblemType
from api.problems import Problem

Format = Literal["JPEG", "PNG", "WEBP"]

FORMATS: Final[Mapping[Format, str]] = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""The formats accepted, as Pillow names them, and their media types. Content decides, never a name or a header."""

MAX_BYTES: Final = 20_000_000
MAX_PIXELS: Final = 40_000_000

REMEDY: Final = "export the picture again as a plain JPEG, PNG or WebP file"
"""Remedy for a picture that cannot be used."""

_SIGNATURE_BYTES: Final = 12
_FORM_BOUNDARY: Final = b"--"
"""First bytes of every body of the type multipart/form-data (RFC 2046, section 5.1)."""
_BLOCK_BYTES: Final = 262_144
_MOST_PARTS: Final = 50_000
"""Segments or chunks of a file; real ones have hundreds, and each costs a step of Python."""
_MOST_SCANS: Final = 100
"""Scans of a JPEG; real ones have about ten, and each can cost a pass over all pixels for a few bytes."""
_MOST_PICTURES: Final = 16
"""Pictures in a JPEG file, the first included."""

_STARTS: Final = (
    (0, b"GIF8", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"BM", "BMP"),
    (4, b"ftyp", "HEIC, AVIF or a video"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"Rar!", "RAR"),
    (0, b"7z\xbc\xaf", "7z"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"<", "markup such as SVG or HTML"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG", "PNG"),
    (0, b"RIFF", "RIFF"),
)
"""(offset, bytes, name) of what people send by mistake or hide behind a picture."""

_HIDDEN: Final = (
    (b"pk\x05\x06\0\0\0\0", "ZIP"),
    (b"%pdf-1.", "PDF"),
    (b"%pdf-2.", "PDF"),
    (b"rar!\x1a\x07", "RAR"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"<html>", "HTML"),
    (b"<html ", "HTML"),
    (b"<script", "HTML"),
    (b"<!doctype", "HTML"),
)
"""(bytes in lower case, name) of files that their readers find at any offset; too long to occur by chance."""


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


def sniff(head: bytes) -> Format | None:
    """The format that a file's first bytes announce; 12 are enough. None for any but `FORMATS`."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    return None


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
        f"The photograph is {_name(head)}; expected JPEG, PNG or WebP, told by its content: {REMEDY}.",
    )


def _name(data: bytes | bytearray) -> str:
    """What a file that starts so is, with zeros before it or without: padding, or the first bytes of a video."""
    for head in (data, data.lstrip(b"\0")):
        for at, start, name in _STARTS:
            if head.startswith(start, at):
                return name
    return "of an unknown format"


def check_container(data: bytes, form: Format, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse a file whose structure no camera makes, before a decoder sees it. Decodes nothing.

    Accepted is one still picture of at most `max_pixels`, whole, with nothing behind it; behind a JPEG there may be
    further JPEGs and zeros, as phones store gain maps and depth.

    Args:
        data: the whole file.
        form: what `sniff` says of it.
        max_pixels: largest width x height that its headers may announce.

    Raises:
        Problem: 422, with what is wrong and where.
    """
    {"JPEG": _check_jpegs, "PNG": _check_png, "WEBP": _check_webp}[form](data, max_pixels)
    lowered = data.lower()
    for signature, name in _HIDDEN:
        at = lowered.find(signature)
        if at >= 0:
            raise _refused(f"also contains {name}, at byte {at}")


def _refused(what: str) -> Problem:
    return Problem(ProblemType.PICTURE_UNUSABLE, f"The photograph {what}; {REMEDY}.")


def _truncated(data: bytes, missing: str) -> Problem:
    return _refused(f"is cut off: after its {len(data)} bytes {missing} is missing")


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if not width or not height:
        raise _refused(f"has {width} x {height} pixels")
    if width * height > max_pixels:
        raise _refused(f"has {width} x {height} pixels, more than the {max_pixels} accepted; make it smaller")


def _check_end(data: bytes, end: int) -> None:
    if end < len(data):
        raise _refused(f"ends at byte {end}, but {len(data) - end} more follow ({_name(data[end:])})")


# A JPEG marker that is neither stuffing, nor a restart inside a scan, nor fill before another.
_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_NOT_ZERO: Final = re.compile(rb"[^\x00]")
_BARE: Final = frozenset((0x01, *range(0xD0, 0xD8)))
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA


def _check_jpegs(data: bytes, max_pixels: int) -> None:
    end = 0
    for _ in range(_MOST_PICTURES):
        end = _jpeg_end(data, end, max_pixels)
        further = _NOT_ZERO.search(data, end)
        if further is None:
            return
        if not data.startswith(b"\xff\xd8\xff", further.start()):
            _check_end(data, end)
        end = further.start()
    raise _refused(f"holds more than {_MOST_PICTURES} pictures")


def _jpeg_end(data: bytes, start: int, max_pixels: int) -> int:
    """Offset after the picture that starts at `start`. Thumbnails lie inside segments, which are stepped over."""
    frames = scans = 0
    at = start + 2
    for _ in range(_MOST_PARTS):
        marker, at = _jpeg_marker(data, at)
        if marker == _EOI:
            if not frames or not scans:
                raise _refused(f"has no picture before the end of image at byte {at - 2}")
            return at
        if marker in _BARE:
            continue
        if marker in (0x00, _SOI):
            raise _refused(f"has the misplaced JPEG marker {marker:#04x} at byte {at - 2}")
        if at + 2 > len(data):
            raise _truncated(data, "the end of image")
        length = int.from_bytes(data[at : at + 2], "big")
        end = at + length
        if length < 2:
            raise _refused(f"has a JPEG segment of impossible length {length} at byte {at}")
        if end > len(data):
            raise _truncated(data, "the end of image")
        if marker in _FRAMES:
            frames += 1
            if frames > 1 or length < 8:
                raise _refused(f"has a second or a broken JPEG frame header at byte {at}")
            height, width = struct.unpack_from(">HH", data, at + 3)
            _check_size(width, height, max_pixels)
        if marker == _SOS:
            scans += 1
            if not frames:
                raise _refused(f"has a JPEG scan before its frame header at byte {at}")
            if scans > _MOST_SCANS:
                raise _refused(f"has more than {_MOST_SCANS} scans")
            following = _MARKER.search(data, end)
            if following is None:
                raise _truncated(data, "the end of image")
            end = following.start()
        at = end
    raise _refused(f"has more than {_MOST_PARTS} JPEG segments")


_AFTER_FILL: Final = re.compile(rb"[^\xff]")


def _jpeg_marker(data: bytes, at: int) -> tuple[int, int]:
    """(the marker at `at`, the offset after it); any number of fill bytes may precede it."""
    code = _AFTER_FILL.search(data, at)
    if code is None:
        raise _truncated(data, "the end of image")
    if code.start() == at:
        raise _refused(f"has bytes that belong to no JPEG segment at byte {at}")
    return data[code.start()], code.end()


def _check_png(data: bytes, max_pixels: int) -> None:
    pixels = False
    end = 0
    for index, (kind, at, end) in enumerate(_png_chunks(data)):
        if (index == 0) != (kind == b"IHDR") or (index == 0 and end - at != 13):
            raise _refused(f"does not have one PNG header, first, of 13 bytes (see byte {at})")
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", data, at)
            _check_size(width, height, max_pixels)
        elif kind == b"acTL":
            raise _refused("is animated")
        pixels |= kind == b"IDAT"
        if kind == b"IEND":
            if not pixels:
                raise _refused("is a PNG without pixels (no IDAT)")
            _check_end(data, end + 4)
            return
    raise _truncated(data, "the IEND chunk")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of the contents of each chunk, once its length and checksum are right."""
    view = memoryview(data)
    at = 8
    for _ in range(_MOST_PARTS):
        if at == len(data):
            return
        if at + 12 > len(data):
            raise _truncated(data, "the rest of a chunk")
        length = int.from_bytes(data[at : at + 4], "big")
        kind, start, end = data[at + 4 : at + 8], at + 8, at + 8 + length
        if end + 4 > len(data):
            raise _truncated(data, f"the rest of the chunk of {length} bytes at byte {at}")
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise _refused(f"is damaged: the checksum of the chunk at byte {at} is wrong")
        yield kind, start, end
        at = end + 4
    raise _refused(f"has more than {_MOST_PARTS} PNG chunks")


def _check_webp(data: bytes, max_pixels: int) -> None:
    if len(data) < 12:
        raise _truncated(data, "the RIFF header")
    size = 8 + int.from_bytes(data[4:8], "little")
    if size > len(data):
        raise _truncated(data, f"the rest of the {size} that its header announces")
    _check_end(data, size)
    pictures = 0
    for kind, start, end in _webp_chunks(data):
        if kind in (b"ANIM", b"ANMF"):
            raise _refused("is animated")
        if kind in _WEBP_SIZES:
            width, height = _webp_size(data, kind, start, end)
            _check_size(width, height, max_pixels)
        pictures += kind in (b"VP8 ", b"VP8L")
    if pictures != 1:
        raise _refused(f"is a WebP with {pictures} pictures, expected 1")


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of the contents of each chunk, which are padded to an even length."""
    at = 12
    for _ in range(_MOST_PARTS):
        if at == len(data):
            return
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length
        if at + 8 > len(data) or end + length % 2 > len(data):
            raise _truncated(data, f"the rest of the chunk at byte {at}")
        yield data[at : at + 4], at + 8, end
        at = end + length % 2
    raise _refused(f"has more than {_MOST_PARTS} WebP chunks")


_WEBP_SIZES: Final = {b"VP8 ": 10, b"VP8L": 5, b"VP8X": 10}
"""Bytes at the start of a chunk that say the picture's size."""


def _webp_size(data: bytes, kind: bytes, start: int, end: int) -> tuple[int, int]:
    """(width, height) that a chunk of `_WEBP_SIZES` announces."""
    head = data[start : min(end, start + _WEBP_SIZES[kind])]
    signed = {b"VP8 ": head[3:6] == b"\x9d\x01\x2a", b"VP8L": head[:1] == b"\x2f", b"VP8X": True}[kind]
    if len(head) < _WEBP_SIZES[kind] or not signed:
        raise _refused(f"has a broken WebP header at byte {start}")
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 6)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[0] & 0x02:
        raise _refused("is animated")
    return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
