from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from core.errors import DatasetError
from core.formats.archives import open_sink, open_store


@pytest.mark.parametrize("name", ["pack", "pack.zip"])
def test_what_is_written_is_read_and_larger_files_are_refused(name: str, tmp_path: Path) -> None:
    sink = open_sink(tmp_path / name)
    sink.write("a/one.txt", b"12345")
    assert not (tmp_path / name).exists()
    sink.commit()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    store = open_store(tmp_path / name)
    assert store.names() == {"a/one.txt"}
    assert store.read("a/one.txt", 5) == b"12345"
    with pytest.raises(DatasetError):
        store.read("a/one.txt", 4)
    store.close()


def test_a_zip_that_unpacks_to_much_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("large", bytes(1 << 20))
    assert (tmp_path / "bomb.zip").stat().st_size < 1 << 12
    store = open_store(tmp_path / "bomb.zip")
    with pytest.raises(DatasetError):
        store.read("large", 1 << 19)
    store.close()
