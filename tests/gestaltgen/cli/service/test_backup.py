"""A backup of a running service, and a service that starts on it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.operations.database import Database
from api.photographs.audit.record import AuditRecord
from gestaltgen.cli import main
from tests.api.lab import WAIT, good, of_sqlite, open_lab, phantom

pytestmark = of_sqlite


def backup(state: Path, out: Path, **environment: str) -> Result:
    return CliRunner().invoke(
        main.app, ["backup", str(out), "--state", str(state)], env={"COLUMNS": "200"} | environment
    )


def test_a_service_goes_on_from_a_backup_that_was_taken_while_it_ran(tmp_path: Path) -> None:
    state, copy = tmp_path / "state", tmp_path / "backups" / "copy"
    with open_lab(state) as lab:
        erased, kept, erased_later = lab.photo(0), lab.photo(1, keep_original=True), lab.photo(2)
        good(lab.edit(kept, direction="smile", strength=0.5))
        asked = {"kind": "unrelated", "conditions": ["WS"], "count": 2, "seed": 3}
        made = good(lab.http.post("/v1/image-sets", json=asked, headers=WAIT))
        manifest = lab.http.get(f"/v1/image-sets/{made['id']}/manifest.jsonl").content
        crop = lab.http.get(f"/v1/photos/{kept}/crop.png").content
        lab.http.delete(f"/v1/photos/{erased}")
        result = backup(state, copy)
        assert result.exit_code == 0, result.output
        assert str(state / "server.keys") in result.output
        assert str(state / "receipts") in result.output
        lab.http.delete(f"/v1/photos/{erased_later}")
        headers = dict(lab.http.headers)
    assert not (copy / "server.keys").exists()
    assert not list(copy.rglob(f"*{erased}*"))
    assert copy.stat().st_mode & 0o077 == 0

    started = CliRunner().invoke(main.app, ["serve", "--state", str(copy)])
    assert started.exit_code != 0
    assert "server.keys has no keys" in " ".join(started.output.split())
    shutil.copy(state / "server.keys", copy)
    shutil.copytree(state / "receipts", copy / "receipts")
    with open_lab(copy) as lab:
        assert lab.http.get(f"/v1/photos/{kept}", headers=headers).json()["state"] == "done"
        assert lab.http.get(f"/v1/photos/{kept}/crop.png", headers=headers).content == crop
        assert lab.http.get(f"/v1/photos/{kept}/original", headers=headers).content == phantom(1)
        for photo in (erased, erased_later):
            assert lab.http.get(f"/v1/photos/{photo}", headers=headers).status_code == 404
        assert lab.http.get(f"/v1/image-sets/{made['id']}/manifest.jsonl", headers=headers).content == manifest
    AuditRecord.open(Database.at(copy)).verify()


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda state, out: out.mkdir(), "copy exists"),
        (lambda state, out: (state / "service.sqlite").unlink(), "is not the state folder of a service"),
    ],
)
def test_what_cannot_be_backed_up_is_said(tmp_path: Path, prepare: object, message: str) -> None:
    state, out = tmp_path / "state", tmp_path / "copy"
    Database.open(state).close()
    prepare(state, out)  # type: ignore[operator]
    result = backup(state, out)
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())


def test_records_in_postgresql_are_left_to_its_own_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GESTALTGEN_DATABASE", "postgresql://lab@nowhere/faces")
    result = CliRunner().invoke(main.app, ["backup", str(tmp_path / "copy")])
    assert "pg_dump" in result.output


def test_a_backup_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, out = tmp_path / "state", tmp_path / "copy"
    Database.open(state).close()
    (state / "sets").mkdir()
    (state / "sets" / "request.json").write_text("{}")

    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("api.operations.backup.shutil.copy2", full)
    assert backup(state, out).exit_code != 0
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
