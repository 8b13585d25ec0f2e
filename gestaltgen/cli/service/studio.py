"""`gestaltgen studio`: runs the service on this machine, and opens its pages in the browser."""

from __future__ import annotations

import getpass
import re
import signal
import threading
import webbrowser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from api.access.api_keys import SERVICE, ApiKeys, Scope
from api.access.sessions import LIFETIME
from api.access.tickets import Tickets
from api.operations import clock
from api.operations.database import Database
from api.operations.state_folder import lock_state_folder
from api.settings import Settings
from core.errors import ConfigError
from core.hardware import limit_arenas
from core.stop_signals import interrupt_on_terminate
from gestaltgen.cli.service.service_options import build_settings, load_models, setting_option

_HOST: Final = "127.0.0.1"
_SCOPES: Final = (Scope.IMAGE_SETS, Scope.PHOTOS)


def studio(
    port: Annotated[int | None, setting_option("port")] = None,
    state: Annotated[Path | None, setting_option("state")] = None,
    weights: Annotated[Path | None, setting_option("weights")] = None,
    models: Annotated[Path | None, setting_option("models")] = None,
    classifiers: Annotated[Path | None, setting_option("classifiers")] = None,
    syndromes: Annotated[Path | None, setting_option("syndromes")] = None,
    device: Annotated[str | None, setting_option("device")] = None,
    threads: Annotated[int | None, setting_option("threads")] = None,
    log_level: Annotated[str, setting_option("log_level", default="warning")] = "warning",
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Start the service on this machine, and open its web pages, the studio, in the browser.

    You are signed in with a key of your own for image sets and photographs, which is revoked when the command ends: by
    Ctrl-C, or when its terminal is closed. What you make stays in the state folder, and is there at the next start of
    this command or of `gestaltgen serve`. Only this machine can reach the service. Options override environment
    variables; docs/service.md lists all settings.

    Example: gestaltgen studio --state ~/faces
    """
    settings = build_settings({name: value for name, value in locals().items() if name != "browser"} | _LOCAL)
    _check_unused(settings)
    typer.echo("The service starts; this takes some seconds.", err=True)
    limit_arenas()
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(load_models, settings)
        from gestaltgen.cli.service.server import serve_models  # the web framework, while the models are loaded
    try:
        with interrupt_on_terminate(), _terminate_on_hangup():
            serve_models(settings, loading, lambda url: _sign_in(settings, url, browser=browser))
    except KeyboardInterrupt:
        typer.echo("The studio is closed, and its key is revoked.", err=True)


_LOCAL: Final = {"host": _HOST, "without_keys": False, "role": "all"}
"""Settings of a service for one person on this machine."""


def read_login() -> str:
    """Return the login name of whoever runs the command; empty if the machine knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def name_owner(login: str) -> str:
    """Return a login name as the name of an owner of keys, without the characters that such names cannot have."""
    owner = re.sub(r"[^A-Za-z0-9._@-]+", "-", login).lstrip("-._@")[:64] or "studio"
    return f"{owner}-studio" if owner == SERVICE.owner else owner


def _check_unused(settings: Settings) -> None:
    """Check that no service uses the state folder, before the models are loaded.

    Raises:
        ConfigError: another one does.
    """
    if settings.database is not None:
        return  # which services share
    try:
        with lock_state_folder(settings.state):
            pass
    except ConfigError as error:
        raise ConfigError(
            f"a service runs already with the state folder {settings.state}. Open its pages under /studio, with a key "
            f"(`gestaltgen keys create OWNER --scope image-sets --scope photos --state {settings.state}`); or stop it; "
            "or take another folder: --state FOLDER"
        ) from error


@contextmanager
def _sign_in(settings: Settings, url: str, *, browser: bool) -> Iterator[None]:
    """Open the studio for whoever runs the command, and revoke their key at the end.

    Args:
        url: of the service, which listens already.
    """
    database = Database.open(settings.state, settings.database_url)
    try:
        keys = ApiKeys(database.engine)
        _, key = keys.create(name_owner(read_login()), _SCOPES, clock.now() + LIFETIME)
        try:
            page = f"{url}/studio/sign-in?ticket={Tickets(database.engine).issue(key.id)}"
            opens = browser and _open_browser(page)
            typer.echo(
                f"The studio is at {url}/studio. "
                + ("Your browser opens it. If it does not, open" if opens else "Open")
                + f" this address within two minutes; it works once, and signs you in as {key.owner} for twelve hours:"
                f"\n\n  {page}\n\nPress Ctrl-C to end the studio. If the address does not work any more, end the "
                "studio and start it again for a new one; what you have made is kept."
            )
            yield
        finally:
            keys.revoke(key.id)
    finally:
        database.close()


def _open_browser(page: str) -> bool:
    """Open a page in a browser with windows, if there is one; return whether there is."""
    try:
        controller = webbrowser.get()
    except webbrowser.Error:
        return False
    if type(controller) is webbrowser.GenericBrowser:  # one that would take over the terminal
        return False
    threading.Thread(target=controller.open, args=(page,), daemon=True).start()
    return True


@contextmanager
def _terminate_on_hangup() -> Iterator[None]:
    """Make the end of the terminal end the program as SIGTERM does, where there are such signals."""
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
