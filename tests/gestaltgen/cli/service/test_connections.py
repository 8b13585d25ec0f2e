"""Half-open and too many connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gestaltgen.cli.service.connections import bound_connections
from gestaltgen.cli.service.server import open_listener

HALF = b"GET / HTTP/1.1\r\nHost: x\r\n"
WHOLE = HALF + b"\r\n"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await Response("here")(scope, receive, send)


@contextmanager
def serving(most: int, head_s: float) -> Iterator[tuple[str, int]]:
    """The address of a server with these limits."""
    listener = open_listener("127.0.0.1", 0)
    config = uvicorn.Config(answer, http=bound_connections(most, head_s), lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def connect(address: tuple[str, int], data: bytes) -> socket.socket:
    connection = socket.create_connection(address, timeout=20)
    connection.sendall(data)
    return connection


@pytest.mark.parametrize("before", [b"", WHOLE])
def test_half_a_head_is_given_up(before: bytes) -> None:
    with serving(3, 0.3) as address, connect(address, before) as connection:
        if before:
            assert connection.recv(10_000).startswith(b"HTTP/1.1 200")
        connection.sendall(HALF)
        while connection.recv(10_000):  # until the server closes it
            pass


def is_answered(connection: socket.socket) -> bool:
    try:
        connection.sendall(WHOLE)
        return connection.recv(10_000).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def test_an_address_has_so_many_connections() -> None:
    with serving(3, 60) as address, ExitStack() as stack:
        kept = [stack.enter_context(connect(address, b"")) for _ in range(3)]
        assert not is_answered(stack.enter_context(connect(address, b"")))
        assert is_answered(kept[0])
