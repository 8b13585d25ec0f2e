"""Photographs are encrypted where they are stored, each under a key of its own, and gone with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from api.encryption.key_store import KEY_BYTES, SubjectKeys
from api.encryption.sealed_files import BLOCK, MAGIC, SealedFiles, plain_size, seal, unseal, unseal_part
from api.operations.database import Database
from api.operations.file_stores import LocalFiles
from core.errors import StorageError
from tests.api.lab import Lab, good, phantom
from tests.api.stores import files_in

KEY = bytes(range(KEY_BYTES))
NAME, OTHER, PACK = "photos/00aa/original", "photos/00bb/original", "stimuli/00cc/pack.zip"
SIZES = (1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 77)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(tmp_path)) as opened:
        yield opened


@pytest.fixture
def stored(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path)


@pytest.fixture
def sealed(stored: LocalFiles, database: Database) -> SealedFiles:
    return SealedFiles(stored, SubjectKeys.open(database))


# Bytes


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_is_unsealed_whole_and_in_parts(size: int) -> None:
    data = os.urandom(size)
    made = seal(KEY, NAME, data)
    assert made.startswith(MAGIC)
    assert plain_size(len(made)) == size
    assert unseal(KEY, NAME, made) == data
    for start, stop in ((0, 1), (size - 1, size), (0, size + 5), (BLOCK - 2, BLOCK + 2), (size, size + 1)):
        part = unseal_part(KEY, NAME, len(made), lambda start, stop: made[start:stop], start, stop)
        assert part == data[start:stop]


def test_a_part_reads_only_the_blocks_that_it_is_in() -> None:
    made = seal(KEY, NAME, bytes(5 * BLOCK))
    read = []

    def reading(start: int, stop: int) -> bytes:
        read.append(stop - start)
        return made[start:stop]

    assert unseal_part(KEY, NAME, len(made), reading, 3 * BLOCK + 5, 3 * BLOCK + 10) == bytes(5)
    assert sum(read) < BLOCK + 100


def test_the_same_bytes_are_sealed_differently_each_time() -> None:
    assert seal(KEY, NAME, b"face") != seal(KEY, NAME, b"face")


def test_what_was_changed_cut_off_moved_or_exchanged_is_refused() -> None:
    data = os.urandom(2 * BLOCK + 10)
    made, head = seal(KEY, NAME, data), len(seal(KEY, NAME, b"x")) - 1 - 16
    first, second = made[head : head + BLOCK + 16], made[head + BLOCK + 16 : head + 2 * (BLOCK + 16)]
    harmed = {
        "a bit": made[:-1] + bytes([made[-1] ^ 1]),
        "the prefix": made[: head - 1] + bytes([made[head - 1] ^ 1]) + made[head:],
        "the last block left out": made[: head + 2 * (BLOCK + 16)],
        "blocks exchanged": made[:head] + second + first + made[head + 2 * (BLOCK + 16) :],
        "cut within a block": made[:-5],
        "cut to its head": made[:head],
        "cut within its head": made[:3],
        "nothing": b"",
    }
    for bad in harmed.values():
        with pytest.raises(StorageError, match=r"00aa/original in the store is not what was sealed"):
            unseal(KEY, NAME, bad)
    with pytest.raises(StorageError, match="00bb"):
        unseal(KEY, OTHER, made)
    with pytest.raises(StorageError):
        unseal(KEY[::-1], NAME, made)


# Files


def test_photographs_and_packs_are_sealed_and_other_files_are_not(sealed: SealedFiles, stored: LocalFiles) -> None:
    for name in (NAME, PACK, "edits/00dd.png"):
        sealed.write(name, b"what it shows")
        assert sealed.read(name) == b"what it shows"
        assert sealed.read(name, 5, 7) == b"it"
        assert sealed.size(name) == len(b"what it shows")
        assert (b"shows" in stored.read(name)) == name.startswith("edits")


def test_a_destroyed_key_is_gone_for_copies_too(sealed: SealedFiles, stored: LocalFiles) -> None:
    sealed.write_each({NAME: b"one", OTHER: b"two", "photos/00aa/edits/1.png": b"three"})
    copy = stored.read(NAME)
    sealed.delete_tree("photos/00aa")
    stored.write(NAME, copy)
    with pytest.raises(FileNotFoundError, match="its key is destroyed"):
        sealed.read(NAME)
    assert sealed.find(NAME) is None
    assert sealed.read(OTHER) == b"two"
    sealed.write(NAME, b"another person")
    assert sealed.read(NAME) == b"another person"


def test_a_part_of_a_subject_can_be_deleted(sealed: SealedFiles) -> None:
    sealed.write_each({PACK: b"pack", "stimuli/00cc/pairs/0000.json": b"pair"})
    sealed.delete_tree("stimuli/00cc/pairs")
    assert sealed.names("stimuli") == ["00cc/pack.zip"]
    assert sealed.read(PACK) == b"pack"


def test_what_an_earlier_version_stored_is_read_as_it_is(sealed: SealedFiles, stored: LocalFiles) -> None:
    stored.write(NAME, b"of before")
    assert sealed.read(NAME) == b"of before"
    assert (sealed.read(NAME, 3, 5), sealed.size(NAME)) == (b"be", 9)


# The service


def test_nothing_of_a_photograph_is_stored_that_can_be_looked_at(lab: Lab) -> None:
    photo = lab.photo(3, keep_original=True)
    edit = good(lab.edit(photo, direction="smile", strength=0.5))["id"]
    pack = good(lab.pack(photo, lab.photo(4)))["id"]
    stored = files_in(lab.state)
    names = [f"photos/{photo}/{name}" for name in stored.names(f"photos/{photo}")]
    assert {"original", "crop.png", f"{edit}.png"} <= {Path(name).name for name in names}
    for name in [*names, f"stimuli/{pack}/pack.zip"]:
        assert stored.read(name).startswith(MAGIC), name
    assert lab.http.get(f"/v1/photos/{photo}/original").content == phantom(3)
    archive = lab.http.get(f"/v1/stimuli/{pack}/archive.zip")
    part = lab.http.get(f"/v1/stimuli/{pack}/archive.zip", headers={"Range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, archive.content[100:300])


def test_a_copy_of_an_erased_photograph_is_of_no_use(lab: Lab) -> None:
    photo = lab.photo(5)
    stored, name = files_in(lab.state), f"photos/{photo}/crop.png"
    copy, vault = stored.read(name), lab.service.photographs.files
    assert lab.http.delete(f"/v1/photos/{photo}").status_code == 200
    stored.write(name, copy)
    assert vault.find(name) is None
    stored.delete_tree(f"photos/{photo}")
