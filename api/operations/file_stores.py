"""Where images and photographs are kept: named bytes, in a folder or in any object store that fsspec knows by a URL.

Names are relative paths. What is written is there whole or not at all, replaces what was there at once, is never empty,
and is what every process reads from then on: nothing is remembered here, not even that something exists.
"""

from __future__ import annotations

import os
import re
import shutil
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import fsspec

from core.atomic_files import write_file
from core.errors import ConfigError, StorageError

_LOCAL: Final = ("file", "local")
_IN_PLACE: Final = frozenset({"dav", "ftp", "ftps", "hdfs", "sftp", "smb", "ssh", "webdav", "webhdfs"})
"""Protocols by which a file can be read while it is being written."""
_AT_ONCE: Final = 8
"""Objects that are read or written at a time."""
_ATTEMPTS: Final = 100

_T = TypeVar("_T")
_U = TypeVar("_U")


class Files(ABC):
    """Named bytes.

    Every method raises StorageError where the store cannot be reached or refuses.
    """

    @abstractmethod
    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """Bytes [start, stop) of an object, all of them unless said otherwise.

        Raises:
            FileNotFoundError: there is none.
        """

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Store an object."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is an object of this name."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of an object.

        Raises:
            FileNotFoundError: there is none.
        """

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Names of all objects in a folder and the folders in it, relative to it, in order."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete an object; nothing happens if there is none."""

    @abstractmethod
    def delete_tree(self, folder: str) -> None:
        """Delete a folder with everything in it, unfinished writes too; nothing happens if there is none."""

    def find(self, name: str) -> bytes | None:
        """An object; None if there is none."""
        try:
            return self.read(name)
        except FileNotFoundError:
            return None

    def read_each(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Objects in the order of their names; None for each that there is not."""
        return map(self.find, names)

    def write_each(self, objects: Mapping[str, bytes]) -> None:
        """Store objects, in no particular order."""
        for name, data in objects.items():
            self.write(name, data)

    def keep_private(self, folder: str) -> None:  # noqa: B027  a bucket's policy is its owner's
        """Let nobody else on this machine look into a folder."""

    def tidy(self, folder: str) -> None:  # noqa: B027  nothing is seen of an upload that was cut off
        """Delete what killed processes were writing into a folder."""


class LocalFiles(Files):
    """Files in a folder, each written aside and renamed.

    Args:
        root: the folder; made when something is written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, name: str) -> Path:
        """Where an object or a folder lies."""
        return self._root / name

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        with self._translate_errors(), self.path(name).open("rb") as file:
            if start:
                file.seek(start)
            return file.read(-1 if stop is None else max(0, stop - start))

    def write(self, name: str, data: bytes) -> None:
        self._write_again(lambda: write_file(self.path(name), data))

    def exists(self, name: str) -> bool:
        return self.path(name).is_file()

    def size(self, name: str) -> int:
        with self._translate_errors():
            return self.path(name).stat().st_size

    def names(self, folder: str) -> list[str]:
        root = self.path(folder)
        paths = (path.relative_to(root) for path in _walk_files(root) if not path.name.startswith("."))
        return sorted(path.as_posix() for path in paths)

    def delete(self, name: str) -> None:
        with self._translate_errors():
            self.path(name).unlink(missing_ok=True)

    def delete_tree(self, folder: str) -> None:
        path = self.path(folder)
        with self._translate_errors():
            while path.is_dir():
                with suppress(FileNotFoundError):  # another process deletes it too
                    shutil.rmtree(path)

    def keep_private(self, folder: str) -> None:
        with self._translate_errors():
            self.path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)

    def tidy(self, folder: str) -> None:
        with self._translate_errors():
            for path in _walk_files(self.path(folder)):
                if path.name.startswith("."):
                    path.unlink(missing_ok=True)

    def _write_again(self, write: Callable[[], object]) -> None:
        """Write, and once more where another process tidied or deleted the folder meanwhile."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._translate_errors():
                    write()
                return
            except FileNotFoundError:
                if attempt == _ATTEMPTS:
                    raise

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError(
                f"the folder {self._root} refuses ({error.strerror or error}); make room, or see to its owner and mode"
            ) from error


class RemoteFiles(Files):
    """Objects in a store that fsspec knows.

    Args:
        url: of the store, and of a folder in it; credentials are the environment's, as of the package behind it.

    Raises:
        ConfigError: no such store, or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        self._url = without_credentials(url)
        self._fs, root = _open_file_system(url, self._url)
        self._root = root.rstrip("/")

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        with self._translate_errors():
            data: bytes = self._fs.cat_file(self._path(name), start=start, end=stop)
            return data

    def write(self, name: str, data: bytes) -> None:
        with self._translate_errors(passed=()):  # what is not there is the bucket
            self._fs.pipe_file(self._path(name), data)

    def exists(self, name: str) -> bool:
        try:
            self.read(name, 0, 1)  # one round trip; fsspec's own needs two to see that nothing is there
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        with self._translate_errors():
            return int(self._fs.size(self._path(name)))

    def names(self, folder: str) -> list[str]:
        start = len(self._path(folder)) + 1
        return sorted(path[start:] for path in self._find(folder) if not path.endswith("/"))

    def delete(self, name: str) -> None:
        self._delete(self._path(name))

    def delete_tree(self, folder: str) -> None:
        for _ in _map_concurrently(self._delete, self._find(folder)):
            pass

    def read_each(self, names: Iterable[str]) -> Iterator[bytes | None]:
        return _map_concurrently(self.find, names)

    def write_each(self, objects: Mapping[str, bytes]) -> None:
        for _ in _map_concurrently(lambda one: self.write(*one), objects.items()):
            pass

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    def _find(self, folder: str) -> list[str]:
        with suppress(FileNotFoundError), self._translate_errors():
            return [str(path) for path in self._fs.find(self._path(folder))]
        return []

    def _delete(self, path: str) -> None:
        with suppress(FileNotFoundError), self._translate_errors():
            self._fs.rm_file(path)

    @contextmanager
    def _translate_errors(self, passed: tuple[type[Exception], ...] = (FileNotFoundError,)) -> Iterator[None]:
        try:
            yield
        except passed:
            raise
        except Exception as error:  # every package has its own
            raise StorageError(
                f"the store {self._url} cannot be reached, or refuses ({type(error).__name__}: {error}); see to its "
                "credentials, its permissions and the network, and try again"
            ) from error


def open_files(url: str | None, folder: Path) -> Files:
    """Where a service keeps things.

    Args:
        url: of the store; None keeps everything in the folder.

    Raises:
        ConfigError: no such store, or its package is not installed.
        StorageError: nothing can be written there.
    """
    if url is None:
        return LocalFiles(folder)
    scheme, _, path = url.partition("://")
    if scheme in _LOCAL:
        return LocalFiles(Path(path))
    files = RemoteFiles(url)
    files.write("gestaltgen", b"Here a service of gestaltgen keeps what it makes.\n")
    return files


def without_credentials(url: str) -> str:
    """A URL as it may be shown: without user, password and query."""
    return re.sub(r"//.*@", "//", url.partition("?")[0])


def _open_file_system(url: str, shown: str) -> tuple[Any, str]:
    """fsspec's file system, and the path in it."""
    protocol, separator, _ = url.partition("://")
    remedy = "expected the URL of an object store, such as s3://bucket/folder, or file:///folder"
    if not separator or "::" in url:
        raise ConfigError(f"storage is {shown!r}; {remedy}")
    if protocol in _IN_PLACE:
        raise ConfigError(
            f"storage is {shown!r}, where a file can be read while it is being written; {remedy} of where it is mounted"
        )
    try:
        fs, root = fsspec.core.url_to_fs(url, skip_instance_cache=True, use_listings_cache=False)
    except ImportError as error:
        extra = " (`pip install 'gestaltgen[s3]'`)" if protocol in ("s3", "s3a") else ""
        raise ConfigError(f"storage is {shown!r}, for which a package is missing: {error}{extra}") from error
    except ValueError as error:
        raise ConfigError(f"storage is {shown!r}, which fsspec does not know ({error}); {remedy}") from error
    return fs, str(root)


def _map_concurrently(work: Callable[[_T], _U], items: Iterable[_T]) -> Iterator[_U]:
    """Results in order, a few at a time, not far ahead of whoever takes them."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ahead: deque[Future[_U]] = deque()
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > 2 * _AT_ONCE:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _walk_files(folder: Path) -> Iterator[Path]:
    """Every file in a folder, those begun included."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in names)
