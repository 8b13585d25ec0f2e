"""Pictures: the walks over PNG, JPEG and WebP files, and the statements in their metadata."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from faces.image_containers import Format, check_container, sniff, take_apart
from tests.fuzzing.bounds import damaged, refused_or_read

MOST_PIXELS = 10_000
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
MARKERS = [b"\xff" + bytes([code]) for code in (0xC0, 0xC2, 0xC4, 0xD8, 0xD9, 0xDA, 0xE1, 0xFF)]
PIECES = {
    "PNG": [b"IHDR", b"IDAT", b"IEND", b"iTXt", b"acTL", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"%PDF-1."],
    "JPEG": [*MARKERS, b"\xff\xd8\xff", b"\0\0", b"\0\2", b"\xff\xff", b"http://ns.adobe.com/xap/1.0/\0"],
    "WEBP": [b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"XMP ", b"RIFF", b"\xff\xff\xff\xff", b"\0\0\0\0"],
}


@cache
def small_pictures(form: Format) -> list[bytes]:
    """A grey and a colour picture of 16 px."""
    files = []
    for mode in ("L", "RGB"):
        file = io.BytesIO()
        pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).convert(mode).save(file, form, xmp=XMP)
        files.append(file.getvalue())
    return files


def check(data: bytes, form: Format) -> None:
    """Walk over a file as every reader does."""
    with refused_or_read():
        check_container(data, form, MOST_PIXELS)
    with refused_or_read():
        take_apart(data)
    sniff(data[:12])


@pytest.mark.parametrize("form", get_args(Format))
@given(data=st.data())
def test_damaged_pictures_are_refused_or_pass(form: Format, data: st.DataObject) -> None:
    check(data.draw(damaged(small_pictures(form), PIECES[form])), form)


@given(st.lists(st.tuples(st.sampled_from(PIECES["PNG"]) | st.binary(min_size=4, max_size=4), st.binary(max_size=40))))
def test_png_files_of_sound_chunks(chunks: list[tuple[bytes, bytes]]) -> None:
    parts = [
        struct.pack(">I", len(content)) + kind[:4] + content + struct.pack(">I", zlib.crc32(kind[:4] + content))
        for kind, content in chunks
    ]
    check(b"\x89PNG\r\n\x1a\n" + b"".join(parts), "PNG")


@given(st.lists(st.tuples(st.sampled_from(MARKERS), st.binary(max_size=40))))
def test_jpeg_files_of_sound_segments(segments: list[tuple[bytes, bytes]]) -> None:
    parts = [marker + struct.pack(">H", len(content) + 2) + content for marker, content in segments]
    check(b"\xff\xd8" + b"".join(parts) + b"\xff\xd9", "JPEG")


@given(st.lists(st.tuples(st.sampled_from(PIECES["WEBP"]), st.binary(max_size=40))))
def test_webp_files_of_sound_chunks(chunks: list[tuple[bytes, bytes]]) -> None:
    parts = [kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for kind, content in chunks]
    body = b"WEBP" + b"".join(parts)
    check(b"RIFF" + struct.pack("<I", len(body)) + body, "WEBP")
