from __future__ import annotations

from pathlib import Path

import pytest

from api.image_sets.storage import ImageSetStore, StoredRequest, chunks
from api.operations.file_stores import LocalFiles
from core.errors import DatasetError

SET = "00ff00ff00ff00ff"
ROWS = [{"index": index} for index in range(5)]
PNGS = [f"image {index}".encode() for index in range(5)]


@pytest.fixture
def store(tmp_path: Path) -> ImageSetStore:
    store = ImageSetStore(LocalFiles(tmp_path))
    store.begin(StoredRequest(SET, 5, {"kind": "unrelated"}, {"kind": "unrelated"}))
    return store


def filled(store: ImageSetStore) -> ImageSetStore:
    store.write_chunk(SET, 0, ROWS[:3], PNGS[:3])
    store.write_chunk(SET, 3, ROWS[3:], PNGS[3:])
    return store


def test_chunks_cover_everything_once() -> None:
    assert list(chunks(5, 3)) == [(0, 3), (3, 5)]
    assert list(chunks(6, 3)) == [(0, 3), (3, 6)]


def test_a_set_is_published_whole(store: ImageSetStore, tmp_path: Path) -> None:
    filled(store)
    assert not store.is_complete(SET)
    store.seal(SET, [0, 3])
    assert store.is_complete(SET)
    assert [line["file"] for line in store.manifest(SET)] == [f"images/{index:06d}.png" for index in range(5)]
    assert list(store.read_images(SET, store.manifest(SET)[3:])) == PNGS[3:]
    assert store.image_file(SET, 4) == PNGS[4]
    assert sorted(p.name for p in (tmp_path / "sets" / SET).iterdir()) == [
        "images",
        "manifest.jsonl",
        "request.json",
    ]


def test_what_was_asked_first_stays(store: ImageSetStore) -> None:
    store.begin(StoredRequest(SET, 99, {}, {}))
    found = store.request(SET)
    assert found is not None
    assert found.images == 5


@pytest.mark.parametrize("harm", ["cut", "deleted", "manifest cut", "never written"])
def test_a_harmed_chunk_is_noticed(store: ImageSetStore, tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "sets" / SET
    if harm != "never written":
        filled(store)
        assert store.has_chunk(SET, 0, 3)
    if harm == "cut":
        (folder / "images" / "000001.png").write_bytes(b"ima")
    elif harm == "deleted":
        (folder / "images" / "000001.png").unlink()
    elif harm == "manifest cut":
        part = folder / "parts" / "000000000.jsonl"
        part.write_bytes(part.read_bytes()[:-20])
    assert not store.has_chunk(SET, 0, 3)


def test_a_chunk_of_another_size_is_not_taken_for_it(store: ImageSetStore) -> None:
    assert not filled(store).has_chunk(SET, 0, 5)


def test_damage_on_disk_is_named(store: ImageSetStore, tmp_path: Path) -> None:
    filled(store).seal(SET, [0, 3])
    (tmp_path / "sets" / SET / "images" / "000002.png").write_bytes(b"other")
    with pytest.raises(DatasetError, match=r"images/000002\.png of image set 00ff00ff00ff00ff is damaged in the store"):
        list(store.read_images(SET, store.manifest(SET)[2:3]))


@pytest.mark.parametrize("name", ["..", "../sets", "", "00FF00FF", "00ff00ff00ff00ff.partial", "x" * 16])
def test_only_ids_are_names(store: ImageSetStore, name: str) -> None:
    assert store.request(name) is None
    assert not store.is_complete(name)


def test_no_file_is_published_that_a_killed_process_was_writing(store: ImageSetStore, tmp_path: Path) -> None:
    filled(store)
    for name in (".manifest.jsonl.x1", "images/.000001.png.x2"):
        (tmp_path / "sets" / SET / name).write_bytes(b"half")
    store.seal(SET, [0, 3])
    assert not [path for path in (tmp_path / "sets" / SET).rglob("*") if path.name.startswith(".")]
