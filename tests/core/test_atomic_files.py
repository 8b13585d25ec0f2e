import os
import stat
from pathlib import Path

import pytest

from core import atomic_files
from core.atomic_files import create_private_file, write_file


def test_a_file_that_cannot_be_replaced_stays_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "a.txt"
    write_file(path, b"old")
    monkeypatch.setattr(atomic_files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_readable_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_file(tmp_path / "new" / "a.txt", b"a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "a.txt").stat().st_mode) == 0o644


def test_a_private_file_replaces_one_that_others_can_read(tmp_path: Path) -> None:
    write_file(tmp_path / "a.csv", b"old")
    write_file(tmp_path / "a.csv", b"new", private=True)
    assert (tmp_path / "a.csv").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o600


def test_a_private_file_is_created_once(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secret"
    assert create_private_file(path, b"first")
    assert not create_private_file(path, b"second")
    assert path.read_bytes() == b"first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
