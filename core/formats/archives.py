"""Folders and zips of named files, with one interface. New ones are written beside the target and then renamed."""

from __future__ import annotations

import io
import lzma
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from core.errors import DatasetError

MOST_BYTES: Final = 1 << 30
"""Largest file that is read, unless the caller says another size."""

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""Time of every zip entry, so that the same files give the same bytes."""


class Store(Protocol):
    """Named files to read. `read` raises DatasetError for a file that is larger than `most_bytes`, or is damaged."""

    def names(self) -> set[str]: ...
    def read(self, name: str, most_bytes: int = MOST_BYTES) -> bytes: ...
    def close(self) -> None: ...


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> set[str]:
        return {file.relative_to(self._path).as_posix() for file in self._path.rglob("*") if file.is_file()}

    def read(self, name: str, most_bytes: int = MOST_BYTES) -> bytes:
        file = self._path / name
        _check_size(name, self._path, file.stat().st_size, most_bytes)
        return file.read_bytes()

    def close(self) -> None:
        pass


BROKEN_FILE: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError)
"""Errors of files that are damaged, encrypted (RuntimeError) or unknown (NotImplementedError, a kind of it)."""


class _Zip:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip = zipfile.ZipFile(path)

    def names(self) -> set[str]:
        return set(self._zip.namelist())

    def read(self, name: str, most_bytes: int = MOST_BYTES) -> bytes:
        # zipfile unpacks no more than the size that the entry states.
        _check_size(name, self._path, self._zip.getinfo(name).file_size, most_bytes)
        try:
            return self._zip.read(name)
        except BROKEN_FILE as error:
            raise DatasetError(f"{name} in {self._path} cannot be read ({error}); copy the archive again") from error

    def close(self) -> None:
        self._zip.close()


def _check_size(name: str, path: Path, size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise DatasetError(f"{name} in {path} has {size} bytes; expected at most {most_bytes}")


def open_store(path: Path) -> Store:
    """Open a folder or a zip for reading.

    Raises:
        DatasetError: the path is neither.
    """
    if path.is_dir():
        return _Folder(path)
    try:
        return _Zip(path)
    except BROKEN_FILE as error:
        raise DatasetError(f"{path} cannot be opened ({error}); expected a folder or a zip") from error


class Sink(Protocol):
    """Named files being written. They are visible under the target's name after `commit` and deleted by `discard`."""

    def write(self, name: str, data: bytes) -> None: ...
    def commit(self) -> None: ...
    def discard(self) -> None: ...


def open_sink(path: Path) -> Sink:
    """Open a zip for writing if the name ends in .zip, otherwise a folder."""
    return _ZipSink(path) if path.suffix.lower() == ".zip" else _FolderSink(path)


class _FolderSink:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))

    def write(self, name: str, data: bytes) -> None:
        target = self._aside / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def commit(self) -> None:
        self._aside.chmod(0o755)
        os.replace(self._aside, self._path)

    def discard(self) -> None:
        shutil.rmtree(self._aside, ignore_errors=True)


def zip_bytes(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Make a zip of named files in memory, with the same bytes as `open_sink` writes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files:
            archive.writestr(_entry(name), data)
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o644 << 16
    return entry


class _ZipSink:
    def __init__(self, path: Path) -> None:
        self._path = path
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        self._aside = Path(aside)
        self._zip = zipfile.ZipFile(self._aside, "w", zipfile.ZIP_STORED)

    def write(self, name: str, data: bytes) -> None:
        self._zip.writestr(_entry(name), data)

    def commit(self) -> None:
        self._zip.close()
        self._aside.chmod(0o644)
        os.replace(self._aside, self._path)

    def discard(self) -> None:
        self._zip.close()
        self._aside.unlink(missing_ok=True)
