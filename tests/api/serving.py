"""The service over real HTTP on a free loopback port, in a thread of the test."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from unittest.mock import patch

import anyio
import httpx
import uvicorn
from dbos import DBOS
from fastapi import FastAPI
from sqlalchemy import make_url

from api.access.api_keys import Scope
from gestaltgen.cli.service.server import open_listener

_migrate: Final = DBOS.migrate


@contextmanager
def serving(app: FastAPI, *, ready: bool = True) -> Iterator[str]:
    """Base URL of `app`, ready if asked to be; stopped at the end."""
    listener = open_listener("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with patch.object(DBOS, "migrate", _create_queue):
            thread.start()
            while not server.started:
                assert thread.is_alive(), "the service did not start"
                time.sleep(0.01)
        with httpx.Client(base_url=url, timeout=60) as http:
            while ready and http.get("/readyz").status_code == 503:
                time.sleep(0.01)
        yield url
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _create_queue(url: str) -> None:
    """Create the tables of a queue; those of a new SQLite file are copied, because DBOS takes 0.1 s to create them."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(str(parsed.database))
        with closing(sqlite3.connect(path)) as connection:
            tables = connection.execute("SELECT * FROM sqlite_master").fetchall()
        if not tables:
            path.write_bytes(_empty_queue())
    _migrate(url)


@cache
def _empty_queue() -> bytes:
    """SQLite file of a queue without jobs, in the journal mode of the service."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        _migrate(f"sqlite:///{path}")
        return path.read_bytes()


def caller(app: FastAPI, url: str, owner: str, *scopes: Scope) -> httpx.Client:
    """Somebody with a new key for the service `app` at `url`; for everything, unless scopes are named."""
    secret, _ = app.state.service.api_keys.create(owner, scopes or tuple(Scope))
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=90)


def start_and_stop(app: FastAPI) -> None:
    """Only the lifespan, so that what it raises arrives."""

    async def lifespan() -> None:
        async with app.router.lifespan_context(app):
            pass

    anyio.run(lifespan)
