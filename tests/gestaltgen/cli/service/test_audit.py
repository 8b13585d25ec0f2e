from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.access.api_keys import SERVICE, Caller
from api.encryption.key_store import load_secret
from api.operations.database import Database
from api.photographs.audit.entries import GENESIS, Head, Purpose, redact_purpose
from api.photographs.audit.record import AuditRecord
from api.settings import Settings
from gestaltgen.cli import main

LAB = Caller("genetics-lab", "0123abcd", frozenset())
FIRST, SECOND = "1" * 32, "2" * 32
FREE = "a survey of somebody"


def audit(state: Path, *args: str) -> Result:
    return CliRunner().invoke(main.app, ["audit", *args, "--state", str(state)], env={"COLUMNS": "60"})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with four entries."""
    free = redact_purpose(FREE, Settings().named_purposes, load_secret(tmp_path / "secret"))
    record, get = AuditRecord.open(Database.at(tmp_path)), "GET /v1/photos/{photo_id}/crop.png"
    record.record(LAB, get, {FIRST: Purpose("research")}, "done")
    record.record(Caller("other", "ffff0000", frozenset()), get, {SECOND: free}, "refused")
    record.record(SERVICE, "erase photograph", {FIRST: Purpose("research")}, "begun")
    record.record(SERVICE, "erase photograph", {FIRST: Purpose("research")}, "done")
    return tmp_path


def head(state: Path) -> str:
    result = audit(state, "head")
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def tamper(state: Path, statement: str) -> None:
    with closing(sqlite3.connect(state / "audit.sqlite", isolation_level=None)) as database:
        for change in ("UPDATE", "DELETE"):
            database.execute(f"DROP TRIGGER IF EXISTS audit_no_{change}")
        database.execute(statement)


def test_a_whole_record_is_said_to_be(state: Path) -> None:
    result = audit(state, "verify")
    assert result.exit_code == 0
    assert result.stdout == f"4 entries, none changed, missing or reordered; head {head(state)}\n"


def test_the_head_is_printed_alone(state: Path) -> None:
    last = list(AuditRecord.find(Database.at(state)).entries())[-1]
    assert audit(state, "head").stdout == f"4:{last.hash}\n"
    assert Head.parse(head(state)) == Head(4, last.hash)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (
            "UPDATE audit SET outcome = 'done' WHERE seq = 2",
            "entry 2 was changed",
        ),
        ("DELETE FROM audit WHERE seq = 2", "entry 2 is missing"),
        ("UPDATE audit SET seq = CASE seq WHEN 4 THEN -3 ELSE -4 END WHERE seq > 2", ""),
    ],
)
def test_what_is_broken_is_named_with_status_1(state: Path, statement: str, says: str) -> None:
    tamper(state, statement)
    if not says:
        tamper(state, "UPDATE audit SET seq = -seq WHERE seq < 0")
        says = "entry 3 is reordered: it was entry 4"
    result = audit(state, "verify")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"error: the audit record is broken: {says}" in result.stderr
    assert "Traceback" not in result.output


def test_a_cut_end_shows_against_the_head_of_before(state: Path) -> None:
    noted = head(state)
    assert audit(state, "verify", "--expect-head", noted).exit_code == 0
    tamper(state, "DELETE FROM audit WHERE seq > 2")
    assert audit(state, "verify").exit_code == 0
    result = audit(state, "verify", "--expect-head", noted)
    assert result.exit_code == 1
    assert f"entries 3 to 4 are missing at its end; expected the head {noted}" in result.stderr


def test_a_head_that_is_none_is_refused(state: Path) -> None:
    result = audit(state, "verify", "--expect-head", "4")
    assert result.exit_code == 1
    assert "error: head '4'; expected SEQ:HASH as `gestaltgen audit head` prints it" in result.stderr


@pytest.mark.parametrize("command", ["verify", "head", "show"])
def test_without_a_record_nothing_is_made(tmp_path: Path, command: str) -> None:
    result = audit(tmp_path, command)
    assert result.exit_code == 1
    assert "audit.sqlite does not exist; expected the audit record of a service" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_empty_record_is_whole(tmp_path: Path) -> None:
    AuditRecord.open(Database.at(tmp_path))
    assert head(tmp_path) == f"0:{GENESIS}"
    assert audit(tmp_path, "verify").stdout.startswith("0 entries")
    assert len(audit(tmp_path, "show").stdout.splitlines()) == 1


def test_the_record_is_shown_as_a_table_that_cuts_nothing(state: Path) -> None:
    titles, *rows = audit(state, "show").stdout.splitlines()
    assert titles.split("  ")[0] == "seq"
    assert len(rows) == 4
    for row, entry in zip(rows, AuditRecord.find(Database.at(state)).entries(), strict=True):
        cells = [cell.strip() for cell in row.split("  ") if cell]
        who = f"{entry.owner} ({entry.key})"
        assert cells == [str(entry.seq), entry.at, entry.outcome, who, entry.photo, entry.purpose, entry.action]
        assert titles.index("photograph") == row.index(entry.photo)


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ((), [1, 2, 3, 4]),
        (("--photo", FIRST), [1, 3, 4]),
        (("--owner", "service"), [3, 4]),
        (("--outcome", "refused"), [2]),
        (("--photo", FIRST, "--outcome", "done"), [1, 4]),
        (("--purpose", "Research"), [1, 3, 4]),
        (("--purpose", FREE), [2]),
        (("--purpose", "another survey"), []),
        (("--since", "2001-01-01"), [1, 2, 3, 4]),
        (("--since", "2999-01-01T12:00:00"), []),
    ],
)
def test_entries_are_found(state: Path, options: tuple[str, ...], numbers: list[int]) -> None:
    lines = audit(state, "show", "--json", *options).stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == numbers


def test_json_lines_are_all_that_a_check_needs(state: Path) -> None:
    lines = [json.loads(line) for line in audit(state, "show", "--json").stdout.splitlines()]
    assert [line["previous"] for line in lines] == [GENESIS, *(line["hash"] for line in lines[:-1])]
    assert set(lines[0]) == {"seq", "at", "owner", "key", "action", "photo", "purpose", "outcome", "previous", "hash"}
    assert f"{lines[-1]['seq']}:{lines[-1]['hash']}" == head(state)


def test_a_purpose_is_found_with_the_services_secret_only(state: Path) -> None:
    (state / "secret").unlink()
    result = audit(state, "show", "--purpose", FREE)
    assert result.exit_code == 1
    assert "secret does not exist; expected the service's" in result.stderr
    assert not (state / "secret").exists()


@pytest.mark.parametrize(("option", "given"), [("--outcome", "good"), ("--since", "yesterday")])
def test_options_that_cannot_be(state: Path, option: str, given: str) -> None:
    result = audit(state, "show", option, given)
    assert result.exit_code == 2
    assert given in result.stderr
    assert result.stdout == ""
