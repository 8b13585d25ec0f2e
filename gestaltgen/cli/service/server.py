"""Server of `gestaltgen serve` and `studio`: it opens what it needs, and answers requests until it is stopped.

The commands import this module, and the web framework with it, while the models are loaded.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.encryption.key_store import SubjectKeys
from api.models.pool import Models
from api.operations import logs
from api.operations.database import Database
from api.operations.file_stores import open_files
from api.photographs.audit.record import AuditRecord
from api.photographs.decoding import describe_confinement
from api.provenance.content_credentials import open_credentials
from api.resources import reserve_state_folder
from api.settings import Settings, unknown_settings
from core.errors import ConfigError
from gestaltgen.cli.service.connections import bound_connections

SWITCH_S: Final = 0.001
"""Time for which a thread computes while others wait to: a small request passes several threads, and waits in each."""

_log = logging.getLogger("gestaltgen.serve")


def serve_models(
    settings: Settings,
    loading: Future[Models],
    attend: Callable[[str], AbstractContextManager[Any]] = nullcontext,
) -> None:
    """Serve models until the process is told to stop.

    Errors that the worker would only log are raised here, before the port is opened.

    Args:
        loading: the models, which are being loaded.
        attend: opens, for the URL of the service, a context that lasts as long as requests are answered.

    Raises:
        GestaltError: a setting or a checkpoint cannot be used, or the port is taken.
    """
    open_credentials(settings)
    confinement = describe_confinement()  # while the models are loaded
    models = loading.result()
    with reserve_state_folder(settings):
        _check_records(settings)
        for store in (settings.storage, settings.receipts):
            open_files(store, settings.state)
    listener = open_listener(settings.host, settings.port)
    logs.configure(settings.log_level, settings.log_format)
    for line in unknown_settings(os.environ):
        _log.warning(line)
    _log.info(confinement)
    _log.info("serving http://%s:%d", settings.host, listener.getsockname()[1])
    app = create_app(settings, load=lambda _: models)
    with attend(f"http://{settings.host}:{listener.getsockname()[1]}"):
        run_server(app, listener, settings.max_connections_per_address)


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


def run_server(app: FastAPI, listener: socket.socket, most_of_address: int) -> None:
    """Answer requests on a listening socket until the process is told to stop.

    Objects that exist by now stay as long as the process: garbage collections leave them out, and so take some hundred
    milliseconds less.

    Args:
        most_of_address: connections that one address may have.
    """
    connection = bound_connections(most_of_address)
    config = uvicorn.Config(
        app,
        http=connection,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # uvicorn would put the browser's address in place of the proxy's
        timeout_graceful_shutdown=10,
    )
    gc.freeze()
    sys.setswitchinterval(SWITCH_S)
    uvicorn.Server(config).run(sockets=[listener])


def _check_records(settings: Settings) -> None:
    """Open the records that the service opens, so that errors are reported before it starts."""
    database = Database.open(settings.state, settings.database_url)
    try:
        AuditRecord.open(database).close()
        SubjectKeys.open(database, settings.server_keys)
    finally:
        database.close()
