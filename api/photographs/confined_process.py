"""Program that decodes one picture in a process with few resources: bytes on stdin, pixels on stdout.

`api.photographs.decoding.Decoder` starts it by path, with the format and the `DecoderLimits` as arguments, so it must
import nothing of ours. It limits itself before it loads Pillow, and of Pillow it loads one decoder. The answer is
`HEADER` (width, height), then height x width x 3 bytes of RGB; a refusal has the header (0, 0), then its reason.
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
"""Largest number of characters in the reason of a refusal."""

_OPEN_FILES: Final = 16


class DecoderLimits(NamedTuple):
    """Resources that decoding one picture may use.

    Args:
        memory_bytes: largest address space of the process.
        cpu_s: largest processor time, in whole seconds.
        pixels: largest width x height, as the decoder reads them.
    """

    memory_bytes: int
    cpu_s: int
    pixels: int


def confine(limits: DecoderLimits) -> None:
    """Limit this process for good: memory, processor time, open files, written files, core dumps."""
    _set_limit(resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes)
    _set_limit(resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + 1)  # the later one kills, and would not say why
    _set_limit(resource.RLIMIT_NOFILE, _OPEN_FILES, _OPEN_FILES)
    _set_limit(resource.RLIMIT_FSIZE, 0, 0)
    _set_limit(resource.RLIMIT_CORE, 0, 0)


def _set_limit(kind: int, soft: int, hard: int) -> None:
    _, ceiling = resource.getrlimit(kind)
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(kind, (soft, hard))


def decode_rgb(data: bytes, form: str, max_pixels: int) -> Image:
    """Decode a picture as a viewer would show it, in mode RGB; the pixels are those of `faces.images.read_image`.

    Args:
        data: bytes of a whole file.
        form: JPEG, PNG or WEBP; no other decoder is tried.
        max_pixels: largest width x height; larger pictures are refused before their pixels are read.

    Raises:
        Exception: bytes that Pillow cannot decode raise nearly every exception there is.
    """
    picture = _open_picture(data, form)
    width, height = picture.size
    if width * height > max_pixels:
        raise ValueError(f"it has {width} x {height} pixels, more than {max_pixels}")
    picture.load()
    return _remove_transparency(_turn_upright(picture))


def _open_picture(data: bytes, form: str) -> Image:
    """Open a picture without Image.open, which would load other decoders and try them."""
    file = io.BytesIO(data)
    if form == "JPEG":
        from PIL.JpegImagePlugin import JpegImageFile

        return JpegImageFile(file)
    if form == "PNG":
        from PIL.PngImagePlugin import PngImageFile

        return PngImageFile(file)
    from PIL.WebPImagePlugin import WebPImageFile

    return WebPImageFile(file)


def _turn_upright(picture: Image) -> Image:
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


def _remove_transparency(picture: Image) -> Image:
    from PIL import Image

    if picture.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion to L would clip it at 255
        picture = picture.convert("I").point([(value + 128) // 257 for value in range(65536)], "L")
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _encode_refusal(reason: str) -> bytes:
    return HEADER.pack(0, 0) + reason.encode("ascii", "replace")[:LONGEST_REASON]


def main(form: str, *limits: str) -> None:
    """Decode the picture on stdin and write the answer to stdout."""
    allowed = DecoderLimits(*map(int, limits))
    confine(allowed)
    try:
        picture = decode_rgb(sys.stdin.buffer.read(), form, allowed.pixels)
        answer = HEADER.pack(*picture.size) + picture.tobytes()
    except MemoryError:
        answer = _encode_refusal(f"it needs more than {allowed.memory_bytes} bytes of memory")
    except ImportError:  # the fault of the installation, or of the limits; its text may name a path
        raise
    except Exception as error:  # decoders meet hostile bytes with nearly every exception there is
        answer = _encode_refusal(str(error) or type(error).__name__)
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
