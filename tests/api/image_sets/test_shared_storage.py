"""One store, several processes: they make the same image set at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.image_sets.storage import ImageSetStore, StoredRequest, chunks, folder
from api.operations.file_stores import open_files
from tests.api.stores import bucket_url

SET, IMAGES, CHUNK = "00ff00ff00ff00ff", 40, 8
ROWS = [{"index": index} for index in range(IMAGES)]
PNGS = [f"image {index}".encode() * 50 for index in range(IMAGES)]


@pytest.fixture(params=["file", "memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return bucket_url(str(tmp_path))
    return f"file://{tmp_path}/shared" if request.param == "file" else f"memory://{tmp_path}"


def test_several_make_the_same_set_at_once(url: str, tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def make(_: int) -> None:
        store = ImageSetStore(open_files(url, tmp_path))
        store.begin(StoredRequest(SET, IMAGES, {}, {}))
        for start, stop in chunks(IMAGES, CHUNK):
            together.wait()
            store.write_chunk(SET, start, ROWS[start:stop], PNGS[start:stop])
        together.wait()
        store.seal(SET, (start for start, _ in chunks(IMAGES, CHUNK)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(4)))
    files = open_files(url, tmp_path)
    store = ImageSetStore(files)
    assert list(store.read_images(SET, store.manifest(SET))) == PNGS
    images = [f"images/{index:06d}.png" for index in range(IMAGES)]
    assert files.names(folder(SET)) == [*images, "manifest.jsonl", "request.json"]


def test_who_comes_late_changes_nothing(url: str, tmp_path: Path) -> None:
    first, late = (ImageSetStore(open_files(url, tmp_path)) for _ in range(2))
    first.begin(StoredRequest(SET, 3, {}, {}))
    first.write_chunk(SET, 0, ROWS[:3], PNGS[:3])
    first.seal(SET, [0])
    late.write_chunk(SET, 0, ROWS[:3], [b"rounded otherwise"] * 3)
    late.seal(SET, [0])
    assert list(late.read_images(SET, late.manifest(SET))) == PNGS[:3]


def test_a_set_is_not_sealed_without_one_of_its_chunks(url: str, tmp_path: Path) -> None:
    store = ImageSetStore(open_files(url, tmp_path))
    store.begin(StoredRequest(SET, 16, {}, {}))
    store.write_chunk(SET, 0, ROWS[:8], PNGS[:8])
    with pytest.raises(FileNotFoundError, match="a chunk of image set"):
        store.seal(SET, [0, 8])
    assert not store.is_complete(SET)
    assert store.has_chunk(SET, 0, 8)
