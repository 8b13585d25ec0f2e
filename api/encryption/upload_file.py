"""Where a photograph lies while it is being sent: on this machine's disk, for this process alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from api.encryption.sealing import KEY_BYTES, seal, unseal


class SealedUploadFile:
    """Bytes in a file without a name, sealed under a key that is nowhere but in memory.

    The file is gone when it is closed or its process is killed, and what the disk still holds of it nobody can read.

    Args:
        folder: one that exists, on the disk that is to take the bytes.
    """

    def __init__(self, folder: Path) -> None:
        self._key = os.urandom(KEY_BYTES)
        self._sealed_bytes: list[int] = []
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  closed by `__exit__`

    def __enter__(self) -> Self:
        return self

    def write(self, block: bytes) -> None:
        """Append some bytes; there must be some.

        Raises:
            OSError: the disk is full.
        """
        rest = memoryview(seal(self._key, str(len(self._sealed_bytes)), block))
        self._sealed_bytes.append(len(rest))
        while rest:
            rest = rest[self._file.write(rest) :]

    def read(self) -> bytes:
        """Everything that was written."""
        self._file.seek(0)
        sealed = enumerate(map(self._file.read, self._sealed_bytes))
        return b"".join(unseal(self._key, str(number), block) for number, block in sealed)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
