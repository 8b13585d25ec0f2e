from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.access.api_keys import ApiKeys, Caller, Scope
from api.app import create_app
from api.encryption.key_store import SubjectKeys
from api.operations.database import Database
from api.provenance.claims import Claim
from api.provenance.content_credentials import open_credentials
from api.provenance.marks import encode
from api.settings import Settings
from core.errors import ConfigError
from gestaltgen.cli import main
from tests.api.fake import FakeModel, served
from tests.api.serving import serving

KEY = re.compile(r"gestaltgen_[A-Za-z0-9_-]{43}\n")


def keys(state: Path, *args: str) -> Result:
    return CliRunner().invoke(main.app, ["keys", *args, "--state", str(state)], env={"COLUMNS": "200"})


def created(state: Path, *args: str) -> str:
    """A new key, which is all that is said to standard output."""
    result = keys(state, "create", *args)
    assert result.exit_code == 0, result.output
    assert KEY.fullmatch(result.stdout)
    return result.stdout.strip()


def who(state: Path, secret: str) -> Caller | None:
    return ApiKeys(Database.open(state).engine).find_caller(secret)


def words(text: str) -> str:
    """Without frames and line breaks."""
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


def test_a_key_is_printed_alone_and_opens_what_it_says(tmp_path: Path) -> None:
    result = keys(tmp_path, "create", "genetics-lab", "--scope", "image-sets", "--scope", "photos")
    assert KEY.fullmatch(result.stdout)
    found = who(tmp_path, result.stdout.strip())
    assert found is not None
    assert (found.owner, found.scopes) == ("genetics-lab", {Scope.IMAGE_SETS, Scope.PHOTOS})
    assert f"key {found.key} of genetics-lab for image-sets, photos, until" in words(result.stderr)
    assert result.stdout.strip() not in result.stderr
    assert (tmp_path / "service.sqlite").stat().st_mode & 0o077 == 0


def test_without_options_a_key_makes_sets_for_90_days(tmp_path: Path) -> None:
    found = who(tmp_path, created(tmp_path, "lab"))
    assert found is not None
    assert found.scopes == {Scope.IMAGE_SETS}
    [key] = ApiKeys(Database.open(tmp_path).engine).list_all()
    assert key.expires is not None
    assert abs(key.expires - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("given", "hours"), [("12h", 12), ("30d", 720), ("8w", 1344), ("1y", 8760), ("7000y", 7000 * 8760)]
)
def test_an_end_is_a_span(tmp_path: Path, given: str, hours: int) -> None:
    created(tmp_path, "lab", "--expires", given)
    [key] = ApiKeys(Database.open(tmp_path).engine).list_all()
    assert key.expires is not None
    assert abs(key.expires - datetime.now(UTC) - timedelta(hours=hours)) < timedelta(minutes=1)


def test_a_key_may_be_for_ever(tmp_path: Path) -> None:
    result = keys(tmp_path, "create", "lab", "--expires", "never")
    assert "for ever" in result.stderr
    assert ApiKeys(Database.open(tmp_path).engine).list_all()[0].expires is None


def test_the_list_says_all_but_the_keys(tmp_path: Path) -> None:
    secrets = [created(tmp_path, owner, "--expires", end) for owner, end in (("a-lab", "never"), ("b-lab", "1d"))]
    over = ApiKeys(Database.open(tmp_path).engine)
    end = datetime.now(UTC) + timedelta(milliseconds=1)
    over.create("c-lab", [Scope.PHOTOS], end)
    shown = keys(tmp_path, "list").stdout
    rows = [line.split() for line in shown.splitlines()]
    assert rows[0] == ["id", "owner", "scopes", "made", "until", "state"]
    known = over.list_all()
    assert [row[:3] for row in rows[1:]] == [[key.id, key.owner, key.scopes[0].value] for key in known]
    assert [row[-1] for row in rows[1:]] == ["good", "good", "over"]
    assert ("for ever" in shown, "b-lab" in shown) == (True, True)
    assert not any(secret in shown for secret in secrets)


def test_a_narrow_window_cuts_no_id(tmp_path: Path) -> None:
    created(tmp_path, "an-owner-with-a-name-of-some-length", "--scope", "photos", "--scope", "image-sets")
    [key] = ApiKeys(Database.open(tmp_path).engine).list_all()
    shown = CliRunner().invoke(main.app, ["keys", "list", "--state", str(tmp_path)], env={"COLUMNS": "60"}).stdout
    assert key.id in shown


def test_the_service_itself_has_no_key(tmp_path: Path) -> None:
    result = keys(tmp_path, "create", "service")
    assert result.exit_code == 1
    assert "'service'" in words(result.stderr)


def test_a_revoked_key_opens_nothing(tmp_path: Path) -> None:
    secret, other = created(tmp_path, "lab"), created(tmp_path, "lab")
    found = who(tmp_path, secret)
    assert found is not None
    result = keys(tmp_path, "revoke", found.key)
    assert (result.exit_code, result.stdout) == (0, f"key {found.key} is revoked\n")
    assert who(tmp_path, secret) is None
    assert who(tmp_path, other) is not None
    assert "revoked" in keys(tmp_path, "list").stdout


def test_revoking_what_is_not_there(tmp_path: Path) -> None:
    result = keys(tmp_path, "revoke", "0badc0de")
    assert result.exit_code == 1
    assert words(result.stderr).startswith("error: ")
    assert "'0badc0de'" in result.stderr


@pytest.mark.parametrize("owner", ["", " ", "a b", "-lab/", "../lab", "x" * 65, "[red]lab", "lab\n", "Ünal"])
def test_an_owner_has_a_plain_name(tmp_path: Path, owner: str) -> None:
    result = CliRunner().invoke(main.app, ["keys", "create", "--state", str(tmp_path), "--", owner])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert repr(owner) in result.stderr
    assert ApiKeys(Database.open(tmp_path).engine).list_all() == []


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("--expires", "soon"),
        ("--expires", "1m"),
        ("--expires", "0h"),
        ("--expires", "-1d"),
        ("--expires", "99999y"),
        ("--scope", "everything"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, option: str, given: str) -> None:
    result = keys(tmp_path, "create", "lab", option, given)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert repr(given) in words(result.stderr)
    assert option in result.stderr


def test_an_end_that_has_passed_makes_no_key(tmp_path: Path) -> None:
    ended = datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(ConfigError, match="2020-01-01 00:00 UTC has passed"):
        ApiKeys(Database.open(tmp_path).engine).create("lab", [Scope.PHOTOS], ended)


def test_a_key_needs_a_scope(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        ApiKeys(Database.open(tmp_path).engine).create("lab", [])
    assert all(scope in str(caught.value) for scope in (Scope.IMAGE_SETS, Scope.PHOTOS))


def test_the_state_folder_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GESTALTGEN_STATE", str(tmp_path / "state"))
    result = CliRunner().invoke(main.app, ["keys", "create", "lab"])
    assert who(tmp_path / "state", result.stdout.strip()) is not None


def test_a_running_service_knows_keys_at_once(tmp_path: Path) -> None:
    app = create_app(Settings(state=tmp_path), load=served(FakeModel()))
    with serving(app) as url, httpx.Client(base_url=url) as http:
        bearer = {"Authorization": f"Bearer {created(tmp_path, 'lab')}"}
        assert http.get("/v1/models", headers=bearer).status_code == 200
        [key] = ApiKeys(Database.open(tmp_path).engine).list_all()
        assert keys(tmp_path, "revoke", key.id).exit_code == 0
        assert http.get("/v1/models", headers=bearer).status_code == 401


def test_a_pair_to_try_signatures_with(tmp_path: Path) -> None:
    out = tmp_path / "c2pa"
    result = CliRunner().invoke(main.app, ["keys", "c2pa", "--out", str(out), "--name", "Genetics laboratory"])
    assert result.exit_code == 0, result.output
    assert "untrusted by every viewer that is not given authority.pem" in words(result.output)
    assert "PRIVATE" not in result.output
    settings = dict(re.findall(r"^GESTALTGEN_(C2PA_\w+)=(.+)$", result.output, re.MULTILINE))
    opened = open_credentials(Settings(**{name.lower(): path for name, path in settings.items()}))
    picture = opened.sign(encode(np.zeros((8, 8, 3), np.uint8), Claim("synthetic", "ab", {})))
    found = opened.read(picture)
    assert found is not None
    assert (found.state, found.organisation) == ("trusted", "Genetics laboratory")
    assert {path.name: path.stat().st_mode & 0o077 for path in out.iterdir() if "key" in path.name} == {"key.pem": 0}
    again = CliRunner().invoke(main.app, ["keys", "c2pa", "--out", str(out)])
    assert again.exit_code == 1
    assert str(out / "key.pem") in words(again.output)


def test_a_name_has_to_fit_into_a_certificate(tmp_path: Path) -> None:
    for name in ("", "x" * 65):
        result = CliRunner().invoke(main.app, ["keys", "c2pa", "--out", str(tmp_path), "--name", name])
        assert result.exit_code == 2
        assert "--name" in words(result.output)


def test_serve_refuses_a_certificate_that_cannot_sign(tmp_path: Path) -> None:
    made = CliRunner().invoke(main.app, ["keys", "c2pa", "--out", str(tmp_path)])
    assert made.exit_code == 0
    env = {"GESTALTGEN_C2PA_CERTIFICATE": f"{tmp_path}/authority.pem", "GESTALTGEN_C2PA_KEY": f"{tmp_path}/key.pem"}
    result = CliRunner().invoke(main.app, ["serve", "--state", str(tmp_path / "state")], env=env)
    assert result.exit_code == 1
    assert "error: GESTALTGEN_C2PA_CERTIFICATE: " in result.output
    assert "CN=Test authority" in words(result.output)


def test_rotate_gives_the_server_a_new_key(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    vault = SubjectKeys.open(database)
    key = vault.find_or_create("photos/00aa")
    before = (tmp_path / "server.keys").read_text()
    result = keys(tmp_path, "rotate")
    assert result.exit_code == 0, result.output
    assert "1 photographs" in words(result.output)
    assert (tmp_path / "server.keys").read_text().endswith(before)
    assert vault.find("photos/00aa") == key
