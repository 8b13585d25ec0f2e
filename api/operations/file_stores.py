"""File stores for images and photographs: named bytes, in a folder or in any object store that fsspec supports.

Names are relative paths. What is written is there whole or not at all, replaces what was there at once, is never empty,
and is what every process reads from then on: nothing is remembered here, not even that something exists.
"""

from __future__ import annotations

import errno
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

from core.atomic_files import write_file
from core.errors import ConfigError, StorageError

_LOCAL: Final = ("file", "local")
_IN_PLACE: Final = frozenset({"dav", "ftp", "ftps", "hdfs", "sftp", "smb", "ssh", "webdav", "webhdfs"})
"""Protocols by which a file can be read while it is being written."""
_AT_ONCE: Final = 8
"""Objects that are read or written at the same time."""
_ATTEMPTS: Final = 100

_T = TypeVar("_T")
_U = TypeVar("_U")


class Files(ABC):
    """Store of named bytes.

    Every method raises StorageError where the store cannot be reached or refuses.
    """

    @abstractmethod
    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes [start, stop) of an object, by default all of them.

        Raises:
            FileNotFoundError: there is none.
        """

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Store an object."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Return whether there is an object of this name."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Return the size of an object in bytes.

        Raises:
            FileNotFoundError: there is none.
        """

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Return the names of all objects in a folder and its sub-folders, relative to it, sorted."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete an object; nothing happens if there is none."""

    @abstractmethod
    def delete_tree(self, folder: str) -> None:
        """Delete a folder with everything in it, unfinished writes too; nothing happens if there is none."""

    def find(self, name: str) -> bytes | None:
        """Return an object, or None if there is none."""
        try:
            return self.read(name)
        except FileNotFoundError:
            return None

    def read_each(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Yield the objects of these names in order; None for each that does not exist."""
        return map(self.find, names)

    def write_each(self, objects: Mapping[str, bytes]) -> None:
        """Store objects, in no particular order."""
        for name, data in objects.items():
            self.write(name, data)

    def keep_private(self, folder: str) -> None:  # noqa: B027  a bucket's policy is its owner's
        """Make a folder readable for its owner alone, if it is on this machine."""

    def tidy(self, folder: str) -> None:  # noqa: B027  nothing is seen of an upload that was cut off
        """Delete files in a folder that killed processes left half-written."""


class LocalFiles(Files):
    """Store in a local folder; each file is written under a temporary name and renamed.

    Args:
        root: the folder, which is created when something is written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, name: str) -> Path:
        """Return the path of an object or a folder."""
        return self._root / name

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        with self._translate_errors(), self.path(name).open("rb") as file:
            if start:
                file.seek(start)
            return file.read(-1 if stop is None else max(0, stop - start))

    def write(self, name: str, data: bytes) -> None:
        self._write_again(lambda: write_file(self.path(name), data))

    def exists(self, name: str) -> bool:
        return os.path.isfile(f"{self._root}/{name}")

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
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    shutil.rmtree(path)
                except FileNotFoundError:
                    pass  # another process deletes it too
                except OSError as error:
                    if error.errno != errno.ENOTEMPTY or attempt == _ATTEMPTS:  # a job wrote into it meanwhile
                        raise
                if not path.is_dir():
                    return

    def keep_private(self, folder: str) -> None:
        with self._translate_errors():
            self.path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)

    def tidy(self, folder: str) -> None:
        with self._translate_errors():
            for parent, _, names in os.walk(self.path(folder)):
                for name in names:
                    if name.startswith("."):
                        Path(parent, name).unlink(missing_ok=True)

    def _write_again(self, write: Callable[[], object]) -> None:
        """Write, and again if another process tidied or deleted the folder meanwhile."""
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
                f"the folder {self._root} refuses ({error.strerror or error}); make room, or check its owner and mode"
            ) from error


class RemoteFiles(Files):
    """Store in a service that fsspec supports, such as S3.

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
                f"the store {self._url} cannot be reached, or refuses ({type(error).__name__}: {error}); check its "
                "credentials, its permissions and the network, and try again"
            ) from error


def open_files(url: str | None, folder: Path) -> Files:
    """Open the file store of a service.

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
    """Return a URL without user, password and query, for messages."""
    return re.sub(r"//.*@", "//", url.partition("?")[0])


def _open_file_system(url: str, shown: str) -> tuple[Any, str]:
    """Return the file system of fsspec for a URL, and the path in it."""
    import fsspec  # only here: its import takes long

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
    """Yield the results of a function in order, computing a few ahead in threads."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ahead: deque[Future[_U]] = deque()
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > 2 * _AT_ONCE:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _walk_files(folder: Path) -> Iterator[Path]:
    """Yield every file in a folder, half-written ones included."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in names)
