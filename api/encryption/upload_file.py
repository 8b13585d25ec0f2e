"""Temporary file for a photograph while it is uploaded: encrypted, on this machine's disk, for this process alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from api.encryption.key_store import KEY_BYTES
from api.encryption.sealed_files import seal, unseal


class SealedUploadFile:
    """Temporary file for an upload, encrypted under a key that only this process holds.

    The file has no name. It is gone when it is closed or its process is killed, and nobody can read what remains of it
    on the disk.

    Args:
        folder: an existing folder on the disk that is to take the bytes.
    """

    def __init__(self, folder: Path) -> None:
        self._key = os.urandom(KEY_BYTES)
        self._block_sizes: list[int] = []
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  closed by `__exit__`

    def __enter__(self) -> Self:
        return self

    def write(self, block: bytes) -> None:
        """Append some bytes; at least one.

        Raises:
            OSError: the disk is full.
        """
        rest = memoryview(seal(self._key, str(len(self._block_sizes)), block))
        self._block_sizes.append(len(rest))
        while rest:
            rest = rest[self._file.write(rest) :]

    def read(self) -> bytes:
        """Return everything that was written."""
        self._file.seek(0)
        sealed = enumerate(map(self._file.read, self._block_sizes))
        return b"".join(unseal(self._key, str(number), block) for number, block in sealed)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
