"""State of earlier development versions is refused; none of them was ever released."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from api.app import create_app
from api.operations.database import VERSION, Database
from api.operations.state_folder import check_layout, lock_state_folder
from api.settings import Settings
from core.errors import ConfigError
from tests.api.fake import FakeModel, served
from tests.api.lab import of_sqlite
from tests.api.serving import start_and_stop


def start(state: Path) -> None:
    start_and_stop(create_app(Settings(state=state, without_keys=True), load=served(FakeModel())))


def change(state: Path, *statements: str) -> None:
    with closing(sqlite3.connect(state / "service.sqlite")) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


@of_sqlite
@pytest.mark.parametrize(
    ("statements", "version"),
    [(["DROP TABLE version"], 1), (["UPDATE version SET number = 2"], 2)],
)
def test_a_database_of_an_earlier_version_is_refused_in_one_line_that_says_what_to_do(
    tmp_path: Path, statements: list[str], version: int
) -> None:
    start(tmp_path)
    change(tmp_path, *statements)
    before = (tmp_path / "service.sqlite").read_bytes()
    with pytest.raises(ConfigError) as caught:
        start(tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert {str(version), str(VERSION)} <= set(message.replace(",", " ").split())
    assert "GESTALTGEN_STATE" in message
    assert (tmp_path / "service.sqlite").read_bytes() == before


@of_sqlite
def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    Database.open(tmp_path).close()
    change(tmp_path, "UPDATE version SET number = number + 1")
    with pytest.raises(ConfigError) as caught:
        Database.open(tmp_path)
    assert {str(VERSION), str(VERSION + 1)} <= set(str(caught.value).replace(",", " ").split())


@of_sqlite
def test_a_database_of_this_version_is_opened_again(tmp_path: Path) -> None:
    for _ in range(2):
        Database.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "service.sqlite")) as database:
        assert database.execute("SELECT number FROM version").fetchall() == [(VERSION,)]


@pytest.mark.parametrize(
    "left_over",
    ["sets/00ff00ff00ff00ff.partial/request.json", "sets/00ff00ff00ff00ff/derived/000000.tar", "photos/.0.incoming"],
)
def test_files_of_an_older_layout_are_refused_and_stay(tmp_path: Path, left_over: str) -> None:
    path = tmp_path / left_over
    path.parent.mkdir(parents=True)
    path.write_bytes(b"of before")
    with pytest.raises(ConfigError, match="GESTALTGEN_STATE"):
        start(tmp_path)
    assert path.read_bytes() == b"of before"


def test_a_new_folder_and_one_that_was_used_are_taken(tmp_path: Path) -> None:
    check_layout(tmp_path)
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        start(tmp_path)


def test_a_folder_has_one_user(tmp_path: Path) -> None:
    with lock_state_folder(tmp_path / "state"), pytest.raises(ConfigError), lock_state_folder(tmp_path / "state"):
        pass
    with lock_state_folder(tmp_path / "state"):
        pass
