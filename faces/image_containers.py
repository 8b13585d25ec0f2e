"""Containers of pictures: the structure of PNG, JPEG and WebP files, read without decoding any pixels.

`check_container` refuses files whose structure no camera makes, before a decoder sees them. `take_apart` separates the
pixels of a file from its metadata. Both use the same walks over chunks and segments.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal

from core.errors import ImageError

Format = Literal["JPEG", "PNG", "WEBP"]

FORMATS: Final[Mapping[Format, str]] = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""Formats whose structure is read, as Pillow names them, and their media types."""

MAX_METADATA_BYTES: Final = 262_144
"""Longest text that `take_apart` returns."""

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
"""(offset, bytes, name) of files that people send by mistake or hide behind a picture."""

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


class Cause(Enum):
    """Reason why a file cannot be used."""

    UNKNOWN_FORMAT = "unknown format"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    MALFORMED = "malformed"
    NO_PIXELS = "no pixels"
    TOO_LARGE = "too large"
    TOO_MANY_PARTS = "too many parts"
    ANIMATED = "animated"
    SEVERAL_PICTURES = "several pictures"
    TRAILING_DATA = "trailing data"
    HIDDEN_FILE = "hidden file"


class ContainerError(ImageError):
    """File whose structure is refused.

    Attributes:
        cause: the reason.
        finding: error and its place, as the predicate of a sentence: "is animated".
    """

    def __init__(self, cause: Cause, finding: str) -> None:
        super().__init__(f"the picture {finding}")
        self.cause = cause
        self.finding = finding


@dataclass(frozen=True)
class ImageParts:
    """Picture file taken apart.

    Attributes:
        width, height: size in pixels, as the headers announce it.
        picture: a file of the same format with nothing but what the pixels need.
        xmp: the XMP packet, unverified; empty if there is none.
        text: uncompressed iTXt entries of a PNG by keyword.
    """

    width: int
    height: int
    picture: bytes
    xmp: bytes = b""
    text: Mapping[str, str] = field(default_factory=dict)


def sniff(head: bytes) -> Format | None:
    """Return the format that a file's first bytes announce, or None if it is not in `FORMATS`. It needs 12 bytes."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    return None


def check_container(data: bytes, form: Format, max_pixels: int) -> None:
    """Refuse a file with a structure that no camera writes, before a decoder sees it. Decodes nothing.

    It accepts one complete still picture of at most `max_pixels` with nothing after it. After a JPEG there may be
    further JPEGs and zeros, because phones store gain maps and depth in this way.

    Args:
        data: the whole file.
        form: its format, as `sniff` returns it.
        max_pixels: largest width x height that its headers may announce.

    Raises:
        ContainerError: the file is refused.
    """
    {"JPEG": _check_jpegs, "PNG": _check_png, "WEBP": _check_webp}[form](data, max_pixels)
    lowered = data.lower()
    for signature, name in _HIDDEN:
        at = lowered.find(signature)
        if at >= 0:
            raise _refuse(Cause.HIDDEN_FILE, f"also contains {name}, at byte {at}")


def take_apart(data: bytes) -> ImageParts:
    """Separate the pixels of a PNG, JPEG or WebP file from its metadata; nothing is decompressed.

    Raises:
        ContainerError: another format, or a broken file.
    """
    form = sniff(data[:12])
    if form is None:
        raise _refuse(Cause.UNKNOWN_FORMAT, f"is {describe_start(data)}; expected a PNG, a JPEG or a WebP")
    return {"PNG": _take_png_apart, "JPEG": _take_jpeg_apart, "WEBP": _take_webp_apart}[form](data)


def _refuse(cause: Cause, finding: str) -> ContainerError:
    return ContainerError(cause, finding)


def _refuse_truncated(data: bytes, missing: str) -> ContainerError:
    return _refuse(Cause.TRUNCATED, f"is cut off: after its {len(data)} bytes {missing} is missing")


def describe_start(data: bytes | bytearray) -> str:
    """Name the kind of file that starts with these bytes. Leading zeros, as in padding or a video, are skipped."""
    for head in (data, data.lstrip(b"\0")):
        for at, start, name in _STARTS:
            if head.startswith(start, at):
                return name
    return "of an unknown format"


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if not width or not height:
        raise _refuse(Cause.NO_PIXELS, f"has {width} x {height} pixels")
    if width * height > max_pixels:
        raise _refuse(
            Cause.TOO_LARGE, f"has {width} x {height} pixels, more than the {max_pixels} accepted; make it smaller"
        )


def _check_end(data: bytes, end: int) -> None:
    if end < len(data):
        raise _refuse(
            Cause.TRAILING_DATA, f"ends at byte {end}, but {len(data) - end} more follow ({describe_start(data[end:])})"
        )


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
    raise _refuse(Cause.TOO_MANY_PARTS, f"holds more than {_MOST_PICTURES} pictures")


def _jpeg_end(data: bytes, start: int, max_pixels: int) -> int:
    """Check the picture that starts at `start`, and return the offset after it."""
    frames = scans = 0
    for marker, at, end in _jpeg_segments(data, start):
        if marker == _EOI:
            if not frames or not scans:
                raise _refuse(Cause.NO_PIXELS, f"has no picture before the end of image at byte {at - 2}")
            return at
        if marker in _FRAMES:
            frames += 1
            if frames > 1 or end - at < 8:
                raise _refuse(Cause.MALFORMED, f"has a second or a broken JPEG frame header at byte {at}")
            height, width = struct.unpack_from(">HH", data, at + 3)
            _check_size(width, height, max_pixels)
        if marker == _SOS:
            scans += 1
            if not frames:
                raise _refuse(Cause.MALFORMED, f"has a JPEG scan before its frame header at byte {at}")
            if scans > _MOST_SCANS:
                raise _refuse(Cause.TOO_MANY_PARTS, f"has more than {_MOST_SCANS} scans")
    raise _refuse_truncated(data, "the end of image")


def _jpeg_segments(data: bytes, start: int) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of each segment of the picture that starts at `start`, its length field included.

    The compressed pixels after a scan header are stepped over, and so are thumbnails, which lie inside segments. The
    end of image comes last, with nothing in it.
    """
    at = start + 2
    for _ in range(_MOST_PARTS):
        marker, at = _jpeg_marker(data, at)
        if marker == _EOI:
            yield marker, at, at
            return
        if marker in _BARE:
            continue
        if marker in (0x00, _SOI):
            raise _refuse(Cause.MALFORMED, f"has the misplaced JPEG marker {marker:#04x} at byte {at - 2}")
        if at + 2 > len(data):
            raise _refuse_truncated(data, "the end of image")
        length = int.from_bytes(data[at : at + 2], "big")
        end = at + length
        if length < 2:
            raise _refuse(Cause.MALFORMED, f"has a JPEG segment of impossible length {length} at byte {at}")
        if end > len(data):
            raise _refuse_truncated(data, "the end of image")
        yield marker, at, end
        if marker == _SOS:
            following = _MARKER.search(data, end)
            if following is None:
                raise _refuse_truncated(data, "the end of image")
            end = following.start()
        at = end
    raise _refuse(Cause.TOO_MANY_PARTS, f"has more than {_MOST_PARTS} JPEG segments")


_AFTER_FILL: Final = re.compile(rb"[^\xff]")


def _jpeg_marker(data: bytes, at: int) -> tuple[int, int]:
    """Return the marker at `at` and the offset after it; any number of fill bytes may precede it."""
    code = _AFTER_FILL.search(data, at)
    if code is None:
        raise _refuse_truncated(data, "the end of image")
    if code.start() == at:
        raise _refuse(Cause.MALFORMED, f"has bytes that belong to no JPEG segment at byte {at}")
    return data[code.start()], code.end()


def _check_png(data: bytes, max_pixels: int) -> None:
    pixels = False
    view = memoryview(data)
    for index, (kind, at, end) in enumerate(_png_chunks(data)):
        if zlib.crc32(view[at - 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise _refuse(Cause.DAMAGED, f"is damaged: the checksum of the chunk at byte {at - 8} is wrong")
        if (index == 0) != (kind == b"IHDR") or (index == 0 and end - at != 13):
            raise _refuse(Cause.MALFORMED, f"does not have one PNG header, first, of 13 bytes (see byte {at})")
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", data, at)
            _check_size(width, height, max_pixels)
        elif kind == b"acTL":
            raise _refuse(Cause.ANIMATED, "is animated")
        pixels |= kind == b"IDAT"
        if kind == b"IEND":
            if not pixels:
                raise _refuse(Cause.NO_PIXELS, "is a PNG without pixels (no IDAT)")
            _check_end(data, end + 4)
            return
    raise _refuse_truncated(data, "the IEND chunk")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start, end) of the content of each PNG chunk, after checking its length."""
    at = 8
    for _ in range(_MOST_PARTS):
        if at == len(data):
            return
        if at + 12 > len(data):
            raise _refuse_truncated(data, "the rest of a chunk")
        length = int.from_bytes(data[at : at + 4], "big")
        kind, start, end = data[at + 4 : at + 8], at + 8, at + 8 + length
        if end + 4 > len(data):
            raise _refuse_truncated(data, f"the rest of the chunk of {length} bytes at byte {at}")
        yield kind, start, end
        at = end + 4
    raise _refuse(Cause.TOO_MANY_PARTS, f"has more than {_MOST_PARTS} PNG chunks")


def _webp_end(data: bytes) -> int:
    """Return the offset after the WebP file, as its header announces it."""
    if len(data) < 12:
        raise _refuse_truncated(data, "the RIFF header")
    size = 8 + int.from_bytes(data[4:8], "little")
    if size > len(data):
        raise _refuse_truncated(data, f"the rest of the {size} that its header announces")
    return size


def _check_webp(data: bytes, max_pixels: int) -> None:
    size = _webp_end(data)
    _check_end(data, size)
    pictures = 0
    for kind, start, end in _webp_chunks(data, size):
        if kind in (b"ANIM", b"ANMF"):
            raise _refuse(Cause.ANIMATED, "is animated")
        if kind in _WEBP_SIZES:
            width, height = _webp_size(data, kind, start, end)
            _check_size(width, height, max_pixels)
        pictures += kind in (b"VP8 ", b"VP8L")
    if pictures != 1:
        raise _refuse(Cause.SEVERAL_PICTURES, f"is a WebP with {pictures} pictures, expected 1")


def _webp_chunks(data: bytes, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start, end) of the content of each chunk before `stop`; contents are padded to an even length."""
    at = 12
    for _ in range(_MOST_PARTS):
        if at == stop:
            return
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length
        if at + 8 > stop or end + length % 2 > stop:
            raise _refuse_truncated(data, f"the rest of the chunk at byte {at}")
        yield data[at : at + 4], at + 8, end
        at = end + length % 2
    raise _refuse(Cause.TOO_MANY_PARTS, f"has more than {_MOST_PARTS} WebP chunks")


_WEBP_SIZES: Final = {b"VP8 ": 10, b"VP8L": 5, b"VP8X": 10}
"""Number of bytes at the start of a chunk that contain the size of the picture."""


def _webp_size(data: bytes, kind: bytes, start: int, end: int) -> tuple[int, int]:
    """Return the (width, height) that a chunk of `_WEBP_SIZES` announces."""
    head = data[start : min(end, start + _WEBP_SIZES[kind])]
    signed = {b"VP8 ": head[3:6] == b"\x9d\x01\x2a", b"VP8L": head[:1] == b"\x2f", b"VP8X": True}[kind]
    if len(head) < _WEBP_SIZES[kind] or not signed:
        raise _refuse(Cause.MALFORMED, f"has a broken WebP header at byte {start}")
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 6)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[0] & 0x02:
        raise _refuse(Cause.ANIMATED, "is animated")
    return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1


_PNG_PICTURE: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_PNG_XMP: Final = "XML:com.adobe.xmp"
_PLAIN_ITXT: Final = re.compile(rb"([^\0]{1,79})\0\0\0[^\0]*\0[^\0]*\0(.*)", re.DOTALL)


def _take_png_apart(data: bytes) -> ImageParts:
    kept, text = [data[:8]], {}
    width = height = 0
    for kind, start, end in _png_chunks(data):
        if (kind == b"IHDR") != (len(kept) == 1) or (kind == b"IHDR" and end - start < 8):
            raise _refuse(Cause.MALFORMED, "does not have one PNG header, first")
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", data, start)
        if kind in _PNG_PICTURE:
            kept.append(data[start - 8 : end + 4])
        elif kind == b"iTXt" and end - start <= MAX_METADATA_BYTES:
            entry = _PLAIN_ITXT.fullmatch(data, start, end)
            if entry:
                text[entry[1].decode("latin-1")] = _decode(entry[2])
        if kind == b"IEND":
            xmp = text.get(_PNG_XMP, "").encode()
            return ImageParts(width, height, b"".join(kept), xmp, text)
    raise _refuse_truncated(data, "the IEND chunk")


_JPEG_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_PICTURE: Final = _FRAMES | {0xC4, 0xDB, 0xDD, 0xE0, 0xEE}
_APP1: Final = 0xE1


def _take_jpeg_apart(data: bytes) -> ImageParts:
    kept, xmp = [data[:2]], b""
    width = height = 0
    for marker, start, end in _jpeg_segments(data, 0):
        if marker in _FRAMES:
            if end - start < 8:
                raise _refuse(Cause.MALFORMED, f"has a broken JPEG frame header at byte {start}")
            height, width = struct.unpack_from(">HH", data, start + 3)
        if marker in _JPEG_PICTURE:
            kept.append(b"\xff" + bytes([marker]) + data[start:end])
        if marker == _APP1 and data.startswith(_JPEG_XMP, start + 2, end):
            xmp = data[start + 2 + len(_JPEG_XMP) : end]
        if marker == _SOS:
            kept.append(data[start - 2 :])
            return ImageParts(width, height, b"".join(kept), xmp)
    raise _refuse(Cause.NO_PIXELS, "is a JPEG without a scan")


def _take_webp_apart(data: bytes) -> ImageParts:
    picture, xmp = b"", b""
    width = height = 0
    for kind, start, end in _webp_chunks(data, _webp_end(data)):
        if kind in (b"VP8L", b"VP8 "):
            width, height = _webp_size(data, kind, start, end)
            padded = data[start - 8 : end + (end - start) % 2]
            picture = b"RIFF" + struct.pack("<I", 4 + len(padded)) + b"WEBP" + padded
        if kind == b"XMP ":
            xmp = data[start:end]
    return ImageParts(width, height, picture, xmp)


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise _refuse(Cause.DAMAGED, "has metadata that is not UTF-8") from None
