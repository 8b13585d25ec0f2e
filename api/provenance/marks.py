"""Marks: claims inside the files of pictures, PNG, WebP or JPEG, which the server can sign.

The claim lies in an XMP packet, the part of a file that most tools show and keep; a PNG has it once more in iTXt
entries. Verification answers three separate questions: what is claimed, whether this server claimed it, and whether the
pixels are still those that it was claimed of.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final, Literal
from xml.etree import ElementTree

import cv2
import numpy as np
from PIL import Image

from api.encryption.key_store import SECRET_BYTES
from api.provenance.claims import Claim
from core.errors import ConfigError, ImageError
from faces.images import MAX_PIXELS, Pixels, read_image

ImageFormat = Literal["png", "webp", "jpeg"]

MEDIA_TYPES: Final[Mapping[ImageFormat, str]] = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}
SUFFIXES: Final[Mapping[ImageFormat, str]] = {"png": ".png", "webp": ".webp", "jpeg": ".jpg"}

NAMESPACE: Final = "urn:x-gestaltgen:mark:1#"
"""XML namespace of the elements Claim, Pixels-SHA256 and Signature, which only this software writes."""

_LARGEST_SIDE: Final[Mapping[ImageFormat, int]] = {"png": 1_000_000, "webp": 16_383, "jpeg": 65_500}
_MAX_METADATA_BYTES: Final = 262_144
_SIGNED_AS: Final = b"gestaltgen mark 1"


@dataclass(frozen=True)
class Marked:
    """Mark that was read from a file, with the result of its verification.

    Args:
        claim: claim in the file; hearsay unless `genuine`.
        pixels_sha256: `pixels_digest` of the picture that the claim was made of, as the file says.
        genuine: whether this server made the claim of a picture with that digest.
        intact: whether the file's pixels have that digest. Only a mark both genuine and intact vouches for a picture.
    """

    claim: Claim
    pixels_sha256: str
    genuine: bool
    intact: bool


def pixels_digest(image: Pixels) -> str:
    """Return the SHA-256 in hex of "{width}x{height}:" and the pixels of a uint8 (h, w, 3) picture, row by row."""
    height, width = image.shape[:2]
    digest = hashlib.sha256(f"{width}x{height}:".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


class Marker:
    """Marker of pictures, which writes signed claims into files and verifies them.

    Args:
        secret: secret of this server, at least 32 bytes; see `api.encryption.key_store`.

    Raises:
        ConfigError: the secret is shorter.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_BYTES:
            raise ConfigError(
                f"a secret of {len(secret)} bytes; expected at least {SECRET_BYTES}: take one from load_secret"
            )
        self._secret = secret

    def encode(self, image: Pixels, claim: Claim, format: ImageFormat = "png") -> bytes:  # noqa: A002
        """Return the file of a picture with its claim, as `encode` does, but signed."""
        return _encode(image, claim, format, self._sign)

    def read(self, data: bytes, pixels: Pixels | None = None) -> Marked | None:
        """Read and verify the mark of a file.

        Args:
            data: bytes of the file.
            pixels: the decoded picture, if it is known; None decodes it here.

        Returns None if the bytes are not a whole PNG, WebP or JPEG of at most MAX_PIXELS, or carry no claim. Safe for
        any bytes: nothing in them is expanded, and only the picture itself is decompressed. Only the returned metadata
        is verified.
        """
        found = _read_statement(data)
        if found is None:
            return None
        file, claim = found
        said = file.statements[0]
        try:
            pixels = read_image(file.picture) if pixels is None else pixels
        except ImageError:
            return None
        signed = self._sign(claim, said.pixels_sha256).signature
        contradicted = any(other != said for other in file.statements)
        return Marked(
            claim=claim,
            pixels_sha256=said.pixels_sha256,
            genuine=hmac.compare_digest(signed.encode(), said.signature.encode()) and not contradicted,
            intact=pixels_digest(pixels) == said.pixels_sha256,
        )

    def _sign(self, claim: Claim, digest: str) -> _Statement:
        """Return a statement with this server's signature."""
        signed = b"\n".join((_SIGNED_AS, claim.to_json().encode(), digest.encode()))
        return _Statement(claim.to_json(), digest, hmac.digest(self._secret, signed, "sha256").hex())


def encode(image: Pixels, claim: Claim, format: ImageFormat = "png") -> bytes:  # noqa: A002
    """Return the file of a uint8 (h, w, 3) picture with its claim, unsigned; equal input gives equal bytes.

    PNG and WebP are lossless. JPEG (quality 95, 4:4:4) is not: its claim is of the pixels that it decodes to.

    Raises:
        ImageError: another dtype or shape, or a side too long for the format.
        ConfigError: another format.
    """
    return _encode(image, claim, format, lambda claim, digest: _Statement(claim.to_json(), digest, ""))


def _encode(
    image: Pixels,
    claim: Claim,
    format: ImageFormat,  # noqa: A002
    state: Callable[[Claim, str], _Statement],
) -> bytes:
    _check(image, format)
    if format == "png":
        return _encode_png(image, _png_entries(claim, state(claim, pixels_digest(image))))
    picture = Image.fromarray(image)
    if format == "webp":
        packet = _xmp(claim, state(claim, pixels_digest(image)))
        return _save(picture, "WEBP", lossless=True, exact=True, method=0, quality=0, xmp=packet)
    as_decoded = read_image(_save(picture, "JPEG", quality=95, subsampling=0))
    packet = _xmp(claim, state(claim, pixels_digest(as_decoded)))
    return _save(picture, "JPEG", quality=95, subsampling=0, xmp=packet)


def read_claim(data: bytes) -> Claim | None:
    """Return what a file says about itself, unverified; None if it is no whole PNG, WebP or JPEG, or has no claim."""
    found = _read_statement(data)
    return None if found is None else found[1]


def _read_statement(data: bytes) -> tuple[_File, Claim] | None:
    """Take a file apart and read its claim; returns None if that is impossible or there is no claim of ours."""
    try:
        file = _take_apart(data)
        if not file.statements or file.width * file.height > MAX_PIXELS:
            return None
        return file, Claim(**json.loads(file.statements[0].claim))
    except (ValueError, TypeError, IndexError, RecursionError, struct.error):
        return None


@dataclass(frozen=True)
class _Statement:
    """Claim with its signature, as text in a file."""

    claim: str
    pixels_sha256: str
    signature: str

    @property
    def entries(self) -> dict[str, str]:
        entries = {"Claim": self.claim, "Pixels-SHA256": self.pixels_sha256, "Signature": self.signature}
        return {name: text for name, text in entries.items() if text}

    @classmethod
    def of(cls, entries: Mapping[str, str]) -> Iterator[_Statement]:
        """Yield the statement in a file's entries, if there is one."""
        if "Claim" in entries:
            yield cls(entries["Claim"], entries.get("Pixels-SHA256", ""), entries.get("Signature", ""))


def _check(image: Pixels, format: ImageFormat) -> None:  # noqa: A002
    if format not in MEDIA_TYPES:
        raise ConfigError(f"format {format!r}: expected one of {', '.join(MEDIA_TYPES)}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(f"the picture is {image.dtype} {image.shape}; expected uint8 (h, w, 3) with pixels")
    if max(image.shape) > _LARGEST_SIDE[format]:
        raise ImageError(
            f"a side of {max(image.shape)} pixels; a {format} has at most {_LARGEST_SIDE[format]}: ask for png"
        )


def _save(picture: Image.Image, pillow_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=pillow_format, **options)
    return buffer.getvalue()


_XMP: Final = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:gestaltgen="{namespace}">
<xmp:CreatorTool>{software}</xmp:CreatorTool>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{notice}</rdf:li></rdf:Alt></dc:description>
<Iptc4xmpExt:DigitalSourceType>{digital_source_type}</Iptc4xmpExt:DigitalSourceType>
{entries}
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def _xmp(claim: Claim, said: _Statement) -> bytes:
    return _XMP.format(
        namespace=NAMESPACE,
        software=escape(claim.software, quote=False),
        notice=escape(claim.notice, quote=False),
        digital_source_type=claim.digital_source_type,
        entries="\n".join(
            f"<gestaltgen:{name}>{escape(text, quote=False)}</gestaltgen:{name}>" for name, text in said.entries.items()
        ),
    ).encode()


def _entries_of_xmp(packet: bytes) -> dict[str, str]:
    """Return our elements of an XMP packet, even if a tool has rewritten them as attributes."""
    if len(packet) > _MAX_METADATA_BYTES or "<!DOCTYPE" in (text := packet.decode()):
        return {}
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - short, and without a DOCTYPE there are no entities to expand
    except ElementTree.ParseError:
        return {}
    ours = f"{{{NAMESPACE}}}"
    return {
        name.removeprefix(ours): text or ""
        for element in root.iter()
        for name, text in ((element.tag, element.text), *element.attrib.items())
        if name.startswith(ours)
    }


_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG_PICTURE: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_PNG_XMP: Final = "XML:com.adobe.xmp"
_PNG_HEADER_BYTES: Final = 33
_PLAIN_ITXT: Final = re.compile(rb"([^\0]{1,79})\0\0\0[^\0]*\0[^\0]*\0(.*)", re.DOTALL)

_PNG_OPTIONS: Final = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
"""A filtered face hardly repeats itself, so that only runs are sought: against zlib's usual search (level 6) a quarter
of the time, for 2 % more bytes of a photo-realistic face and 11 % of a phantom."""


def _png_entries(claim: Claim, said: _Statement) -> dict[str, str]:
    return {
        "Software": claim.software,
        "Source": claim.source,
        "Digital-Source-Type": claim.digital_source_type,
        "Weights-SHA256": claim.weights_sha256,
        **said.entries,
        "Disclaimer": claim.notice,
        _PNG_XMP: _xmp(claim, said).decode(),
    }


def _encode_png(image: Pixels, text: Mapping[str, str]) -> bytes:
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _PNG_OPTIONS)
    plain = encoded.tobytes()
    chunks = (_itxt(key, value) for key, value in text.items())
    return b"".join((plain[:_PNG_HEADER_BYTES], *chunks, plain[_PNG_HEADER_BYTES:]))


def _itxt(key: str, text: str) -> bytes:
    body = b"iTXt" + key.encode() + b"\0\0\0\0\0" + text.encode()
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


@dataclass(frozen=True)
class _File:
    """A picture file taken apart.

    Args:
        picture: a file with nothing but what its pixels need: nothing else of it reaches a decoder.
    """

    width: int
    height: int
    picture: bytes
    statements: tuple[_Statement, ...]


def _take_apart(data: bytes) -> _File:
    """Raises ValueError, IndexError or struct.error if the file is of another format, or broken."""
    openers: tuple[tuple[bytes, Callable[[bytes], _File]], ...] = (
        (_PNG_SIGNATURE, _open_png),
        (b"\xff\xd8", _open_jpeg),
        (b"RIFF", _open_webp),
    )
    for start, opener in openers:
        if data.startswith(start):
            return opener(data)
    raise ValueError("expected a PNG, a WebP or a JPEG")


def _open_png(data: bytes) -> _File:
    kept, text = [_PNG_SIGNATURE], {}
    at, kind = len(_PNG_SIGNATURE), b""
    width, height = struct.unpack_from(">II", data, at + 8)
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ValueError("the last chunk is cut off")
        if (kind == b"IHDR") != (len(kept) == 1):
            raise ValueError("the header is not the first chunk, or not the only one")
        if kind in _PNG_PICTURE:
            kept.append(data[at:end])
        elif (
            kind == b"iTXt"
            and length <= _MAX_METADATA_BYTES
            and (entry := _PLAIN_ITXT.fullmatch(data, at + 8, end - 4))
        ):
            text[entry[1].decode("latin-1")] = entry[2].decode()
        at = end
    packet = text.get(_PNG_XMP, "").encode()
    statements = (*_Statement.of(text), *_Statement.of(_entries_of_xmp(packet)))
    return _File(width, height, b"".join(kept), statements)


_JPEG_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_PICTURE: Final = _JPEG_FRAMES | {0xC4, 0xDB, 0xDD, 0xE0, 0xEE}
_JPEG_SCAN: Final = 0xDA


def _open_jpeg(data: bytes) -> _File:
    kept, packet = [data[:2]], b""
    at, width, height = 2, 0, 0
    while data[at + 1] != _JPEG_SCAN:
        start, marker, length = struct.unpack_from(">BBH", data, at)
        segment = data[at : at + 2 + length]
        if start != 0xFF:
            raise ValueError("a segment does not begin where the last one ends")
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", segment, 5)
        if marker in _JPEG_PICTURE:
            kept.append(segment)
        if marker == 0xE1 and segment.startswith(_JPEG_XMP, 4):
            packet = segment[4 + len(_JPEG_XMP) :]
        at += 2 + length
    return _File(width, height, b"".join((*kept, data[at:])), (*_Statement.of(_entries_of_xmp(packet)),))


def _open_webp(data: bytes) -> _File:
    length, form = struct.unpack_from("<I4s", data, 4)
    if form != b"WEBP" or 8 + length > len(data):
        raise ValueError("not a WebP, or cut off")
    picture, packet = b"", b""
    at, width, height = 12, 0, 0
    while at < 8 + length:
        kind, size = struct.unpack_from("<4sI", data, at)
        end = at + 8 + size + size % 2
        if kind == b"VP8L":
            (bits,) = struct.unpack_from("<I", data, at + 9)
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if kind == b"VP8 ":
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, at + 14))
        if kind in (b"VP8L", b"VP8 "):
            picture = b"RIFF" + struct.pack("<I", 4 + end - at) + b"WEBP" + data[at:end]
        if kind == b"XMP ":
            packet = data[at + 8 : at + 8 + size]
        at = end
    return _File(width, height, picture, (*_Statement.of(_entries_of_xmp(packet)),))
