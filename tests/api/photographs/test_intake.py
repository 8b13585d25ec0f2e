from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import os
import random
import struct
import time
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import anyio
import numpy as np
import pytest
from PIL import Image

from api.encryption.upload_file import SealedUploadFile
from api.photographs.intake import MAX_BYTES, MAX_PIXELS, REMEDY, Received, check_container, receive
from api.problem_types import ProblemType
from api.problems import Problem
from faces.image_containers import FORMATS, Cause, ContainerError, Format, sniff

ORIENTATION = 0x0112
ZIP = b"PK\x03\x04" + bytes(26) + b"payload" + b"PK\x05\x06" + bytes(18)
PDF = b"%PDF-1.7\n1 0 obj\n"
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"


def quadrants(width: int = 48, height: int = 32) -> Image.Image:
    """Red, green, blue and white quarters, so that each of the eight orientations looks different."""
    picture = Image.new("RGB", (width, height), "white")
    half, low = width // 2, height // 2
    picture.paste("red", (0, 0, half, low))
    picture.paste("green", (half, 0, width, low))
    picture.paste("blue", (0, low, half, height))
    return picture


def encode(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


JPEG = encode(quadrants(), "JPEG", quality=95)
PNG = encode(quadrants(), "PNG")
WEBP = encode(quadrants(), "WEBP", lossless=True)
WEBP_LOSSY = encode(quadrants(), "WEBP", quality=80)
WHOLE: tuple[tuple[Format, bytes], ...] = (("JPEG", JPEG), ("PNG", PNG), ("WEBP", WEBP), ("WEBP", WEBP_LOSSY))


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks or (chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND")))


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def webp_chunk(data: bytes) -> bytes:
    """The contents of the only chunk of a plain WebP."""
    return data[20 : 20 + int.from_bytes(data[16:20], "little")]


def with_segment(marker: int, body: bytes) -> bytes:
    """JPEG with one more segment after its start."""
    return JPEG[:2] + struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body + JPEG[2:]


def with_frame_size(width: int, height: int) -> bytes:
    at = JPEG.index(b"\xff\xc0")
    return JPEG[: at + 5] + struct.pack(">HH", height, width) + JPEG[at + 9 :]


class Body:
    """A request body that counts the chunks taken from it."""

    def __init__(self, *chunks: bytes, pause_s: float = 0, failure: Exception | None = None) -> None:
        self.taken = 0
        self._chunks = chunks
        self._pause_s = pause_s
        self._failure = failure

    async def stream(self) -> AsyncIterator[bytes]:
        for piece in self._chunks:
            self.taken += 1
            yield piece
            if self._pause_s:
                await anyio.sleep(self._pause_s)
        if self._failure:
            raise self._failure


def receive_body(
    body: Body, folder: Path, max_bytes: int = MAX_BYTES, *, seconds: float = 60
) -> tuple[Received, bytes]:
    with SealedUploadFile(folder) as aside:

        async def run() -> Received:
            return await receive(body.stream(), aside, max_bytes, seconds=seconds)

        return asyncio.run(run()), aside.read()


def refusal(call: Callable[[], object]) -> Problem:
    with pytest.raises(Problem) as caught:
        call()
    return caught.value


def is_accepted(data: bytes, form: Format) -> bool:
    """Whether the check of a file's structure finds no fault."""
    try:
        check_container(data, form)
    except Problem:
        return False
    return True


def cause_of(problem: Problem) -> Cause:
    assert isinstance(problem.__cause__, ContainerError)
    return problem.__cause__.cause


# Receiving


@pytest.mark.parametrize(("form", "data"), WHOLE)
@pytest.mark.parametrize("piece", [1, 7, 1_000_000])
def test_a_body_is_taken_in_whole(form: Format, data: bytes, piece: int, tmp_path: Path) -> None:
    body = Body(*(data[at : at + piece] for at in range(0, len(data), piece)), b"")
    assert receive_body(body, tmp_path) == (Received(form, len(data), hashlib.sha256(data).hexdigest()), data)
    assert form in FORMATS


@pytest.mark.parametrize("size", [262_144, 1_000_000])
def test_a_body_of_many_blocks_is_taken_in_in_order(size: int, tmp_path: Path) -> None:
    data = (JPEG + np.random.default_rng(0).bytes(size))[:size]
    body = Body(*(data[at : at + 65_536] for at in range(0, len(data), 65_536)))
    received, found = receive_body(body, tmp_path)
    assert (received.sha256, found == data) == (hashlib.sha256(data).hexdigest(), True)


def test_a_body_of_exactly_the_limit_is_accepted(tmp_path: Path) -> None:
    assert receive_body(Body(JPEG), tmp_path, len(JPEG))[0].bytes == len(JPEG)


def test_reading_stops_at_the_first_byte_too_many(tmp_path: Path) -> None:
    body = Body(JPEG, *[bytes(100)] * 50)
    problem = refusal(lambda: receive_body(body, tmp_path, len(JPEG) + 199))
    assert (problem.type, problem.status, body.taken) == (ProblemType.BODY_TOO_LARGE, 413, 3)
    assert str(len(JPEG) + 199) in problem.detail


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"GIF89a" + bytes(20), "GIF"),
        (b"II*\0" + bytes(20), "TIFF"),
        (b"MM\0*" + bytes(20), "TIFF"),
        (b"BM" + bytes(20), "BMP"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (HTML, "HTML"),
        (PDF, "PDF"),
        (ZIP, "ZIP"),
        (b"\0\0\0\x18ftypheic" + bytes(20), "HEIC"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "RIFF"),
        (b"MZ" + bytes(20), "a program"),
        (b"a few words of text", "unknown format"),
        (b"short", "unknown format"),
        (b"\x89PNG\n\x1a\n" + bytes(20), "PNG"),
    ],
)
def test_other_formats_are_refused_by_their_first_bytes(head: bytes, name: str, tmp_path: Path) -> None:
    body = Body(head[:5], head[5:12], head[12:], *[bytes(1000)] * 50)
    problem = refusal(lambda: receive_body(body, tmp_path))
    assert (problem.type, problem.status) == (ProblemType.PICTURE_FORMAT_UNKNOWN, 415)
    assert name in problem.detail
    assert all(form.lower() in problem.detail.lower() for form in FORMATS)
    assert body.taken <= 4


@pytest.mark.parametrize("chunks", [(), (b"",), (b"", b"")])
def test_an_empty_body_is_refused(chunks: Sequence[bytes], tmp_path: Path) -> None:
    problem = refusal(lambda: receive_body(Body(*chunks), tmp_path))
    assert (problem.type, problem.status) == (ProblemType.BODY_EMPTY, 400)


def test_a_slow_body_is_refused_however_steadily_it_comes(tmp_path: Path) -> None:
    body = Body(*(JPEG[at : at + 1] for at in range(len(JPEG))), pause_s=0.01)
    problem = refusal(lambda: receive_body(body, tmp_path, seconds=0.1))
    assert (problem.type, problem.status) == (ProblemType.BODY_TOO_SLOW, 408)
    assert "0.1 s" in problem.detail
    assert 1 < body.taken < 20


def test_a_full_disk_is_no_fault_of_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: SealedUploadFile, block: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(SealedUploadFile, "write", full)
    with pytest.raises(OSError) as caught:  # noqa: PT011  its number is checked
        receive_body(Body(JPEG), tmp_path)
    assert caught.value.errno == errno.ENOSPC


# Containers


@pytest.mark.parametrize(("form", "data"), WHOLE)
def test_whole_files_pass(form: Format, data: bytes) -> None:
    assert sniff(data[:12]) == form
    assert is_accepted(data, form)


@pytest.mark.parametrize(
    "data",
    [
        encode(quadrants(), "JPEG", progressive=True),
        encode(quadrants(), "JPEG", restart_marker_blocks=1),
        encode(Image.effect_noise((400, 300), 90), "JPEG", quality=98),
        with_segment(0xE1, b"Exif\0\0" + JPEG),
        with_segment(0xFE, b"\xff\xd9\xff\xda"),
        JPEG[:2] + b"\xff\xff\xff" + JPEG[2:],
        JPEG + bytes(1000),
        JPEG + JPEG,
        JPEG + bytes(16) + encode(quadrants(), "JPEG", progressive=True) + bytes(8) + JPEG,
    ],
    ids=["progressive", "restarts", "stuffing", "thumbnail", "comment", "fill", "padding", "two", "three padded"],
)
def test_what_cameras_write_passes(data: bytes) -> None:
    assert is_accepted(data, "JPEG")


def test_pngs_with_metadata_and_webps_with_transparency_pass() -> None:
    assert is_accepted(encode(quadrants(), "PNG", exif=with_orientation(6), dpi=(300, 300)), "PNG")
    assert is_accepted(encode(quadrants().convert("RGBA"), "WEBP", exif=with_orientation(6)), "WEBP")
    assert is_accepted(encode(Image.new("RGBA", (33, 17), (1, 2, 3, 4)), "WEBP", lossless=False), "WEBP")


@pytest.mark.parametrize(("form", "data"), WHOLE)
def test_a_file_cut_anywhere_is_refused(form: Format, data: bytes) -> None:
    for length in range(12, len(data)):
        problem = refusal(lambda length=length: check_container(data[:length], form))
        assert (problem.status, cause_of(problem)) == (422, Cause.TRUNCATED), length
        assert str(length) in problem.detail


SCAN = JPEG[JPEG.index(b"\xff\xda") : -2]
ANIMATED = {"save_all": True, "append_images": [quadrants().rotate(180)], "duration": 100}

REFUSED: dict[str, tuple[Format, bytes, Cause, str]] = {
    "PNG + ZIP": ("PNG", PNG + ZIP, Cause.TRAILING_DATA, "ZIP"),
    "PNG + byte": ("PNG", PNG + b"\0", Cause.TRAILING_DATA, "1"),
    "PNG + PNG": ("PNG", PNG + PNG, Cause.TRAILING_DATA, "PNG"),
    "PNG with HTML": ("PNG", PNG[:33] + chunk(b"tEXt", b"Comment\0" + HTML) + PNG[33:], Cause.HIDDEN_FILE, "HTML"),
    "JPEG + ZIP": ("JPEG", JPEG + ZIP, Cause.TRAILING_DATA, "ZIP"),
    "JPEG + PDF": ("JPEG", JPEG + PDF, Cause.TRAILING_DATA, "PDF"),
    "JPEG + HTML": ("JPEG", JPEG + HTML, Cause.TRAILING_DATA, "markup"),
    "JPEG + GIF": ("JPEG", JPEG + b"GIF89a" + bytes(9), Cause.TRAILING_DATA, "GIF"),
    "JPEG + ELF": ("JPEG", JPEG + b"\x7fELF" + bytes(9), Cause.TRAILING_DATA, "a program"),
    "JPEG + MZ": ("JPEG", JPEG + bytes(8) + b"MZ\x90\0", Cause.TRAILING_DATA, "a program"),
    "JPEG + RAR": ("JPEG", JPEG + b"Rar!\x1a\x07\x01\0", Cause.TRAILING_DATA, "RAR"),
    "JPEG + 7z": ("JPEG", JPEG + b"7z\xbc\xaf\x27\x1c", Cause.TRAILING_DATA, "7z"),
    "JPEG + video": ("JPEG", JPEG + b"\0\0\0\x18ftypmp42", Cause.TRAILING_DATA, "video"),
    "JPEG + JPEG + ZIP": ("JPEG", JPEG + JPEG + ZIP, Cause.TRAILING_DATA, "ZIP"),
    "JPEG + cut JPEG": ("JPEG", JPEG + JPEG[:-2], Cause.TRUNCATED, ""),
    "JPEG x 17": ("JPEG", JPEG * 17, Cause.TOO_MANY_PARTS, "16"),
    "JPEG around ZIP": ("JPEG", with_segment(0xFE, ZIP), Cause.HIDDEN_FILE, "ZIP"),
    "JPEG around PDF": ("JPEG", with_segment(0xFE, PDF), Cause.HIDDEN_FILE, "PDF"),
    "JPEG around RAR": ("JPEG", with_segment(0xE5, b"Rar!\x1a\x07\x01\0"), Cause.HIDDEN_FILE, "RAR"),
    "JPEG around 7z": ("JPEG", with_segment(0xE5, b"7z\xbc\xaf\x27\x1c"), Cause.HIDDEN_FILE, "7z"),
    "JPEG with stray bytes": ("JPEG", JPEG[:2] + b"stray" + JPEG[2:], Cause.MALFORMED, "byte 2"),
    "JPEG in JPEG": ("JPEG", JPEG[:2] + JPEG, Cause.MALFORMED, "0xd8"),
    "JPEG without pixels": ("JPEG", b"\xff\xd8\xff\xd9", Cause.NO_PIXELS, ""),
    "JPEG of many segments": ("JPEG", b"\xff\xd8" + b"\xff\xe1\0\2" * 60_000, Cause.TOO_MANY_PARTS, "50000"),
    "JPEG with two sizes": ("JPEG", with_segment(0xC0, bytes.fromhex("08 0001 0001 01 012200")), Cause.MALFORMED, ""),
    "JPEG segment of length 1": ("JPEG", JPEG[:2] + b"\xff\xe1\0\1" + JPEG[2:], Cause.MALFORMED, "1"),
    "JPEG of many scans": ("JPEG", JPEG[:-2] + SCAN * 100 + JPEG[-2:], Cause.TOO_MANY_PARTS, "100"),
    "JPEG scan before its frame": ("JPEG", JPEG[:2] + SCAN + JPEG[2:], Cause.MALFORMED, ""),
    "JPEG too large": ("JPEG", with_frame_size(65535, 65535), Cause.TOO_LARGE, "65535 x 65535"),
    "JPEG of height 0": ("JPEG", with_frame_size(48, 0), Cause.NO_PIXELS, "48 x 0"),
    "second JPEG too large": ("JPEG", JPEG + with_frame_size(65535, 65535), Cause.TOO_LARGE, "65535 x 65535"),
    "PNG too large": ("PNG", png(50_000, 50_000), Cause.TOO_LARGE, "50000 x 50000"),
    "PNG just too large": ("PNG", png(40_000_001, 1), Cause.TOO_LARGE, "40000001 x 1"),
    "PNG of width 0": ("PNG", png(0, 9), Cause.NO_PIXELS, "0 x 9"),
    "PNG without pixels": ("PNG", png(9, 9, chunk(b"IEND")), Cause.NO_PIXELS, ""),
    "PNG without header": ("PNG", PNG[:8] + chunk(b"IDAT") + chunk(b"IEND"), Cause.MALFORMED, ""),
    "PNG with two headers": ("PNG", PNG[:33] + PNG[8:], Cause.MALFORMED, ""),
    "PNG of many chunks": ("PNG", png(9, 9, *[chunk(b"IDAT")] * 60_000), Cause.TOO_MANY_PARTS, "50000"),
    "PNG with a wrong checksum": ("PNG", PNG[:32] + bytes([PNG[32] ^ 1]) + PNG[33:], Cause.DAMAGED, "byte 8"),
    "PNG chunk too long": ("PNG", PNG[:33] + b"\xff\xff\xff\xffIDAT" + PNG[41:], Cause.TRUNCATED, ""),
    "animated PNG": ("PNG", encode(quadrants(), "PNG", **ANIMATED), Cause.ANIMATED, ""),
    "animated WebP": ("WEBP", encode(quadrants(), "WEBP", **ANIMATED), Cause.ANIMATED, ""),
    "WebP with a frame": ("WEBP", riff((b"VP8L", webp_chunk(WEBP)), (b"ANMF", bytes(16))), Cause.ANIMATED, ""),
    "WebP + HTML": ("WEBP", WEBP + HTML, Cause.TRAILING_DATA, "markup"),
    "WebP around HTML": ("WEBP", riff((b"VP8L", webp_chunk(WEBP)), (b"XMP ", HTML)), Cause.HIDDEN_FILE, "HTML"),
    "WebP without pixels": ("WEBP", riff((b"VP8X", bytes(10))), Cause.SEVERAL_PICTURES, "0"),
    "WebP with two pictures": ("WEBP", riff(*[(b"VP8L", webp_chunk(WEBP))] * 2), Cause.SEVERAL_PICTURES, "2"),
    "WebP canvas too large": (
        "WEBP",
        riff((b"VP8X", bytes(4) + b"\xff\x3f\0\xff\x3f\0")),
        Cause.TOO_LARGE,
        "16384 x 16384",
    ),
    "lossless WebP too large": ("WEBP", riff((b"VP8L", b"\x2f\xff\xff\xff\x0f")), Cause.TOO_LARGE, "16384 x 16384"),
    "lossy WebP too large": (
        "WEBP",
        riff((b"VP8 ", b"\0\0\0\x9d\x01\x2a\xff\x3f\xff\x3f")),
        Cause.TOO_LARGE,
        "16383 x 16383",
    ),
    "WebP with a broken header": ("WEBP", riff((b"VP8L", b"\x2f\xff")), Cause.MALFORMED, ""),
    "WebP of many chunks": ("WEBP", riff(*[(b"junk", b"")] * 60_000), Cause.TOO_MANY_PARTS, "50000"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_containers_are_refused(name: str) -> None:
    form, data, cause, value = REFUSED[name]
    problem = refusal(lambda: check_container(data, form))
    assert (problem.type, problem.status) == (ProblemType.PICTURE_UNUSABLE, 422)
    assert cause_of(problem) is cause
    assert value in problem.detail
    assert REMEDY in problem.detail


def test_the_pixel_limit_is_the_callers() -> None:
    check_container(PNG, "PNG", 48 * 32)
    problem = refusal(lambda: check_container(PNG, "PNG", 48 * 32 - 1))
    assert cause_of(problem) is Cause.TOO_LARGE
    assert "48 x 32" in problem.detail
    assert "1535" in problem.detail
    check_container(png(8000, MAX_PIXELS // 8000), "PNG")


@pytest.mark.parametrize("filling", [b"\xff\0", b"\xff", b"\0", b"\xff\xd0", b"<htm", b"\xff\xff\0"])
def test_large_files_are_checked_fast(filling: bytes) -> None:
    scan = JPEG.index(b"\xff\xda")
    body = scan + 2 + int.from_bytes(JPEG[scan + 2 : scan + 4], "big")
    data = JPEG[:body] + filling * (20_000_000 // len(filling)) + JPEG[-2:]
    start = time.process_time()
    check_container(data, "JPEG")
    assert time.process_time() - start < 3  # about 0.2 s; a step of Python for each byte would take longer


def mutate(data: bytes, draw: random.Random) -> bytes:
    """`data` with bytes changed, a piece removed or a piece repeated."""
    result = bytearray(data)
    kind = draw.randrange(3)
    start, end = sorted(draw.randrange(12, len(data)) for _ in range(2))
    if kind == 0:
        for _ in range(draw.randint(1, 8)):
            result[draw.randrange(12, len(result))] = draw.choice((0, 0xFF, 0xD8, 0xDA, draw.randrange(256)))
    elif kind == 1:
        del result[start:end]
    else:
        result[start:start] = data[start:end]
    return bytes(result)


def test_mutations_meet_problems_only() -> None:
    draw = random.Random(20)  # noqa: S311
    refusals = []
    for _ in range(300):
        form, data = draw.choice(WHOLE)
        try:
            check_container(mutate(data, draw), form)
        except Problem as problem:
            refusals.append(problem.status)
    assert set(refusals) == {422}
    assert 100 < len(refusals) < 300
