"""Photographs are encrypted where they are stored, each under a key of its own, and gone with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from api.encryption.key_store import SubjectKeys
from api.encryption.sealed_files import SealedFiles
from api.encryption.sealing import BLOCK, KEY_BYTES, MAGIC, plain_size, seal, unseal, unseal_part
from api.encryption.server_keys import FILE
from api.operations.database import Database
from api.operations.file_stores import LocalFiles
from core.errors import ConfigError, StorageError
from tests.api.lab import Lab, good, of_sqlite, phantom
from tests.api.postgres import running_server
from tests.api.stores import files_in

KEY = bytes(range(KEY_BYTES))
NAME, OTHER, PACK = "photos/00aa/original", "photos/00bb/original", "stimuli/00cc/pack.zip"
SIZES = (1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 77)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(tmp_path)) as opened:
        yield opened


@pytest.fixture
def vault(database: Database) -> SubjectKeys:
    return SubjectKeys.open(database)


@pytest.fixture
def stored(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path)


@pytest.fixture
def sealed(stored: LocalFiles, vault: SubjectKeys) -> SealedFiles:
    return SealedFiles(stored, vault)


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


# Keys


@of_sqlite
def test_the_servers_keys_are_a_file_of_their_own_that_only_its_owner_reads(vault: SubjectKeys, tmp_path: Path) -> None:
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    key = vault.made_for("photos/00aa")
    assert vault.made_for("photos/00aa") == vault.key_of("photos/00aa") == key
    assert vault.made_for("photos/00bb") != key
    assert key not in (tmp_path / "service.sqlite").read_bytes()


@of_sqlite
def test_a_rotation_puts_every_key_under_a_new_one(database: Database, vault: SubjectKeys, tmp_path: Path) -> None:
    other_process = SubjectKeys.open(database)
    keys = {subject: vault.made_for(subject) for subject in ("photos/00aa", "photos/00bb", "stimuli/00cc")}
    first = (tmp_path / FILE).read_text().split()
    assert vault.rotate() == 3
    second = (tmp_path / FILE).read_text().split()
    assert second[1:] == first
    assert {subject: other_process.key_of(subject) for subject in keys} == keys
    assert vault.rotate() == 3
    third = (tmp_path / FILE).read_text().split()
    assert third[1:] == second[:1]
    assert {subject: other_process.key_of(subject) for subject in keys} == keys


def test_a_rotation_that_was_cut_off_is_taken_up_by_the_next(
    database: Database, vault: SubjectKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {subject: vault.made_for(subject) for subject in ("photos/00aa", "photos/00bb")}
    move = SubjectKeys._move

    def cut(self: SubjectKeys, subject: str, keys: Mapping[str, bytes], name: str) -> bool:
        if subject == "photos/00bb":
            raise OSError("killed")
        return move(self, subject, keys, name)

    with monkeypatch.context() as patched:
        patched.setattr(SubjectKeys, "_move", cut)
        with pytest.raises(OSError, match="killed"):
            vault.rotate()
    assert {subject: SubjectKeys.open(database).key_of(subject) for subject in keys} == keys
    assert vault.rotate() == 2
    assert {subject: vault.key_of(subject) for subject in keys} == keys


@of_sqlite
def test_keys_that_cannot_be_written_stay_as_they_are(
    vault: SubjectKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise PermissionError(13, "Permission denied")

    key, before = vault.made_for("photos/00aa"), (tmp_path / FILE).read_text()
    monkeypatch.setattr("api.encryption.server_keys.os.replace", refuse)
    with pytest.raises(ConfigError, match=r"cannot be written \(Permission denied\); nothing was changed"):
        vault.rotate()
    assert (tmp_path / FILE).read_text() == before
    assert vault.key_of("photos/00aa") == key
    assert not list(tmp_path.glob(f".{FILE}*"))


@of_sqlite
def test_a_service_whose_keys_are_lost_does_not_start(database: Database, vault: SubjectKeys, tmp_path: Path) -> None:
    vault.made_for("photos/00aa")
    kept = tmp_path / "kept"
    shutil.move(tmp_path / FILE, kept)
    with pytest.raises(ConfigError, match=r"server.keys has no keys; .* restore it"):
        SubjectKeys.open(database)
    (tmp_path / FILE).write_text("ab" * KEY_BYTES)
    with pytest.raises(ConfigError, match=r"lacks the server key .*restore it"):
        SubjectKeys.open(database)
    with pytest.raises(StorageError, match="lacks the server key"):
        vault.key_of("photos/00aa")
    shutil.copy(kept, tmp_path / FILE)
    assert SubjectKeys.open(database).key_of("photos/00aa") == vault.key_of("photos/00aa")


def test_a_file_that_is_named_must_be_there_and_be_of_keys(database: Database, tmp_path: Path) -> None:
    named = tmp_path / "elsewhere.keys"
    with pytest.raises(ConfigError, match="openssl rand -hex 32"):
        SubjectKeys.open(database, named)
    named.write_text("no key\n")
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        SubjectKeys.open(database, named)
    named.write_text("0f" * KEY_BYTES + "\n")
    key = SubjectKeys.open(database, named).made_for("photos/00aa")
    assert SubjectKeys.open(database, named).key_of("photos/00aa") == key
    assert not (tmp_path / FILE).exists()


def test_a_key_that_was_changed_in_the_database_is_refused(database: Database, vault: SubjectKeys) -> None:
    vault.made_for("photos/00aa")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sealing_keys SET subject = 'photos/00bb'")
    with pytest.raises(StorageError, match="the key of photos/00bb is damaged"):
        vault.key_of("photos/00bb")


def test_processes_that_share_a_database_share_its_keys(tmp_path: Path) -> None:
    with (
        running_server() as server,
        closing(Database.open(tmp_path, url := server.database())) as one,
        closing(Database.open(tmp_path, url)) as other,
    ):
        first = SubjectKeys.open(one)
        key = first.made_for("photos/00aa")
        second = SubjectKeys.open(other)
        assert second.made_for("photos/00aa") == key
        assert first.rotate() == 1
        assert second.key_of("photos/00aa") == key
        second.destroy("photos/00aa")
        assert first.key_of("photos/00aa") is None
        assert not (tmp_path / FILE).exists()


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
