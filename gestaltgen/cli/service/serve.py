"""`gestaltgen serve`: runs the service until it is stopped."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from api.app import create_app
from api.encryption.key_store import SubjectKeys
from api.models.pool import open_models
from api.operations import logs
from api.operations.database import Database
from api.operations.file_stores import open_files
from api.photographs.audit import Audit
from api.provenance.content_credentials import open_credentials
from api.resources import reserve_state_folder
from api.settings import Settings, unknown_settings
from core.errors import ConfigError

_log = logging.getLogger("gestaltgen.serve")


def _option(setting: str, flag: str | None = None) -> Any:
    about = Settings.model_fields[setting]
    shown = "unset" if about.default is None else str(about.default)
    return typer.Option(
        *([flag] if flag else []),
        help=about.description,
        envvar=f"GESTALTGEN_{setting.upper()}",
        show_default=shown,
    )


def serve(
    host: Annotated[str | None, _option("host")] = None,
    port: Annotated[int | None, _option("port")] = None,
    state: Annotated[Path | None, _option("state")] = None,
    role: Annotated[str | None, _option("role")] = None,
    storage: Annotated[str | None, _option("storage")] = None,
    weights: Annotated[Path | None, _option("weights")] = None,
    models: Annotated[Path | None, _option("models")] = None,
    without_keys: Annotated[bool | None, _option("without_keys", "--without-keys")] = None,
    precision: Annotated[str | None, _option("precision")] = None,
    device: Annotated[str | None, _option("device")] = None,
    threads: Annotated[int | None, _option("threads")] = None,
    log_format: Annotated[str | None, _option("log_format")] = None,
    log_level: Annotated[str | None, _option("log_level")] = None,
) -> None:
    """Serve image sets and edits over REST. Options override environment variables; docs/service.md lists all settings.

    Clients need a key: `gestaltgen keys create OWNER`. To try it on one machine: `gestaltgen serve --without-keys`.
    """
    given = {name: value for name, value in locals().items() if value is not None}
    settings = _build_settings(given)
    open_credentials(settings)
    opened = open_models(settings)  # refuses here what the worker would only log
    with reserve_state_folder(settings):
        _check_records(settings)
        open_files(settings.storage, settings.state)
    listener = open_listener(settings.host, settings.port)
    logs.configure(settings.log_level, settings.log_format)
    for line in unknown_settings(os.environ):
        _log.warning(line)
    _log.info("serving http://%s:%d", settings.host, listener.getsockname()[1])
    app = create_app(settings, load=lambda _: opened)
    run_server(app, listener)


def open_listener(host: str, port: int) -> socket.socket:
    """Open the socket that the service listens on. Accepted connections inherit its options.

    Answers are sent at once (TCP_NODELAY). Otherwise the kernel holds back the body of an answer until the client has
    acknowledged its head, which takes 40 ms on a kept connection. asyncio sets the option only on sockets that name
    their protocol.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port} cannot be listened on ({error.strerror}); take another --port or --host"
        ) from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def run_server(app: FastAPI, listener: socket.socket) -> None:
    """Answer requests on a listening socket until the process is told to stop."""
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=10)
    uvicorn.Server(config).run(sockets=[listener])


def _check_records(settings: Settings) -> None:
    """Open the records that the service opens, so that errors are reported before it starts."""
    database = Database.open(settings.state, settings.database_url)
    try:
        Audit.open(database).close()
        SubjectKeys.open(database, settings.server_keys)
    finally:
        database.close()


def _build_settings(given: dict[str, Any]) -> Settings:
    try:
        settings = Settings(**given)
    except ValidationError as error:
        found = [
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" if e["loc"] else e["msg"]
            for e in error.errors()
        ]
        raise typer.BadParameter("; ".join(found)) from error
    if settings.weights is not None and not settings.weights.is_file():
        raise typer.BadParameter(f"weights: {settings.weights} is not a file; expected a checkpoint")
    return settings
