"""What pictures say of themselves survives copying, and cannot be forged, altered or used against the reader."""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import warnings
import zlib
from dataclasses import replace
from html import escape
from typing import Any, get_args
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import get_sampling
from PIL.PngImagePlugin import PngInfo

from api.provenance.claims import EDITED_NOTICE, MAX_CLAIM_CHARACTERS, NOTICE, Claim
from api.provenance.marks import MEDIA_TYPES, NAMESPACE, SUFFIXES, ImageFormat, Marked, Marker
from core.errors import ConfigError, ImageError
from faces.images import Pixels, pixels_digest, read_image

FORMATS: tuple[ImageFormat, ...] = get_args(ImageFormat)
CLAIM = Claim(
    "synthetic", "ab" * 32, {"seed": 7, "condition": "Cornelia-de-Lange <& 'Übersicht'> 面", "truncation": 0.7}
)
SMILE = Claim("edited", "cd" * 32, {"direction": "smile", "strength": 1.5, "smile": {"before": 0.1, "after": 0.9}})
MARKER = Marker(b"s" * 32)


@pytest.fixture(scope="module")
def face(astronaut: Pixels) -> Pixels:
    return np.ascontiguousarray(astronaut[40:168, 160:256])  # 128 high, 96 wide


def read(data: bytes, marker: Marker = MARKER) -> Marked | None:
    """What the marker reads, having made sure that nothing warns: a picture from outside must not fill the log."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        marked = marker.read(data)
    assert not caught, caught[0].message
    return marked


def found(data: bytes, marker: Marker = MARKER) -> Marked:
    marked = read(data, marker)
    assert marked is not None
    return marked


def saved(image: Pixels | Image.Image, pillow_format: str, **options: Any) -> bytes:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    picture.save(buffer, pillow_format, **options)
    return buffer.getvalue()


def xmp_of(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        packet = picture.info.get("xmp") or picture.info["XML:com.adobe.xmp"]
    return packet if isinstance(packet, bytes) else packet.encode()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    return png[:33] + chunk(kind, body) + png[33:]


@pytest.mark.parametrize(
    "claim", [CLAIM, SMILE, replace(SMILE, source="reconstructed")], ids=lambda claim: claim.source
)
@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_says_what_was_claimed(face: Pixels, claim: Claim, format_: ImageFormat) -> None:
    data = MARKER.encode(face, claim, format_)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.get_format_mimetype() == MEDIA_TYPES[format_]
        assert Image.registered_extensions()[SUFFIXES[format_]] == picture.format
    assert read(data) == Marked(claim, pixels_digest(read_image(data)), genuine=True, intact=True)


@pytest.mark.parametrize("format_", ["png", "webp"])
def test_png_and_webp_keep_every_pixel(face: Pixels, format_: ImageFormat) -> None:
    data = MARKER.encode(face, CLAIM, format_)
    assert np.array_equal(read_image(data), face)
    assert found(data).pixels_sha256 == pixels_digest(face)


def test_jpeg_is_close_and_its_scan_does_not_depend_on_the_claim(face: Pixels) -> None:
    data, plain = MARKER.encode(face, CLAIM, "jpeg"), saved(face, "JPEG", quality=95, subsampling=0)
    with Image.open(io.BytesIO(data)) as picture:
        assert get_sampling(picture) == 0  # 4:4:4
    assert np.abs(read_image(data).astype(int) - face).mean() < 3
    assert data[data.rindex(b"\xff\xda") :] == plain[plain.rindex(b"\xff\xda") :]
    assert np.array_equal(read_image(data), read_image(plain))
    assert found(data).pixels_sha256 == pixels_digest(read_image(plain)) != pixels_digest(face)


@pytest.mark.parametrize("format_", FORMATS)
def test_the_same_input_gives_the_same_bytes(face: Pixels, format_: ImageFormat) -> None:
    reordered = replace(CLAIM, what=dict(sorted(CLAIM.what.items(), reverse=True)))
    assert list(reordered.what) != list(CLAIM.what)
    data = MARKER.encode(face, CLAIM, format_)
    assert MARKER.encode(face.copy(), reordered, format_) == data
    for same in (np.asfortranarray(face), face[::-1, ::-1].copy()[::-1, ::-1]):
        assert MARKER.encode(same, CLAIM, format_) == data


def test_the_digest_tells_shapes_apart() -> None:
    assert pixels_digest(np.zeros((2, 3, 3), np.uint8)) != pixels_digest(np.zeros((3, 2, 3), np.uint8))
    assert pixels_digest(np.zeros((1, 1, 3), np.uint8)) == hashlib.sha256(b"1x1:\0\0\0").hexdigest()


def test_a_changed_pixel_is_seen_and_the_claim_still_genuine(face: Pixels) -> None:
    changed = face.copy()
    changed[5, 5, 0] ^= 1
    xmp = xmp_of(MARKER.encode(face, CLAIM, "webp"))
    for data in (
        saved(changed, "WEBP", lossless=True, exact=True, xmp=xmp),
        saved(face, "WEBP", quality=80, xmp=xmp),
        saved(face, "JPEG", quality=95, xmp=xmp),
        saved(face[:-1], "WEBP", lossless=True, exact=True, xmp=xmp),
    ):
        marked = found(data)
        assert (marked.claim, marked.genuine, marked.intact) == (CLAIM, True, False)


def test_a_claim_moves_with_its_pixels_into_another_lossless_file(face: Pixels) -> None:
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp_of(MARKER.encode(face, CLAIM, "webp")).decode())
    opaque = Image.fromarray(face).convert("RGBA")
    for data in (saved(face, "PNG", pnginfo=text), saved(opaque, "PNG", pnginfo=text)):
        assert found(data) == Marked(CLAIM, pixels_digest(face), genuine=True, intact=True)
    opaque.putalpha(128)
    assert not found(saved(opaque, "PNG", pnginfo=text)).intact


@pytest.mark.parametrize("format_", FORMATS)
def test_an_edited_claim_is_not_genuine(face: Pixels, format_: ImageFormat) -> None:
    xmp = xmp_of(MARKER.encode(face, CLAIM, "jpeg")).replace(b'"seed":7', b'"seed":8')
    if format_ == "png":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        data = saved(face, "PNG", pnginfo=text)
    else:
        data = saved(face, format_.upper(), xmp=xmp)
    marked = found(data)
    assert marked.claim.what["seed"] == 8
    assert not marked.genuine


def test_a_png_that_contradicts_itself_is_not_genuine(face: Pixels) -> None:
    other = MARKER.encode(face, replace(CLAIM, what={"seed": 8}), "jpeg")
    with Image.open(io.BytesIO(MARKER.encode(face, CLAIM))) as picture:
        entries = dict(picture.text)  # type: ignore[attr-defined]
    text = PngInfo()
    for key, value in (entries | {"XML:com.adobe.xmp": xmp_of(other).decode()}).items():
        text.add_itxt(key, value)
    marked = found(saved(face, "PNG", pnginfo=text))
    assert (marked.genuine, marked.intact) == (False, True)


def test_a_signature_holds_for_one_picture_only(face: Pixels) -> None:
    other = face[::-1].copy()
    digests = pixels_digest(face).encode(), pixels_digest(other).encode()
    xmp = xmp_of(MARKER.encode(face, CLAIM, "webp")).replace(*digests)
    marked = found(saved(other, "WEBP", lossless=True, exact=True, xmp=xmp))
    assert (marked.genuine, marked.intact) == (False, True)


@pytest.mark.parametrize("format_", FORMATS)
def test_another_server_signs_differently(face: Pixels, format_: ImageFormat) -> None:
    marked = found(MARKER.encode(face, CLAIM, format_), Marker(b"t" * 32))
    assert (marked.claim, marked.genuine, marked.intact) == (CLAIM, False, True)


@pytest.mark.parametrize("signature", [b"", b"x", "\u00e9".encode()])
def test_a_damaged_signature_is_not_genuine(face: Pixels, signature: bytes) -> None:
    xmp = re.sub(rb"(?<=:Signature>)[0-9a-f]{64}", signature, xmp_of(MARKER.encode(face, CLAIM, "webp")))
    assert not found(saved(face, "WEBP", lossless=True, exact=True, xmp=xmp)).genuine


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_without_metadata_says_nothing(face: Pixels, format_: ImageFormat) -> None:
    assert read(saved(read_image(MARKER.encode(face, CLAIM, format_)), format_.upper())) is None


@pytest.mark.parametrize("claim", [CLAIM, SMILE], ids=lambda claim: claim.source)
@pytest.mark.parametrize("format_", FORMATS)
def test_other_programs_find_the_digital_source_type(face: Pixels, claim: Claim, format_: ImageFormat) -> None:
    root = ElementTree.fromstring(xmp_of(MARKER.encode(face, claim, format_)))  # noqa: S314 - our own bytes
    description = root.find(".//{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    assert description is not None
    term = {"synthetic": "trainedAlgorithmicMedia", "edited": "compositeWithTrainedAlgorithmicMedia"}[claim.source]
    assert (
        description.findtext("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
        == f"http://cv.iptc.org/newscodes/digitalsourcetype/{term}"
    )
    assert description.findtext("{http://ns.adobe.com/xap/1.0/}CreatorTool") == claim.software
    notice = description.find("{http://purl.org/dc/elements/1.1/}description")
    assert notice is not None
    assert "".join(notice.itertext()) == (NOTICE if claim is CLAIM else EDITED_NOTICE)
    assert json.loads(description.findtext(f"{{{NAMESPACE}}}Claim", ""))["what"] == claim.what


def test_a_png_names_its_entries_for_people(face: Pixels) -> None:
    with Image.open(io.BytesIO(MARKER.encode(face, CLAIM))) as picture:
        text = picture.text  # type: ignore[attr-defined]
    assert list(text) == [
        "Software",
        "Source",
        "Digital-Source-Type",
        "Weights-SHA256",
        "Claim",
        "Pixels-SHA256",
        "Signature",
        "Disclaimer",
        "XML:com.adobe.xmp",
    ]
    assert re.fullmatch(r"gestaltgen( \d+\.\d+\.\d+.*)?", text["Software"])
    assert (text["Source"], text["Weights-SHA256"], text["Disclaimer"]) == ("synthetic", "ab" * 32, NOTICE)


def test_entries_rewritten_as_attributes_are_read(face: Pixels) -> None:
    packet = xmp_of(MARKER.encode(face, CLAIM, "webp")).decode()
    entries = re.findall(r"<gestaltgen:([\w-]+)>(.*?)</gestaltgen:", packet)
    assert len(entries) == 3
    shorthand = " ".join("gestaltgen:{}='{}'".format(name, text.replace("'", "&apos;")) for name, text in entries)
    xmp = (
        f"<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns:gestaltgen='{NAMESPACE}'>"
        f"<r:Description {shorthand}/></r:RDF>"
    )
    data = saved(face, "WEBP", lossless=True, exact=True, xmp=xmp.encode())
    assert found(data) == Marked(CLAIM, pixels_digest(face), genuine=True, intact=True)


@pytest.mark.parametrize("format_", FORMATS)
def test_truncated_files_are_no_pictures(face: Pixels, format_: ImageFormat) -> None:
    data = MARKER.encode(face[:24, :24], CLAIM, format_)
    for length in range(len(data)):
        assert read(data[:length]) is None, length


@pytest.mark.parametrize("format_", FORMATS)
def test_damaged_bytes_never_raise_nor_pass_as_the_original(face: Pixels, format_: ImageFormat) -> None:
    small = face[:24, :24]
    data = MARKER.encode(small, CLAIM, format_)
    signed = found(data).pixels_sha256
    generator = np.random.default_rng(0)
    for _ in range(600):
        damaged = bytearray(data)
        for at in generator.integers(0, len(data), size=generator.integers(1, 4)):
            damaged[at] = generator.integers(0, 256)
        marked = read(bytes(damaged))
        if marked is not None and marked.genuine and marked.intact:
            assert (marked.claim, marked.pixels_sha256) == (CLAIM, signed)


def test_random_bytes_are_no_pictures() -> None:
    generator = np.random.default_rng(0)
    for start in (
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8",
        b"\xff\xd8\xff\xe1",
        b"RIFF",
        b"RIFF\x40\0\0\0WEBP",
        b"GIF89a",
    ):
        for _ in range(100):
            assert read(start + generator.bytes(200)) is None


def hostile_packets() -> dict[str, bytes]:
    claim = f"<c xmlns='{NAMESPACE}'><Claim>%s</Claim></c>"
    good = escape(CLAIM.to_json(), quote=False)
    laughs = "".join(f"<!ENTITY a{i + 1} '{f'&a{i};' * 10}'>" for i in range(9))
    return {
        "entities that grow": f"<!DOCTYPE c [<!ENTITY a0 'ha'>{laughs}]>{claim % '&a9;'}".encode(),
        "an entity that is a claim": f"<!DOCTYPE c [<!ENTITY a '{escape(good)}'>]>{claim % '&a;'}".encode(),
        "an external entity": f"<!DOCTYPE c [<!ENTITY a SYSTEM 'file:///etc/hostname'>]>{claim % '&a;'}".encode(),
        "entities in UTF-16": f"<!DOCTYPE c [<!ENTITY a 'ha'>]>{claim % '&a;'}".encode("utf-16"),
        "an unknown entity": (claim % "&a;").encode(),
        "another encoding": ("<?xml version='1.0' encoding='utf-7'?>" + claim % "{}").encode(),
        "no XML": b"\xff\0<",
        "no end": b"<a>" * 20_000,
        "depth": b"<a>" * 9_000 + b"</a>" * 9_000,
        "deep JSON": (claim % ("[" * 30_000)).encode(),
        "JSON of another shape": (claim % "[1]").encode(),
        "another claim": (claim % '{"source":"photograph","weights_sha256":"","what":{},"software":""}').encode(),
        "a claim that lists": (
            claim % '{"source":"edited","weights_sha256":"","what":[["a",1]],"software":""}'
        ).encode(),
        "a claim in numbers": (claim % '{"source":"edited","weights_sha256":1,"what":{},"software":""}').encode(),
        "a number that is none": (
            claim % '{"source":"edited","weights_sha256":"","what":{"a":NaN},"software":""}'
        ).encode(),
        "a number too long": (
            claim % f'{{"source":"edited","weights_sha256":"","what":{{"a":{"9" * 5000}}},"software":""}}'
        ).encode(),
    }


@pytest.mark.parametrize("packet", hostile_packets().values(), ids=hostile_packets())
@pytest.mark.parametrize("format_", FORMATS)
def test_hostile_packets_say_nothing(face: Pixels, packet: bytes, format_: ImageFormat) -> None:
    if format_ == "png":
        data = with_chunk(saved(face, "PNG"), b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
    else:
        data = saved(face, format_.upper(), xmp=packet)
    assert read(data) is None


def test_metadata_too_large_is_not_parsed(face: Pixels) -> None:
    claim, padding = CLAIM.to_json().encode(), b" " * 300_000
    assert read(with_chunk(saved(face, "PNG"), b"iTXt", b"Claim\0\0\0\0\0" + claim)) is not None
    assert read(with_chunk(saved(face, "PNG"), b"iTXt", b"Claim\0\0\0\0\0" + claim + padding)) is None
    assert read(saved(face, "WEBP", xmp=xmp_of(MARKER.encode(face, CLAIM)) + padding)) is None


@pytest.mark.parametrize(
    ("format_", "options"),
    [("webp", {"lossless": True, "exact": True}), ("jpeg", {"quality": 95, "subsampling": 0})],
)
def test_broken_exif_beside_the_claim_is_left_alone(
    face: Pixels, format_: ImageFormat, options: dict[str, Any]
) -> None:
    marked = MARKER.encode(face, CLAIM, format_)
    broken = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff broken"
    assert found(saved(face, format_.upper(), xmp=xmp_of(marked), exif=broken, **options)) == found(marked)


def test_text_that_would_grow_is_not_expanded(face: Pixels) -> None:
    bomb = zlib.compress(bytes(100_000_000))
    plain, marked = saved(face, "PNG"), MARKER.encode(face, CLAIM)
    for kind, body in (
        (b"zTXt", b"Claim\0\0" + bomb),
        (b"iTXt", b"Claim\0\1\0\0\0" + bomb),
        (b"iCCP", b"profile\0\0" + bomb),
        (b"iTXt", b"Claim\0\0\0\0\0" + b"[" * 20_000_000),
        (b"iTXt", b"no separators"),
        (b"tEXt", b"Claim\0{}"),
        (b"eXIf", b"MM\0*\0\0\0\x08\xff\xff broken"),
        (b"acTL", b"\0\0\0\0\0\0\0\0"),
    ):
        assert read(with_chunk(plain, kind, body)) is None
        assert read(with_chunk(marked, kind, body)) == Marked(CLAIM, pixels_digest(face), genuine=True, intact=True)


def test_pictures_that_would_grow_are_not_decoded(face: Pixels) -> None:
    side = struct.pack(">I", 10_000)
    marked = MARKER.encode(face, CLAIM)
    header = chunk(b"IHDR", side + side + marked[24:29])
    assert read(marked[:8] + header + marked[33:]) is None
    assert read(marked[:33] + header + marked[33:]) is None
    webp = MARKER.encode(face, CLAIM, "webp")
    at = webp.index(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", webp, at)
    assert read(webp[:at] + struct.pack("<I", bits | 0xFFFFFFF) + webp[at + 4 :]) is None
    jpeg = MARKER.encode(face, CLAIM, "jpeg")
    at = jpeg.index(b"\xff\xc0") + 5
    assert read(jpeg[:at] + b"\xff\xff\xff\xff" + jpeg[at + 4 :]) is None


def test_claims_that_no_file_can_hold_are_refused() -> None:
    with pytest.raises(ConfigError, match="source 'photograph': expected one of synthetic, edited, reconstructed"):
        replace(CLAIM, source="photograph")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot be written as JSON"):
        replace(CLAIM, what={"w": np.zeros(3)})
    with pytest.raises(ConfigError, match="cannot be written as JSON"):
        replace(CLAIM, what={"w": float("nan")})
    with pytest.raises(ConfigError, match="expected a mapping"):
        replace(CLAIM, what=[1])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="control characters"):
        replace(CLAIM, software="a\0b")
    with pytest.raises(ConfigError, match=f"at most {MAX_CLAIM_CHARACTERS}"):
        replace(CLAIM, what={"note": "&" * 10_000})


@pytest.mark.parametrize("format_", FORMATS)
def test_the_longest_claim_fits_into_every_format(face: Pixels, format_: ImageFormat) -> None:
    room = MAX_CLAIM_CHARACTERS - len(replace(CLAIM, what={"note": ""}).to_json())
    claim = replace(CLAIM, what={"note": "x" * room})
    assert found(MARKER.encode(face, claim, format_)).claim == claim


def test_pictures_that_are_none_are_refused(face: Pixels) -> None:
    images: tuple[Any, ...] = (face[..., 0], face.astype(np.float32), face[:0])
    for image in images:
        with pytest.raises(ImageError, match=r"expected uint8 \(h, w, 3\)"):
            MARKER.encode(image, CLAIM)
    with pytest.raises(ImageError, match="a side of 16384 pixels; a webp has at most 16383: ask for png"):
        MARKER.encode(np.zeros((1, 16_384, 3), np.uint8), CLAIM, "webp")
    with pytest.raises(ConfigError, match="format 'gif': expected one of png, webp, jpeg"):
        MARKER.encode(face, CLAIM, "gif")  # type: ignore[arg-type]


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ConfigError, match="a secret of 6 bytes; expected at least 32"):
        Marker(b"secret")
