"""Commands for operators close the databases of the service that they open."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.operations.database import Database
from api.photographs.audit.record import AuditRecord
from core.errors import GestaltError
from gestaltgen.cli import main


class Connection(sqlite3.Connection):
    """Connection that is in `still_open` until it is closed."""

    still_open: set[Connection]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.still_open.add(self)

    def close(self) -> None:
        super().close()
        self.still_open.discard(self)


@pytest.fixture
def still_open(monkeypatch: pytest.MonkeyPatch) -> set[Connection]:
    """The SQLite connections that are open."""
    Connection.still_open, connect = set(), sqlite3.dbapi2.connect
    monkeypatch.setattr(
        sqlite3.dbapi2, "connect", lambda *given, **options: connect(*given, factory=Connection, **options)
    )
    return Connection.still_open


def test_no_command_leaves_a_connection_open(tmp_path: Path, still_open: set[Connection]) -> None:
    for arguments in (
        ["keys", "create", "lab"],
        ["keys", "list"],
        ["keys", "rotate"],
        ["tenants", "set", "lab", "--stored-mb", "5"],
        ["tenants", "list"],
        ["tenants", "unset", "lab"],
        ["keys", "revoke", "absent"],
        ["tenants", "unset", "absent"],
    ):
        CliRunner().invoke(main.app, [*arguments, "--state", str(tmp_path)])
        assert not still_open, arguments
    record = AuditRecord.open(Database.at(tmp_path))
    assert still_open
    record.close()
    for command in ("head", "verify", "show"):
        assert CliRunner().invoke(main.app, ["audit", command, "--state", str(tmp_path)]).exit_code == 0
        assert not still_open, command


def test_what_cannot_be_opened_is_closed(tmp_path: Path, still_open: set[Connection]) -> None:
    database = Database.open(tmp_path)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE version SET number = 99")
    database.close()
    with pytest.raises(GestaltError):
        Database.open(tmp_path)
    Database.at(tmp_path).engine.dispose()
    (tmp_path / "audit.sqlite").touch()
    with pytest.raises(GestaltError):
        AuditRecord.find(Database.at(tmp_path))
    assert not still_open
