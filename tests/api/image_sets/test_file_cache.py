from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from api.image_sets.file_cache import CachedFile, FileCache


def names(folder: Path) -> set[str]:
    return {path.name.rpartition(".")[0] for path in folder.iterdir()}


def put(cache: FileCache, name: str, data: bytes) -> CachedFile:
    return cache.get(name, lambda file: file.write(data) and None)


def age(folder: Path, name: str, seconds: float) -> None:
    """Make a file look as if it had not been used for so long."""
    [path] = folder.glob(f"{name}*")
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_file_is_made_once_and_found_by_the_next_process(tmp_path: Path) -> None:
    made = put(FileCache(tmp_path, 100), "set-000000.tar", b"shard")
    assert (made.data[:], made.sha256) == (b"shard", hashlib.sha256(b"shard").hexdigest())
    again = put(FileCache(tmp_path, 100), "set-000000.tar", b"never written")
    assert (again.data[:], again.sha256) == (made.data[:], made.sha256)
    other = put(FileCache(tmp_path, 100), "set-0.png", b"sheet")
    assert other.data[:] == b"sheet"


def test_asked_for_by_many_at_once_it_is_made_once(tmp_path: Path) -> None:
    cache, made = FileCache(tmp_path, 100), []

    def write(file: IO[bytes]) -> None:
        time.sleep(0.1)
        made.append(file.write(b"shard"))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: cache.get("set-000000.tar", write).data[:], range(8)))
    assert found == [b"shard"] * 8
    assert len(made) == 1


def test_what_was_unused_for_longest_makes_room(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 25)
    for seconds, name in enumerate(("b", "a")):
        put(cache, name, bytes(range(1, 11)))
        age(tmp_path, name, 100 - seconds)
    put(cache, "b", b"")  # used
    put(cache, "c", bytes(range(1, 11)))
    assert names(tmp_path) == {"b", "c"}


def test_the_newest_stays_however_large(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 5)
    put(cache, "a", b"1234")
    assert put(cache, "b", b"1234567890").data[:] == b"1234567890"
    assert names(tmp_path) == {"b"}


def test_what_is_being_served_stays_readable(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 5)
    served = put(cache, "a", b"1234")
    put(cache, "b", b"1234567890")
    assert served.data[:] == b"1234"
    assert put(cache, "a", b"made again").data[:] == b"made again"


def test_what_is_being_made_stays_and_what_nobody_finishes_goes(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 5)
    for name in (".making", ".left"):
        (tmp_path / name).write_bytes(bytes(100))
    age(tmp_path, ".left", 10_000)
    put(cache, "a", b"1234")
    assert {path.name[:5] for path in tmp_path.iterdir()} == {".maki", f"a.{hashlib.sha256(b'1234').hexdigest()}"[:5]}


def test_what_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail(file: IO[bytes]) -> None:
        file.write(b"half")
        raise OSError("the store says no")

    cache = FileCache(tmp_path, 5)
    with pytest.raises(OSError, match="says no"):
        cache.get("a", fail)
    assert list(tmp_path.iterdir()) == []
    assert put(cache, "a", b"1234").data[:] == b"1234"
