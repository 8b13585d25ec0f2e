"""Cache of files that can be made again: a folder of limited size, from which the least recently used are deleted."""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_UNFINISHED_S: Final = 3600.0
"""Age after which an unfinished file belongs to a process that was killed."""
_TURNS: Final = 64


@dataclass(frozen=True)
class CachedFile:
    """A file to serve.

    Attributes:
        data: its bytes, which stay readable when it is dropped.
        sha256: of them.
    """

    data: mmap.mmap
    sha256: str


class FileCache:
    """Folder of files named NAME.SHA256, so that a file is there with its checksum or not at all.

    Several processes may share it. Nothing is remembered, so files may be deleted at any time.

    Args:
        folder: made if it is missing.
        max_bytes: of all files; the one made last stays, however large.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._max_bytes = max_bytes
        self._turns = [threading.Lock() for _ in range(_TURNS)]

    def get(self, name: str, write: Callable[[IO[bytes]], None]) -> CachedFile:
        """Return a file, and make it first if it is missing; one thread at a time makes it."""
        found = self._open(name)
        if found is None:
            with self._turns[hash(name) % _TURNS]:
                found = self._open(name) or self._write(name, write)
        return found

    def delete(self, prefix: str) -> None:
        """Delete the files whose names begin with a prefix; those that are being sent stay readable."""
        for path in self._folder.glob(f"{prefix}*"):
            path.unlink(missing_ok=True)

    def _open(self, name: str) -> CachedFile | None:
        for path in self._folder.glob(f"{name}.*"):
            try:
                with path.open("rb") as file:
                    os.utime(file.fileno())
                    return _map_file(file, path.suffix[1:])
            except FileNotFoundError:  # it made room meanwhile
                continue
        return None

    def _write(self, name: str, write: Callable[[IO[bytes]], None]) -> CachedFile:
        handle, aside = tempfile.mkstemp(dir=self._folder, prefix=".")
        try:
            with os.fdopen(handle, "w+b") as file:
                write(file)
                file.seek(0)
                made = _map_file(file, hashlib.file_digest(file, "sha256").hexdigest())
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
        path = self._folder / f"{name}.{made.sha256}"
        try:
            os.replace(aside, path)
        except FileNotFoundError:  # taken for the file of a killed process, as the clock was set meanwhile
            return made
        self._make_room(path)
        return made

    def _make_room(self, newest: Path) -> None:
        room = self._max_bytes - newest.stat().st_size
        for used_s, size, path in sorted(self._others(newest), reverse=True):
            if path.name.startswith("."):
                if time.time() - used_s > _UNFINISHED_S:
                    path.unlink(missing_ok=True)
                continue
            room -= size
            if room < 0:
                path.unlink(missing_ok=True)

    def _others(self, newest: Path) -> Iterator[tuple[float, int, Path]]:
        """List time of last use, size and path of the other files."""
        for entry in os.scandir(self._folder):
            if entry.path != str(newest):
                try:
                    about = entry.stat()
                except FileNotFoundError:
                    continue
                yield about.st_mtime, about.st_size, Path(entry.path)


def _map_file(file: IO[bytes], sha256: str) -> CachedFile:
    return CachedFile(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), sha256)
