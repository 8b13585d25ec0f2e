"""Where things are kept: one contract, whatever the store."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from api.operations.file_stores import Files, LocalFiles, RemoteFiles, open_files, without_credentials
from core.errors import ConfigError, StorageError
from tests.api.stores import bucket_url


@pytest.fixture(params=["folder", "file", "memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    urls = {"folder": None, "file": f"file://{tmp_path}/elsewhere", "memory": f"memory://{tmp_path}"}
    return bucket_url(str(tmp_path)) if request.param == "s3" else urls[request.param]


@pytest.fixture
def files(url: str | None, tmp_path: Path) -> Files:
    return open_files(url, tmp_path)


@pytest.fixture
def other(url: str | None, tmp_path: Path) -> Files:
    """The same store as another process sees it."""
    return open_files(url, tmp_path)


def test_what_is_written_is_read(files: Files) -> None:
    files.write("a/b/c.png", b"0123456789")
    assert files.read("a/b/c.png") == files.find("a/b/c.png") == b"0123456789"
    assert files.read("a/b/c.png", 2, 5) == b"234"
    assert files.read("a/b/c.png", 8) == b"89"
    assert files.size("a/b/c.png") == 10
    assert files.exists("a/b/c.png")


def test_what_is_not_there_is_not_found(files: Files) -> None:
    files.write("a/b/c.png", b"1")
    for name in ("a/b/d.png", "a/b/c.png.x", "elsewhere/c.png"):
        assert not files.exists(name)
        assert files.find(name) is None
        for ask in (files.read, files.size):
            with pytest.raises(FileNotFoundError):
                ask(name)
    assert not files.exists("a/b")  # a folder is no object
    assert files.names("elsewhere") == []


def test_everybody_sees_at_once_what_anybody_does(files: Files, other: Files) -> None:
    assert not other.exists("a/b")
    assert other.names("a") == []
    files.write("a/b", b"first")
    assert other.exists("a/b")
    assert (other.read("a/b"), other.names("a")) == (b"first", ["b"])
    files.write("a/b", b"second one")
    assert (other.read("a/b"), other.size("a/b")) == (b"second one", 10)
    other.delete("a/b")
    assert not files.exists("a/b")
    assert files.names("a") == []


def test_names_are_those_in_a_folder(files: Files) -> None:
    for name in ("a/2", "a/1", "a/b/3", "ab/4"):
        files.write(name, b"x")
    assert files.names("a") == ["1", "2", "b/3"]
    assert {"a/1", "ab/4"} <= set(files.names(""))


def test_a_folder_is_deleted_with_all_that_is_in_it(files: Files) -> None:
    for n in range(20):
        files.write(f"a/b/{n}", b"x")
    files.write("a/bc", b"stays")
    files.delete_tree("a/b")
    files.delete_tree("a/b")
    files.delete("a/b/0")
    assert files.names("a") == ["bc"]


def test_several_come_in_order(files: Files) -> None:
    objects = {f"a/{n:03d}": f"image {n}".encode() for n in range(50)}
    files.write_each(objects)
    names = [*reversed(objects), "a/none"]
    assert list(files.read_each(names)) == [*reversed(objects.values()), None]
    assert list(files.read_each([])) == []


def test_objects_of_a_store_are_read_side_by_side_and_not_far_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, together, asked = RemoteFiles(f"memory://{tmp_path}"), threading.Barrier(8, timeout=30), list[object]()

    def slow(_: MemoryFileSystem, path: str, **options: object) -> bytes:
        asked.append(path)
        together.wait()  # passes when eight are asked for at a time
        return path.encode()

    monkeypatch.setattr(MemoryFileSystem, "cat_file", slow)
    found = files.read_each(str(n) for n in range(1000))
    assert [next(found) for _ in range(8)] == [f"{tmp_path}/{n}".encode() for n in range(8)]
    assert len(asked) <= 32
    together.abort()


def test_the_same_written_by_many_at_once_is_whole(files: Files, other: Files) -> None:
    data = bytes(range(256)) * 400

    def write(n: int) -> bytes:
        one = (files, other)[n % 2]
        one.write("a/b", data)
        one.tidy("a")
        return one.read("a/b")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, range(40))) == {data}
    assert files.names("a") == ["b"]


# Folders


def test_what_a_killed_process_was_writing_is_seen_by_nobody_and_goes(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    files.write("a/b/c", b"whole")
    (tmp_path / "a" / "b" / ".c.x1").write_bytes(b"half")
    assert files.names("a") == ["b/c"]
    files.tidy("a")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c"]


def test_a_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    files.write("photos/1/edits/2.png", b"x")
    (tmp_path / "photos" / "1" / ".crop.png.x1").write_bytes(b"half")
    files.delete_tree("photos/1")
    assert list((tmp_path / "photos").iterdir()) == []


def test_a_folder_that_a_job_writes_into_meanwhile_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = LocalFiles(tmp_path)
    files.write("set/0.png", b"1")
    remove_folder, late = os.rmdir, iter(["1.png", "2.png"])

    def remove_after_a_write(*arguments: Any, **options: Any) -> None:
        for name in late:
            files.write(f"set/{name}", b"1")
            break
        remove_folder(*arguments, **options)

    monkeypatch.setattr(os, "rmdir", remove_after_a_write)
    files.delete_tree("set")
    assert not files.path("set").exists()


def test_a_private_folder_is_its_owners(tmp_path: Path) -> None:
    LocalFiles(tmp_path).keep_private("photos")
    assert stat.S_IMODE((tmp_path / "photos").stat().st_mode) == 0o700


def test_a_folder_that_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no folder")
    with pytest.raises(StorageError, match=rf"the folder {tmp_path} refuses"):
        LocalFiles(tmp_path).write("a/b", b"x")


# Stores that cannot be


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("bucket/folder", "expected the URL of an object store, such as s3://bucket/folder, or file:///folder"),
        ("nonsense://bucket", "which fsspec does not know"),
        ("simplecache::s3://bucket", "expected the URL of an object store"),
        ("sftp://user:word@host/folder", "can be read while it is being written; .* of where it is mounted"),
    ],
)
def test_what_is_no_store_is_refused(url: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        open_files(url, tmp_path)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize(("url", "package"), [("s3://bucket", r"gestaltgen\[s3\]"), ("gs://bucket", "gcsfs")])
def test_a_missing_package_is_named(url: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, name, None)
    for protocol in ("s3", "gs"):  # fsspec remembers what it has loaded
        monkeypatch.delitem(_registry, protocol, raising=False)
    with pytest.raises(ConfigError, match=f"a package is missing: .*{package}"):
        open_files(url, tmp_path)


def test_credentials_are_not_shown() -> None:
    assert without_credentials("s3://key:secret@bucket/a/b?token=1") == "s3://bucket/a/b"


def test_a_store_that_cannot_be_reached_is_named_without_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = RemoteFiles(f"memory://{tmp_path}")

    def fail(*_: object, **__: object) -> Iterator[None]:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(MemoryFileSystem, "cat_file", fail)
    with pytest.raises(
        StorageError, match=rf"the store memory://{tmp_path} cannot be reached, or refuses \(Connection"
    ):
        files.read("a")


def test_a_bucket_that_cannot_be_written_to_is_refused_at_once(tmp_path: Path) -> None:
    bucket_url("")
    with pytest.raises(StorageError, match="cannot be reached, or refuses"):
        open_files("s3://no-such-bucket/folder", tmp_path)
