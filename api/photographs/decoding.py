"""Decoding of photographs in a confined process, so that no picture decoder runs in the service itself."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import string
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Final, cast

import numpy as np

from api.photographs import confined_process
from api.photographs.confined_process import DecoderLimits
from api.photographs.intake import MAX_PIXELS, REMEDY, check_container, detect_format
from api.problem_types import ProblemType
from api.problems import Problem
from core.hardware import count_cores
from faces.image_containers import Format
from faces.images import Pixels

PROCESSES_AT_ONCE: Final = max(1, count_cores() // 2)
"""Most processes that decode at a time, on half of the cores; further photographs wait."""
_log = logging.getLogger("gestaltgen.intake")

PROGRAM: Final = Path(confined_process.__file__)
"""Program that the process runs."""


def describe_confinement() -> str:
    """Say which restrictions of the decoder's process this machine supports, and which it lacks."""
    command = [sys.executable, "-I", "-B", str(PROGRAM), "check"]
    answer = subprocess.run(command, capture_output=True, env={}, timeout=60, check=True)  # noqa: S603
    held, wanted = json.loads(answer.stdout)
    missing = [name for name in wanted if name not in held]
    return f"photographs are decoded in a process with {', '.join(held) or 'no restriction'}" + (
        f"; this machine does not support: {', '.join(missing)}" if missing else ""
    )


class Decoder:
    """Decoder of photographs that runs each in a process with few resources and no access. Several threads may use it.

    Args:
        memory_bytes: largest address space of the process.
        cpu_s: largest processor time of the process, in whole seconds.
        wall_s: longest time that a photograph may take.
        max_pixels: largest width x height.

    Attributes:
        free_processes: the processes that may still start; others wait for one of them.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = 1_500_000_000,
        cpu_s: int = 20,
        wall_s: float = 30,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._limits = DecoderLimits(memory_bytes, cpu_s, max_pixels)
        self._wall_s = wall_s
        self.free_processes = threading.BoundedSemaphore(PROCESSES_AT_ONCE)

    def decode(self, data: bytes) -> Pixels:
        """Decode a file as a viewer would show it, without its metadata; waits for a free process.

        EXIF orientation is applied, grey becomes RGB, palettes and CMYK are converted, 16 bits are scaled to 8, and
        transparency is put on white.

        Returns:
            uint8 (h, w, 3) RGB, a fresh array.

        Raises:
            Problem: 415 if the format is none of `FORMATS`; 422 if `check_container` refuses the file, or it cannot be
                decoded within the limits.
            OSError: no process can be started.
        """
        form = detect_format(data)
        check_container(data, form, self._limits.pixels)
        with os.fdopen(os.memfd_create("picture"), "w+b", buffering=0) as file:  # no disk is touched
            file.write(data)
            file.seek(0)
            return self._run_process(file, form)

    def _run_process(self, file: IO[bytes], form: Format) -> Pixels:
        command = [sys.executable, "-I", "-B", str(PROGRAM), form, *map(str, self._limits)]
        with (
            self.free_processes,
            subprocess.Popen(  # noqa: S603
                command,
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
            ) as child,
        ):
            try:
                return self._read_answer(child)
            finally:
                child.kill()

    def _read_answer(self, child: subprocess.Popen[bytes]) -> Pixels:
        output = cast(IO[bytes], child.stdout).fileno()
        deadline = time.monotonic() + self._wall_s
        try:
            header = bytearray(confined_process.HEADER.size)
            if _read_into(memoryview(header), output, deadline) < len(header):
                raise self._explain_death(child.wait(deadline - time.monotonic()))
            width, height = confined_process.HEADER.unpack(header)
            if not width * height:
                reason = bytearray(confined_process.LONGEST_REASON)
                filled = _read_into(memoryview(reason), output, deadline)
                raise _undecodable_picture(_replace_unprintable(reason[:filled]))
            if width * height > self._limits.pixels:
                raise _undecodable_picture(f"it has {width} x {height} pixels, more than {self._limits.pixels}")
            pixels: Pixels = np.empty((height, width, 3), np.uint8)
            complete = _read_into(pixels.data.cast("B"), output, deadline) == pixels.nbytes
            status = child.wait(max(0, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise _undecodable_picture(f"that takes longer than {self._wall_s:g} s") from None
        if status or not complete:
            raise self._explain_death(status)
        return pixels

    def _explain_death(self, status: int) -> Problem:
        _log.warning("a photograph's decoder ended with status %d", status)
        if status in (-signal.SIGXCPU, -signal.SIGKILL):
            return _undecodable_picture(
                f"that takes more than {self._limits.cpu_s} s of processor time, or too much memory"
            )
        return _undecodable_picture(f"the decoder stopped with status {status}")


def _read_into(buffer: memoryview, output: int, deadline: float) -> int:
    """Read from a pipe until `buffer` is full or the pipe ends.

    Returns:
        The number of bytes.

    Raises:
        TimeoutError: it is `deadline`.
    """
    ready = select.poll()
    ready.register(output, select.POLLIN)
    filled = 0
    while filled < len(buffer):
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not ready.poll(left_s * 1000):
            raise TimeoutError
        count = os.readv(output, [buffer[filled:]])
        if not count:
            break
        filled += count
    return filled


def _replace_unprintable(reason: bytes | bytearray) -> str:
    text = reason.decode("ascii", "replace")
    return "".join(letter if letter in string.printable[:95] else "?" for letter in text)


def _undecodable_picture(reason: str) -> Problem:
    return Problem(ProblemType.PICTURE_UNUSABLE, f"The photograph cannot be decoded ({reason}); {REMEDY}.")
