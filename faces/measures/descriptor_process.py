"""dlib's recognition network in a process of its own.

dlib keeps the interpreter's lock while the network computes, 75 ms a face, in which no other thread of a service runs.
`DescriptorProcess` starts this file by its path, so it must import nothing of ours. The process gets aligned faces of
`CHIP_PX` on stdin, uint8 RGB, and answers each with `SIZE` float64 on stdout. It says `READY` once the network is
loaded, and ends with its stdin.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import dlib
import numpy as np
import numpy.typing as npt

CHIP_PX: Final = 150
SIZE: Final = 128
"""Numbers of a descriptor."""

READY: Final = b"\n"
_NICENESS: Final = 5
_CHIP_BYTES: Final = CHIP_PX * CHIP_PX * 3
_ANSWER_BYTES: Final = 8 * SIZE


class DescriptorProcess:
    """Network in a process that is started here, and ends with this one. Not thread-safe.

    Args:
        model: path of the network.

    Raises:
        RuntimeError: it cannot be loaded; the message says why.
    """

    def __init__(self, model: Path) -> None:
        command = [sys.executable, "-I", "-B", __file__, str(model)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
        atexit.register(self.close)
        if self._read(len(READY)) != READY:
            _, said = self._process.communicate()
            raise RuntimeError(said.decode(errors="replace").strip().rpartition("\n")[2])

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def describe(self, chip: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Compute the descriptor (128,) of an aligned face, uint8 (150, 150, 3).

        Raises:
            RuntimeError: the process ended.
        """
        try:
            assert self._process.stdin is not None  # noqa: S101  it is a pipe
            self._process.stdin.write(chip.tobytes())
            self._process.stdin.flush()
            answer = self._read(_ANSWER_BYTES)
        except BrokenPipeError:
            answer = b""
        if len(answer) < _ANSWER_BYTES:
            self.close()
            raise RuntimeError(f"the process of the recognition network ended with status {self._process.returncode}")
        return np.frombuffer(answer, np.float64)

    def close(self) -> None:
        """End the process."""
        atexit.unregister(self.close)
        self._process.kill()
        self._process.communicate()

    def _read(self, size: int) -> bytes:
        assert self._process.stdout is not None  # noqa: S101  it is a pipe
        return self._process.stdout.read(size)


def main(model: str) -> None:
    """Describe the faces on stdin."""
    os.nice(_NICENESS)  # requests go first
    network = dlib.face_recognition_model_v1(model)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    while len(chip := sys.stdin.buffer.read(_CHIP_BYTES)) == _CHIP_BYTES:
        face = np.frombuffer(chip, np.uint8).reshape(CHIP_PX, CHIP_PX, 3)
        sys.stdout.buffer.write(np.array(network.compute_face_descriptor(face)).tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
