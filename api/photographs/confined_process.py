"""Decodes one picture in a process of its own that can do little else: bytes on stdin, pixels on stdout.

A program, started by path (`api.photographs.intake.Decoder` does), with the format and the `Limits` as arguments. It
limits itself before it loads Pillow, and Pillow is limited to the one decoder. The answer is `HEADER` (width, height),
then height x width x 3 bytes of RGB; a refusal has the header (0, 0), then its reason as text.
"""

from __future__ import annotations

import io
import resource
import struct
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

HEADER: Final = struct.Struct("<II")

LONGEST_REASON: Final = 120
"""Characters of a refusal's reason."""

_OPEN_FILES: Final = 16


class Limits(NamedTuple):
    """What decoding one picture may use.

    Args:
        memory_bytes: address space of the process.
        cpu_s: processor time in whole seconds.
        pixels: width x height, as the decoder reads them.
    """

    memory_bytes: int
    cpu_s: int
    pixels: int


def confine(limits: Limits) -> None:
    """Take from this process, for good, what decoding does not need: memory, time, written files, core dumps."""
    _limit(resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes)
    _limit(resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + 1)  # the later one kills, and would not say why
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES, _OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, 0, 0)
    _limit(resource.RLIMIT_CORE, 0, 0)


def _limit(kind: int, soft: int, hard: int) -> None:
    _, ceiling = resource.getrlimit(kind)
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(kind, (soft, hard))


def rgb(data: bytes, form: str, max_pixels: int) -> Image:
    """The picture as a viewer would show it, mode RGB; what `faces.images.read_image` makes of it.

    Args:
        data: a whole file.
        form: JPEG, PNG or WEBP; no other decoder is tried.
        max_pixels: larger pictures are refused before their pixels are read.

    Raises:
        Exception: nearly any, from Pillow, about bytes that it cannot decode.
    """
    picture = _opened(data, form)
    width, height = picture.size
    if width * height > max_pixels:
        raise ValueError(f"it has {width} x {height} pixels, more than {max_pixels}")
    picture.load()
    return _without_transparency(_upright(picture))


def _opened(data: bytes, form: str) -> Image:
    """Not by Image.open, which would load, and fall back on, other decoders."""
    file = io.BytesIO(data)
    if form == "JPEG":
        from PIL.JpegImagePlugin import JpegImageFile

        return JpegImageFile(file)
    if form == "PNG":
        from PIL.PngImagePlugin import PngImageFile

        return PngImageFile(file)
    from PIL.WebPImagePlugin import WebPImageFile

    return WebPImageFile(file)


def _upright(picture: Image) -> Image:
    from PIL.ExifTags import Base
    from PIL.Image import Transpose

    undo = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(picture.getexif().get(Base.Orientation, 1))
    return picture if undo is None else picture.transpose(undo)


def _without_transparency(picture: Image) -> Image:
    from PIL import Image

    if picture.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion to L would clip it at 255
        picture = picture.convert("I").point([(value + 128) // 257 for value in range(65536)], "L")
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _refusal(reason: str) -> bytes:
    return HEADER.pack(0, 0) + reason.encode("ascii", "replace")[:LONGEST_REASON]


def main(form: str, *limits: str) -> None:
    """Answer on stdout for the picture on stdin."""
    allowed = Limits(*map(int, limits))
    confine(allowed)
    try:
        picture = rgb(sys.stdin.buffer.read(), form, allowed.pixels)
        answer = HEADER.pack(*picture.size) + picture.tobytes()
    except MemoryError:
        answer = _refusal(f"it needs more than {allowed.memory_bytes} bytes of memory")
    except ImportError:  # the fault of the installation, or of the limits; its text may name a path
        raise
    except Exception as error:  # decoders meet hostile bytes with nearly every exception there is
        answer = _refusal(str(error) or type(error).__name__)
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
