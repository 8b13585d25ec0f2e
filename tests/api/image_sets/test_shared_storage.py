"""One store, several processes: they make the same set at once, and one erases what another is writing."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from api.access.api_keys import SERVICE
from api.encryption.key_store import SubjectKeys
from api.encryption.sealed_files import SealedFiles
from api.image_sets.storage import Store, StoredRequest, chunks, folder
from api.operations.database import Database
from api.operations.file_stores import Files, open_files
from api.photographs.audit import Audit, purpose_of
from api.photographs.storage import PackRecord, Photograph, Photographs, Receipt, new_id, now_ms
from core.errors import GestaltError
from tests.api.stores import bucket_url

without_shared_locks = pytest.mark.skipif(
    "GESTALTGEN_TEST_POSTGRESQL" in os.environ, reason="there one process waits for the other"
)

SET, IMAGES, CHUNK = "00ff00ff00ff00ff", 40, 8
ROWS = [{"index": index} for index in range(IMAGES)]
PNGS = [f"image {index}".encode() * 50 for index in range(IMAGES)]


@pytest.fixture(params=["file", "memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return bucket_url(str(tmp_path))
    return f"file://{tmp_path}/shared" if request.param == "file" else f"memory://{tmp_path}"


# Image sets


def test_several_make_the_same_set_at_once(url: str, tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def make(_: int) -> None:
        store = Store(open_files(url, tmp_path))
        store.begin(StoredRequest(SET, IMAGES, {}, {}))
        for start, stop in chunks(IMAGES, CHUNK):
            together.wait()
            store.write_chunk(SET, start, ROWS[start:stop], PNGS[start:stop])
        together.wait()
        store.seal(SET, (start for start, _ in chunks(IMAGES, CHUNK)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(4)))
    files = open_files(url, tmp_path)
    store = Store(files)
    assert list(store.read_images(SET, store.manifest(SET))) == PNGS
    images = [f"images/{index:06d}.png" for index in range(IMAGES)]
    assert files.names(folder(SET)) == [*images, "manifest.jsonl", "request.json"]


def test_who_comes_late_changes_nothing(url: str, tmp_path: Path) -> None:
    first, late = (Store(open_files(url, tmp_path)) for _ in range(2))
    first.begin(StoredRequest(SET, 3, {}, {}))
    first.write_chunk(SET, 0, ROWS[:3], PNGS[:3])
    first.seal(SET, [0])
    late.write_chunk(SET, 0, ROWS[:3], [b"rounded otherwise"] * 3)
    late.seal(SET, [0])
    assert list(late.read_images(SET, late.manifest(SET))) == PNGS[:3]


def test_a_set_is_not_sealed_without_one_of_its_chunks(url: str, tmp_path: Path) -> None:
    store = Store(open_files(url, tmp_path))
    store.begin(StoredRequest(SET, 16, {}, {}))
    store.write_chunk(SET, 0, ROWS[:8], PNGS[:8])
    with pytest.raises(FileNotFoundError, match="a chunk of image set"):
        store.seal(SET, [0, 8])
    assert not store.is_complete(SET)
    assert store.has_chunk(SET, 0, 8)


# Photographs


@pytest.fixture
def photographs(url: str, tmp_path: Path) -> Iterator[tuple[Photographs, Photographs]]:
    """Those of two processes with one database."""
    with closing(Database.open(tmp_path)) as one, closing(Database.open(tmp_path)) as other:
        yield photographs_of(one, url), photographs_of(other, url)


def photographs_of(database: Database, url: str) -> Photographs:
    files = SealedFiles(open_files(url, database.state), SubjectKeys.open(database))
    purpose = partial(purpose_of, named=(), secret=b"secret")
    return Photographs(files, database, Audit.open(database), purpose)


def sent(photographs: Photographs) -> str:
    """A photograph that was taken in."""
    photo, now = new_id(), now_ms()
    photographs.add(
        Photograph(photo, "lab", "phantom128", "form", "research", False, True, now, now + 60_000, "image/png")
    )
    photographs.files.write(photographs.original(photo), b"a photograph")
    return photo


def left(files: Files) -> list[str]:
    return [name for name in files.names("") if name.startswith(("photos/", "stimuli/", "edits/"))]


def keys_left(photographs: Photographs) -> list[str]:
    with photographs._engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT subject FROM sealing_keys").scalars())


def test_what_one_takes_in_the_other_reads(photographs: tuple[Photographs, Photographs]) -> None:
    one, other = photographs
    photo = sent(one)
    assert other.has_original(photo)
    assert other.files.read(other.original(photo)) == b"a photograph"
    other.drop_original(photo)
    assert not one.has_original(photo)


def test_what_is_left_of_originals_is_found_by_the_other(photographs: tuple[Photographs, Photographs]) -> None:
    one, other = photographs
    first, second = sent(one), sent(one)
    assert other.left_originals() == []
    one.refused(first, "no face")
    one.inverted(second, json.loads("{}"), "")
    one.drop_original(second)
    assert other.left_originals() == [first]


@without_shared_locks
def test_of_what_is_erased_while_another_writes_nothing_stays(photographs: tuple[Photographs, Photographs]) -> None:
    one, other = photographs
    photo, receipts = sent(one), list[Receipt]()

    def invert() -> None:
        with one.kept(photo):
            one.files.write(f"{one.folder(photo)}/crop.png", b"a face")
            receipts.append(other.erase(photo, SERVICE, "it was asked for"))
            one.files.write(f"{one.folder(photo)}/reconstruction.png", b"a face")

    with pytest.raises(GestaltError, match=f"photograph {photo} was erased"):
        invert()
    [receipt] = receipts
    assert (receipt.erased["originals"], receipt.erased["crops"], receipt.erased["reconstructions"]) == (1, 1, 0)
    assert left(one.files) == []
    assert keys_left(one) == []


@without_shared_locks
def test_of_a_pack_that_is_erased_while_another_makes_it_nothing_stays(
    photographs: tuple[Photographs, Photographs],
) -> None:
    one, other = photographs
    photo, pack, now = sent(one), new_id(), now_ms()
    one.add_pack(PackRecord(pack, "lab", (photo,), {}, now, now + 60_000))

    def make() -> None:
        with one.kept(photo, pack=pack):
            other.drop_pack(pack, SERVICE)
            one.files.write(f"{one.pack_folder(pack)}/pairs/0000.json", b"{}")

    with pytest.raises(GestaltError, match=f"survey pack {pack} was erased"):
        make()
    assert left(one.files) == [f"photos/{photo}/original"]
    assert keys_left(one) == [f"photos/{photo}"]


def test_what_is_written_before_it_is_forgotten_goes_too(
    photographs: tuple[Photographs, Photographs], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = photographs
    photo, delete = sent(one), other._delete

    def late(*args: object) -> None:
        one.files.write(f"{one.folder(photo)}/crop.png", b"a face")  # files are deleted, rows are not
        delete(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(other, "_delete", late)
    other.erase(photo, SERVICE, "it was asked for")
    assert left(one.files) == []
    assert keys_left(one) == []
