"""Program that decodes one picture in a process with few resources and no access: bytes on stdin, pixels on stdout.

`api.photographs.decoding.Decoder` starts it by path, with the format and the `DecoderLimits` as arguments, so it must
import nothing of ours. It limits itself before it loads Pillow, and of Pillow it loads one decoder. The answer is
`HEADER` (width, height), then height x width x 3 bytes of RGB; a refusal has the header (0, 0), then its reason.
"""

from __future__ import annotations

import ctypes
import errno
import io
import json
import os
import platform
import resource
import struct
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

HEADER: Final = struct.Struct("<II")

LONGEST_REASON: Final = 120
"""Largest number of characters in the reason of a refusal."""

_OPEN_FILES: Final = 16
NICENESS: Final = 10
"""Added to the niceness of the service: where all cores are busy, a decoder gets a tenth of the time of a request."""


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
    """Limit this process for good: memory, processor time and its priority, open files, written files, core dumps."""
    os.nice(NICENESS)
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


def restrict() -> list[str]:
    """Give up for good what a decoder does not need, as far as the kernel allows.

    Returns:
        Names of the restrictions that hold.
    """
    return [name for name, apply in _RESTRICTIONS.items() if apply()]


def _call(number: int | str, *arguments: object) -> int:
    """Call a function of the C library, or a system call by its number; -1 is a failure."""
    library = ctypes.CDLL(None, use_errno=True)
    if isinstance(number, str):
        return int(getattr(library, number)(*arguments))
    return int(library.syscall(ctypes.c_long(number), *arguments))


def _refuse_privileges() -> bool:
    return _call("prctl", 38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS


def _leave_network() -> bool:
    """Enter a network namespace that has no devices (CLONE_NEWUSER | CLONE_NEWNET)."""
    return _call("unshare", 0x10000000 | 0x40000000) == 0


def _hide_files() -> bool:
    """Allow reading below the folders of Python and of the system's libraries, and nothing else (Landlock)."""
    version = _call(444, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    every = ctypes.c_uint64(_LANDLOCK_ACCESS[min(version, len(_LANDLOCK_ACCESS)) - 1])
    rules = _call(444, ctypes.byref(every), ctypes.c_size_t(8), ctypes.c_uint32(0))
    for path in {sys.prefix, sys.base_prefix, *sys.path, *_LIBRARIES}:
        try:
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        reading = 0b1101 if os.path.isdir(path) else 0b101  # execute, read a file, and list a folder
        rule = ctypes.create_string_buffer(struct.pack("<Qi", reading, folder))
        _call(445, rules, 1, rule, ctypes.c_uint32(0))
        os.close(folder)
    restricted = _call(446, rules, ctypes.c_uint32(0)) == 0
    os.close(rules)
    return restricted


def _refuse_calls() -> bool:
    """Refuse the system calls that start processes, open sockets, or look into other processes (seccomp)."""
    if platform.machine() not in _REFUSED_CALLS:
        return False
    architecture, calls = _REFUSED_CALLS[platform.machine()]
    load, equal, at_least, end = 0x20, 0x15, 0x35, 0x06
    refuse, allow = 0x00050000 | errno.EPERM, 0x7FFF0000
    last = len(calls) + 4
    program = [
        (load, 0, 0, 4),
        (equal, 0, last - 1, architecture),
        (load, 0, 0, 0),
        (at_least, last - 3, 0, 0x40000000),
    ]
    program += [(equal, last - place, 0, call) for place, call in enumerate(calls, 4)]
    program += [(end, 0, 0, allow), (end, 0, 0, refuse)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in program))
    filters = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(code)))
    return _call("prctl", 22, 2, filters, 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


_LANDLOCK_ACCESS: Final = (0x1FFF, 0x3FFF, 0x7FFF, 0x7FFF, 0xFFFF)
"""Kinds of access to files that each version of Landlock can refuse: all that it knows."""

_LIBRARIES: Final = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache")
_REFUSED_CALLS: Final[Mapping[str, tuple[int, tuple[int, ...]]]] = {
    "x86_64": (0xC000003E, (41, 53, 56, 57, 58, 59, 101, 310, 311, 322, 425, 435)),
    "aarch64": (0xC00000B7, (198, 199, 220, 221, 117, 270, 271, 281, 425, 435)),
}
"""Architecture and numbers of socket, socketpair, clone, fork, vfork, execve, ptrace, process_vm_readv and _writev,
execveat, io_uring_setup and clone3."""

_RESTRICTIONS: Final[Mapping[str, Callable[[], bool]]] = {
    "no new privileges": _refuse_privileges,
    "no network": _leave_network,
    "no files": _hide_files,
    "no further processes, no sockets": _refuse_calls,
}
"""Restrictions in the order in which they are applied."""


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
    restrict()
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
    if sys.argv[1:] == ["check"]:
        sys.stdout.write(json.dumps([restrict(), list(_RESTRICTIONS)]))
    else:
        main(*sys.argv[1:])
