"""`gestaltgen studio`: a key that lasts as long as the command, and an address that signs in once."""

from __future__ import annotations

import re
import signal
import webbrowser
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.access.api_keys import ApiKeys, Scope
from api.access.tickets import Tickets
from api.operations.database import Database
from api.operations.state_folder import lock_state_folder
from api.settings import Settings
from core.errors import ConfigError
from gestaltgen.cli import main
from gestaltgen.cli.service import server
from gestaltgen.cli.service import studio as command
from gestaltgen.cli.service.studio import name_owner

URL = "http://127.0.0.1:1"


class Browser(webbrowser.BaseBrowser):
    """Browser that notes what it opens."""

    def __init__(self) -> None:
        super().__init__("noted")
        self.opened: list[str] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.opened.append(url)
        return True


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    noted = Browser()
    monkeypatch.setattr(webbrowser, "get", lambda: noted)
    monkeypatch.setattr(command, "load_models", lambda settings: None)
    return noted


def serve_until(signal_number: int | None, seen: Callable[[Settings], None]) -> Callable[..., None]:
    """Server that looks at its state while it serves, and then gets a signal, or fails."""

    def serve_models(settings: Settings, _: Any, attend: Callable[[str], AbstractContextManager[None]]) -> None:
        with attend(URL):
            seen(settings)
            if signal_number is None:
                raise ConfigError("a failure")
            signal.raise_signal(signal_number)

    return serve_models


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, None])
def test_the_key_ends_with_the_command(
    end: int | None, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "read_login", lambda: "élodie d'été")

    def look(settings: Settings) -> None:
        assert (settings.host, settings.without_keys, settings.state) == ("127.0.0.1", False, tmp_path)
        [key] = ApiKeys(Database.open(tmp_path).engine).list_all()
        assert key.owner == "lodie-d-t-"
        assert set(key.scopes) == {Scope.IMAGE_SETS, Scope.PHOTOS}
        assert key.revoked is None

    monkeypatch.setattr(server, "serve_models", serve_until(end, look))
    result = CliRunner().invoke(main.app, ["studio", "--state", str(tmp_path)])
    assert result.exit_code == (1 if end is None else 0), result.output
    engine = Database.open(tmp_path).engine
    [key] = ApiKeys(engine).list_all()
    assert key.revoked is not None
    [page] = browser.opened
    assert page in result.stdout
    ticket = re.fullmatch(rf"{URL}/studio/sign-in\?ticket=(\S+)", page)
    assert ticket
    assert Tickets(engine).redeem(ticket[1]) == key.id


def test_no_browser_is_opened_where_none_is_wanted(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "serve_models", serve_until(signal.SIGTERM, lambda settings: None))
    result = CliRunner().invoke(main.app, ["studio", "--state", str(tmp_path), "--no-browser"])
    assert "ticket=" in result.stdout
    assert browser.opened == []


def test_a_state_folder_in_use_is_an_error_that_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    with lock_state_folder(tmp_path):
        result = CliRunner().invoke(main.app, ["studio", "--state", str(tmp_path)])
    assert result.exit_code == 1
    assert "--state" in result.stderr
    assert "gestaltgen keys create" in result.stderr
    assert ApiKeys(Database.open(tmp_path).engine).list_all() == []


@pytest.mark.parametrize(
    ("login", "owner"),
    [("ada", "ada"), ("DOMAIN\\ada", "DOMAIN-ada"), (".ada", "ada"), ("", "studio"), ("service", "service-studio")],
)
def test_every_login_name_becomes_an_owner(login: str, owner: str, tmp_path: Path) -> None:
    assert name_owner(login) == owner
    ApiKeys(Database.open(tmp_path).engine).create(owner, [Scope.IMAGE_SETS])
