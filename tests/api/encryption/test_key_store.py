"""Keys of the server and of each photograph, and the secret that signs marks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event

from api.encryption.key_store import KEY_BYTES, SubjectKeys, load_secret
from api.operations.database import Database
from api.operations.state_folder import SERVER_KEYS
from core.errors import ConfigError, StorageError
from tests.api.lab import of_sqlite
from tests.api.postgres import running_server


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(tmp_path)) as opened:
        yield opened


@pytest.fixture
def keys(database: Database) -> SubjectKeys:
    return SubjectKeys.open(database)


@of_sqlite
def test_the_servers_keys_are_a_file_of_their_own_that_only_its_owner_reads(keys: SubjectKeys, tmp_path: Path) -> None:
    assert (tmp_path / SERVER_KEYS).stat().st_mode & 0o077 == 0
    key = keys.find_or_create("photos/00aa")
    assert keys.find_or_create("photos/00aa") == keys.find("photos/00aa") == key
    assert keys.find_or_create("photos/00bb") != key
    assert key not in (tmp_path / "service.sqlite").read_bytes()


@of_sqlite
def test_a_rotation_puts_every_key_under_a_new_one(database: Database, keys: SubjectKeys, tmp_path: Path) -> None:
    other_process = SubjectKeys.open(database)
    by_subject = {subject: keys.find_or_create(subject) for subject in ("photos/00aa", "photos/00bb", "stimuli/00cc")}
    first = (tmp_path / SERVER_KEYS).read_text().split()
    assert keys.rotate() == 3
    second = (tmp_path / SERVER_KEYS).read_text().split()
    assert second[1:] == first
    assert {subject: other_process.find(subject) for subject in by_subject} == by_subject
    assert keys.rotate() == 3
    third = (tmp_path / SERVER_KEYS).read_text().split()
    assert third[1:] == second[:1]
    assert {subject: other_process.find(subject) for subject in by_subject} == by_subject


def test_a_rotation_that_was_cut_off_is_taken_up_by_the_next(database: Database, keys: SubjectKeys) -> None:
    by_subject = {subject: keys.find_or_create(subject) for subject in ("photos/00aa", "photos/00bb")}
    updates: list[str] = []

    def cut(connection: object, cursor: object, statement: str, *_: object) -> None:
        updates.extend([statement] if statement.startswith("UPDATE") else [])
        if len(updates) == 2:
            raise OSError("killed")

    event.listen(database.engine, "before_cursor_execute", cut)
    with pytest.raises(OSError, match="killed"):
        keys.rotate()
    event.remove(database.engine, "before_cursor_execute", cut)
    assert {subject: SubjectKeys.open(database).find(subject) for subject in by_subject} == by_subject
    assert keys.rotate() == 2
    assert {subject: keys.find(subject) for subject in by_subject} == by_subject


@of_sqlite
def test_keys_that_cannot_be_written_stay_as_they_are(
    keys: SubjectKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise PermissionError(13, "Permission denied")

    key, before = keys.find_or_create("photos/00aa"), (tmp_path / SERVER_KEYS).read_text()
    monkeypatch.setattr("api.encryption.key_store.os.replace", refuse)
    with pytest.raises(ConfigError, match=r"cannot be written \(Permission denied\); nothing was changed"):
        keys.rotate()
    assert (tmp_path / SERVER_KEYS).read_text() == before
    assert keys.find("photos/00aa") == key
    assert not list(tmp_path.glob(f".{SERVER_KEYS}*"))


@of_sqlite
def test_a_service_whose_keys_are_lost_does_not_start(database: Database, keys: SubjectKeys, tmp_path: Path) -> None:
    keys.find_or_create("photos/00aa")
    kept = tmp_path / "kept"
    shutil.move(tmp_path / SERVER_KEYS, kept)
    with pytest.raises(ConfigError, match=r"server.keys has no keys; .* restore it"):
        SubjectKeys.open(database)
    (tmp_path / SERVER_KEYS).write_text("ab" * KEY_BYTES)
    with pytest.raises(ConfigError, match=r"lacks the server key .*restore it"):
        SubjectKeys.open(database)
    with pytest.raises(StorageError, match="lacks the server key"):
        keys.find("photos/00aa")
    shutil.copy(kept, tmp_path / SERVER_KEYS)
    assert SubjectKeys.open(database).find("photos/00aa") == keys.find("photos/00aa")


def test_a_file_that_is_named_must_be_there_and_be_of_keys(database: Database, tmp_path: Path) -> None:
    named = tmp_path / "elsewhere.keys"
    with pytest.raises(ConfigError, match="openssl rand -hex 32"):
        SubjectKeys.open(database, named)
    named.write_text("no key\n")
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        SubjectKeys.open(database, named)
    named.write_text("0f" * KEY_BYTES + "\n")
    key = SubjectKeys.open(database, named).find_or_create("photos/00aa")
    assert SubjectKeys.open(database, named).find("photos/00aa") == key
    assert not (tmp_path / SERVER_KEYS).exists()


def test_a_key_that_was_changed_in_the_database_is_refused(database: Database, keys: SubjectKeys) -> None:
    keys.find_or_create("photos/00aa")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sealing_keys SET subject = 'photos/00bb'")
    with pytest.raises(StorageError, match="the key of photos/00bb is damaged"):
        keys.find("photos/00bb")


def test_processes_that_share_a_database_share_its_keys(tmp_path: Path) -> None:
    with (
        running_server() as server,
        closing(Database.open(tmp_path, url := server.database())) as one,
        closing(Database.open(tmp_path, url)) as other,
    ):
        first = SubjectKeys.open(one)
        key = first.find_or_create("photos/00aa")
        second = SubjectKeys.open(other)
        assert second.find_or_create("photos/00aa") == key
        assert first.rotate() == 1
        assert second.find("photos/00aa") == key
        second.destroy("photos/00aa")
        assert first.find("photos/00aa") is None
        assert not (tmp_path / SERVER_KEYS).exists()


# The signing secret


def test_a_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "secret"
    secret = load_secret(path)
    assert len(secret) == 32
    assert load_secret(path) == path.read_bytes() == secret != load_secret(tmp_path / "other")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


def test_a_process_that_comes_second_takes_the_secret_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_secret(tmp_path / "secret")
    monkeypatch.setattr(Path, "exists", lambda _: False)  # as both saw it
    assert load_secret(tmp_path / "secret") == first
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_a_secret_of_another_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(ConfigError, match=r"5 bytes.* 32 bytes"):
        load_secret(tmp_path / "secret")
