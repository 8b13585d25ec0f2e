from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from api.encryption.upload_file import SealedUploadFile
from core.errors import StorageError

BLOCKS = [b"a photograph " * 20_000, b"x", b"of somebody " * 10_000]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[IO[bytes]]:
    """The files of the disk that were opened, the newest last."""
    files: list[IO[bytes]] = []
    make = tempfile.TemporaryFile

    def make_file(**options: Any) -> IO[bytes]:
        files.append(make(**options))
        return files[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", make_file)
    return files


@pytest.fixture
def aside(tmp_path: Path, opened: list[IO[bytes]]) -> Iterator[SealedUploadFile]:
    with SealedUploadFile(tmp_path) as one:
        yield one


def on_disk(file: IO[bytes]) -> bytes:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


def test_what_was_written_is_read_and_nothing_else_can_be(
    aside: SealedUploadFile, opened: list[IO[bytes]], tmp_path: Path
) -> None:
    for block in BLOCKS:
        aside.write(block)
    assert aside.read() == aside.read() == b"".join(BLOCKS)
    assert list(tmp_path.iterdir()) == []
    assert len(on_disk(opened[0])) > len(b"".join(BLOCKS))
    assert b"photograph" not in on_disk(opened[0])
    assert b"somebody" not in on_disk(opened[0])


def test_each_has_its_own_key(aside: SealedUploadFile, opened: list[IO[bytes]], tmp_path: Path) -> None:
    with SealedUploadFile(tmp_path) as other:
        for one in (aside, other):
            one.write(BLOCKS[0])
        os.pwrite(opened[0].fileno(), on_disk(opened[1]), 0)
        with pytest.raises(StorageError):
            aside.read()


def test_blocks_cannot_be_exchanged(aside: SealedUploadFile, opened: list[IO[bytes]]) -> None:
    for block in (b"one", b"two"):
        aside.write(block)
    half = len(on_disk(opened[0])) // 2
    os.pwrite(opened[0].fileno(), on_disk(opened[0])[half:] + on_disk(opened[0])[:half], 0)
    with pytest.raises(StorageError):
        aside.read()


def test_a_disk_that_takes_a_part_at_a_time_gets_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class SlowFile(io.BytesIO):
        def write(self, data: Any) -> int:
            return super().write(data[:1000])

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: SlowFile())
    with SealedUploadFile(tmp_path) as one:
        one.write(BLOCKS[0])
        assert one.read() == BLOCKS[0]


def test_the_file_of_an_upload_is_gone_at_the_end(tmp_path: Path) -> None:
    with SealedUploadFile(tmp_path) as one:
        one.write(b"a photograph")
    with pytest.raises(ValueError, match="closed file"):
        one.read()
