from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.encryption.upload_file import SealedUploadFile
from core.errors import StorageError

BLOCKS = [b"a photograph " * 20_000, b"x", b"of somebody " * 10_000]


@pytest.fixture
def aside(tmp_path: Path) -> Iterator[SealedUploadFile]:
    with SealedUploadFile(tmp_path) as one:
        yield one


def on_disk(aside: SealedUploadFile) -> bytes:
    size = os.fstat(aside._file.fileno()).st_size
    return os.pread(aside._file.fileno(), size, 0)


def test_what_was_written_is_read_and_nothing_else_can_be(aside: SealedUploadFile, tmp_path: Path) -> None:
    for block in BLOCKS:
        aside.write(block)
    assert aside.read() == aside.read() == b"".join(BLOCKS)
    assert list(tmp_path.iterdir()) == []
    assert len(on_disk(aside)) > len(b"".join(BLOCKS))
    assert b"photograph" not in on_disk(aside)
    assert b"somebody" not in on_disk(aside)


def test_each_has_its_own_key(aside: SealedUploadFile, tmp_path: Path) -> None:
    with SealedUploadFile(tmp_path) as other:
        for one in (aside, other):
            one.write(BLOCKS[0])
        os.pwrite(aside._file.fileno(), on_disk(other), 0)
        with pytest.raises(StorageError):
            aside.read()


def test_blocks_cannot_be_exchanged(aside: SealedUploadFile) -> None:
    for block in (b"one", b"two"):
        aside.write(block)
    half = len(on_disk(aside)) // 2
    os.pwrite(aside._file.fileno(), on_disk(aside)[half:] + on_disk(aside)[:half], 0)
    with pytest.raises(StorageError):
        aside.read()


def test_a_disk_that_takes_a_part_at_a_time_gets_everything(
    aside: SealedUploadFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        def __init__(self) -> None:
            self.got = bytearray()

        def write(self, data: memoryview) -> int:
            self.got += data[:1000]
            return len(data[:1000])

    slow = Slow()
    with monkeypatch.context() as patched:
        patched.setattr(aside, "_file", slow)
        aside.write(BLOCKS[0])
    os.pwrite(aside._file.fileno(), bytes(slow.got), 0)
    assert aside.read() == BLOCKS[0]


def test_it_is_gone_at_the_end(tmp_path: Path) -> None:
    with SealedUploadFile(tmp_path) as one:
        one.write(b"a photograph")
    with pytest.raises(ValueError, match="closed file"):
        one.read()
