"""Marks: claims inside the files of pictures, PNG, WebP or JPEG, which the server can sign.

The claim lies in an XMP packet, the part of a file that most tools show and keep; a PNG has it once more in iTXt
entries. Verification answers three separate questions: what is claimed, whether this server claimed it, and whether the
pixels are still those that it was claimed of.
"""

from __future__ import annotations

import hmac
import io
import json
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
from faces.image_containers import MAX_METADATA_BYTES, take_apart
from faces.images import MAX_PIXELS, Pixels, pixels_digest, read_image

ImageFormat = Literal["png", "webp", "jpeg"]

MEDIA_TYPES: Final[Mapping[ImageFormat, str]] = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}
SUFFIXES: Final[Mapping[ImageFormat, str]] = {"png": ".png", "webp": ".webp", "jpeg": ".jpg"}

NAMESPACE: Final = "urn:x-gestaltgen:mark:1#"
"""XML namespace of the elements Claim, Pixels-SHA256 and Signature, which only this software writes."""

_LARGEST_SIDE: Final[Mapping[ImageFormat, int]] = {"png": 1_000_000, "webp": 16_383, "jpeg": 65_500}
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
        parts = _read_statements(data)
        if parts is None:
            return None
        picture, statements, claim = parts
        said = statements[0]
        try:
            pixels = read_image(picture) if pixels is None else pixels
        except ImageError:
            return None
        signed = self._sign(claim, said.pixels_sha256).signature
        contradicted = any(other != said for other in statements)
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
    parts = _read_statements(data)
    return None if parts is None else parts[2]


def _read_statements(data: bytes) -> tuple[bytes, tuple[_Statement, ...], Claim] | None:
    """Return the picture alone, the statements of a file, and the claim of the first; None if it has none of ours."""
    try:
        parts = take_apart(data)
        statements = (*_Statement.of(parts.text), *_Statement.of(_entries_of_xmp(parts.xmp)))
        if not statements or parts.width * parts.height > MAX_PIXELS:
            return None
        return parts.picture, statements, Claim(**json.loads(statements[0].claim))
    except (ImageError, ValueError, TypeError, RecursionError):
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
    if len(packet) > MAX_METADATA_BYTES or "<!DOCTYPE" in (text := packet.decode()):
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


_PNG_XMP: Final = "XML:com.adobe.xmp"
_PNG_HEADER_BYTES: Final = 33

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
