"""The service over real HTTP on a free loopback port, in a thread of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import httpx
import uvicorn
from fastapi import FastAPI

from api.access.api_keys import Scope
from gestaltgen.cli.service.server import open_listener


@contextmanager
def serving(app: FastAPI, *, ready: bool = True) -> Iterator[str]:
    """Base URL of `app`, ready if asked to be; stopped at the end."""
    listener = open_listener("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        while not server.started:
            assert thread.is_alive(), "the service did not start"
            time.sleep(0.01)
        while ready and httpx.get(f"{url}/readyz", timeout=60).status_code == 503:
            time.sleep(0.01)
        yield url
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


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
