from __future__ import annotations

from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from api.access.tenants import TenantLimits, Tenants
from api.operations.database import Database
from gestaltgen.cli import main


def tenants(state: Path, *args: str) -> Result:
    return CliRunner().invoke(main.app, ["tenants", *args, "--state", str(state)], env={"COLUMNS": "200"})


def kept(state: Path) -> dict[str, TenantLimits]:
    return Tenants(Database.open(state).engine).list_all()


def test_limits_are_set_shown_and_taken_away(tmp_path: Path) -> None:
    given = ("--images-waiting", "100000", "--model", "phantom128", "--model", "portraits128", "--photo-ttl-s", "86400")
    result = tenants(tmp_path, "set", "genetics-lab", *given)
    assert result.exit_code == 0, result.output
    expected = TenantLimits(images_waiting=100_000, models=("phantom128", "portraits128"), photo_ttl_s=86_400)
    assert kept(tmp_path) == {"genetics-lab": expected}
    said = "images waiting 100,000; models phantom128, portraits128; photo ttl s 86,400"
    assert said in " ".join(tenants(tmp_path, "list").output.split())
    tenants(tmp_path, "set", "genetics-lab", "--stored-mb", "5")
    assert kept(tmp_path) == {"genetics-lab": TenantLimits(stored_mb=5)}
    assert tenants(tmp_path, "unset", "genetics-lab").exit_code == 0
    assert kept(tmp_path) == {}


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    for args, message in (
        (("set", "lab"), "tenants unset lab"),
        (("unset", "lab"), "has no limits of their own"),
        (("set", "lab", "--stored-mb", "0"), "greater than or equal to 1"),
    ):
        result = tenants(tmp_path, *args)
        assert result.exit_code != 0
        assert message in " ".join(result.output.split())
