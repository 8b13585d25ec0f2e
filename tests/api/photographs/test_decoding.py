"""The decoder of photographs: what it makes of them, and the process that confines it."""

from __future__ import annotations

import random
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api.photographs import confined_process, decoding
from api.photographs.decoding import Decoder
from api.photographs.intake import MAX_PIXELS
from api.problem_types import ProblemType
from api.problems import Problem
from faces.image_containers import FORMATS, Cause, Format
from faces.images import Pixels, read_image
from tests.api.photographs.test_intake import (
    JPEG,
    PNG,
    WEBP,
    WEBP_LOSSY,
    WHOLE,
    cause_of,
    chunk,
    encode,
    mutate,
    png,
    quadrants,
    refusal,
    with_orientation,
)


def decode(data: bytes, decoder: Decoder | None = None) -> Pixels:
    return (decoder or Decoder()).decode(data)


TRANSPARENT = Image.new("RGBA", (20, 10), (255, 0, 0, 0))
GRADIENT = Image.fromarray(np.linspace(0, 65535, 600).astype(np.uint16).reshape(20, 30))

GOOD = {
    "JPEG": JPEG,
    "PNG": PNG,
    "WebP": WEBP,
    "lossy WebP": WEBP_LOSSY,
    "two JPEGs": JPEG + encode(Image.new("L", (8, 8)), "JPEG"),
    "multi-picture JPEG": encode(quadrants(), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))]),
    "grey JPEG": encode(quadrants().convert("L"), "JPEG"),
    "CMYK JPEG": encode(quadrants().convert("CMYK"), "JPEG", quality=95),
    "progressive JPEG": encode(quadrants(), "JPEG", progressive=True, exif=with_orientation(8)),
    "16-bit PNG": encode(GRADIENT, "PNG"),
    "palette PNG": encode(quadrants().quantize(4), "PNG"),
    "palette PNG with transparency": encode(quadrants().quantize(4), "PNG", transparency=0),
    "black and white PNG": encode(quadrants().convert("1"), "PNG"),
    "transparent PNG": encode(TRANSPARENT, "PNG"),
    "transparent WebP": encode(TRANSPARENT, "WEBP", exif=with_orientation(6)),
    "grey PNG with transparency": encode(quadrants().convert("LA"), "PNG", exif=with_orientation(3)),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_photographs_decode_as_everywhere_else(name: str) -> None:
    pixels = decode(GOOD[name])
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    np.testing.assert_array_equal(pixels, read_image(GOOD[name]))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_whole_picture_is_turned_upright(orientation: int) -> None:
    upright = quadrants()
    stored_as = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    pixels = decode(encode(stored_as, "JPEG", quality=95, subsampling=0, exif=with_orientation(orientation)))
    assert pixels.shape == (32, 48, 3)
    difference = pixels.astype(int) - np.asarray(upright)
    assert np.abs(difference).mean() < 3


def test_sixteen_bits_are_scaled_and_transparency_is_white() -> None:
    grey = decode(GOOD["16-bit PNG"])
    assert (grey.min(), grey.max(), int(grey[10, 0, 0])) == (0, 255, 128)
    assert (decode(GOOD["transparent PNG"]) == 255).all()


@pytest.mark.parametrize(("form", "data"), WHOLE)
def test_cut_photographs_are_refused(form: Format, data: bytes) -> None:
    for length in (20, len(data) // 2, len(data) - 1):
        problem = refusal(lambda length=length: decode(data[:length]))
        assert (problem.status, cause_of(problem)) == (422, Cause.TRUNCATED)


def test_other_formats_never_reach_a_decoder() -> None:
    assert refusal(lambda: decode(encode(quadrants(), "GIF"))).status == 415
    assert refusal(lambda: decode(b"")).status == 415


@pytest.mark.parametrize(
    "pixels", [b"", zlib.compress(bytes(1000)), b"no deflate stream"], ids=["none", "few", "broken"]
)
def test_a_header_that_promises_more_than_there_is_is_refused(pixels: bytes) -> None:
    problem = refusal(lambda: decode(png(6000, 5000, chunk(b"IDAT", pixels), chunk(b"IEND"))))
    assert (problem.type, problem.status) == (ProblemType.PICTURE_UNUSABLE, 422)


def test_the_reason_is_short_and_names_no_path(tmp_path: Path) -> None:
    unknown = chunk(b"IDAT", b"no deflate stream") + chunk(b"IEND")
    problem = refusal(lambda: decode(png(60, 50, unknown)))
    assert len(problem.detail) < 300
    assert str(tmp_path) not in problem.detail
    assert "/" not in problem.detail


def test_memory_is_limited() -> None:
    picture = encode(Image.new("RGB", (4000, 3000)), "PNG", compress_level=1)
    assert decode(picture).shape == (3000, 4000, 3)
    problem = refusal(lambda: decode(picture, Decoder(memory_bytes=80_000_000)))
    assert (problem.type, problem.status) == (ProblemType.PICTURE_UNUSABLE, 422)
    assert "80000000 bytes" in problem.detail


def test_a_decoder_that_cannot_even_start_refuses() -> None:
    problem = refusal(lambda: decode(PNG, Decoder(memory_bytes=1_000_000)))
    assert (problem.type, problem.status) == (ProblemType.PICTURE_UNUSABLE, 422)


def test_processor_time_is_limited(caplog: pytest.LogCaptureFixture) -> None:
    whole = encode(Image.new("RGB", (6300, 6300)), "JPEG", progressive=True, subsampling=0)
    last = whole[whole.rindex(b"\xff\xc4") : -2]
    bomb = whole[:-2] + last * (100 - whole.count(b"\xff\xda")) + whole[-2:]
    assert len(bomb) < 500_000
    problem = refusal(lambda: decode(bomb, Decoder(cpu_s=1)))
    assert (problem.type, problem.status) == (ProblemType.PICTURE_UNUSABLE, 422)
    assert "1 s" in problem.detail
    assert "ended with status" in caplog.text


def instead_of_the_decoder(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    """Run, as the child, `code`: it finds the decoder's module as `decoder`, and what it `say`s is the reason."""
    program = folder / "program.py"
    program.write_text(
        f"import os, resource, runpy, sys, time\n"
        f"decoder = runpy.run_path({confined_process.__file__!r})\n"
        f"write = sys.stdout.buffer.write\n"
        f"def say(text): write(decoder['HEADER'].pack(0, 0) + str(text).encode())\n"
        f"def confine(): decoder['confine'](decoder['DecoderLimits'](*map(int, sys.argv[2:])))\n"
        f"{code}\n"
    )
    monkeypatch.setattr(decoding, "PROGRAM", program)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("os.abort()", "status -6"),
        ("sys.modules['PIL.PngImagePlugin'] = None\ndecoder['main'](*sys.argv[1:])", "status 1"),
        ("sys.exit(3)", "status 3"),
        ("confine()\nwhile True: pass", " 1 s"),
        ("time.sleep(60)", "0.5 s"),
        ("write(bytes(4))\nsys.stdout.buffer.flush()\ntime.sleep(60)", "0.5 s"),
        ("os.close(1)\ntime.sleep(60)", "0.5 s"),
        ("write(decoder['HEADER'].pack(9, 9) + bytes(242))", "status 0"),
        ("write(decoder['HEADER'].pack(9, 9) + bytes(243))\nsys.stdout.flush()\nos._exit(1)", "status 1"),
        ("write(decoder['HEADER'].pack(9, 9) + bytes(10**7))", "0.5 s"),
        ("write(bytes([255]) * 10**7)", "4294967295 x 4294967295"),
        ("say('x' * 10**7)", "(" + "x" * 120 + ")"),
        ("say('ä\\n')", "(???)"),
    ],
)
def test_whatever_the_child_does_is_a_refusal(
    code: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of_the_decoder(monkeypatch, tmp_path, code)
    wall_s = 0.5 if value == "0.5 s" else 30
    start = time.monotonic()
    problem = refusal(lambda: decode(PNG, Decoder(cpu_s=1, wall_s=wall_s)))
    assert (problem.type, problem.status) == (ProblemType.PICTURE_UNUSABLE, 422)
    assert value in problem.detail
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("confine()\nsay([resource.getrlimit(k)[1] for k in (9, 0, 7, 1, 4)])", "[1500000000, 21, 16, 0, 0]"),
        (
            "confine()\nsay(os.getpriority(os.PRIO_PROCESS, 0) - os.getpriority(os.PRIO_PROCESS, os.getppid()))",
            f"({confined_process.NICENESS})",
        ),
        ("confine()\nsay(os.write(os.open('written', os.O_CREAT | os.O_WRONLY), b'x'))", "status 1"),
        (
            "import socket\n"
            "def fails(work):\n"
            "    try: work()\n"
            "    except OSError: return True\n"
            "    return False\n"
            "held = decoder['restrict']()\n"
            "outside = fails(lambda: open('written')), fails(socket.socket), fails(os.fork)\n"
            "say((len(held) > 0, outside[0] or 'no files' not in held, all(outside[1:]) or len(held) < 4))",
            "(True, True, True)",
        ),
        ("say((os.environ.get('PASSWORD'), os.environ.get('HOME')))", "(None, None)"),
        (
            "decoder['decode_rgb'](sys.stdin.buffer.read(), sys.argv[1], 10**6)\n"
            "say([name for name in sys.modules if name in ('torch', 'numpy', 'api', 'PIL.TiffImagePlugin')])",
            "([])",
        ),
    ],
    ids=["limits", "priority", "files", "outside", "environment", "modules"],
)
def test_the_child_has_only_what_it_needs(
    code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "secret")
    (tmp_path / "written").write_text("a secret")
    instead_of_the_decoder(monkeypatch, tmp_path, code.replace("'written'", repr(str(tmp_path / "written"))))
    assert said in refusal(lambda: decode(PNG)).detail


def test_the_child_checks_the_size_itself() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the numbers are checked
        confined_process.decode_rgb(PNG, "PNG", 1535)
    assert all(number in str(caught.value) for number in ("48", "32", "1535"))


def test_the_child_tries_no_other_decoder() -> None:
    for form in FORMATS:
        with pytest.raises(SyntaxError):
            confined_process.decode_rgb(encode(quadrants(), "GIF"), form, MAX_PIXELS)


def test_mutations_decode_or_are_refused() -> None:
    draw = random.Random(21)  # noqa: S311
    outcomes = []
    for _ in range(12):
        _, data = draw.choice(WHOLE)
        try:
            outcomes.append(decode(mutate(data, draw)).shape[2])
        except Problem as problem:
            outcomes.append(problem.status)
    assert set(outcomes) <= {3, 422}
    assert 422 in outcomes


def test_what_confines_the_child_is_said() -> None:
    assert "no new privileges" in decoding.describe_confinement()
