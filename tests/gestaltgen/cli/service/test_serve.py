"""The server of `gestaltgen serve`: its socket, and what it imports."""

from __future__ import annotations

import http.client
import socket
import threading
import time

import pytest
import uvicorn
from fastapi import FastAPI

from core.errors import ConfigError
from gestaltgen.cli.service.server import open_listener


def test_answers_on_a_kept_connection_are_sent_at_once() -> None:
    app = FastAPI()
    app.get("/here")(lambda: "yes")
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    with open_listener("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=30)
            for _ in range(2):
                connection.request("GET", "/here")
                assert connection.getresponse().read() == b'"yes"'
                [accepted] = server.server_state.connections
                peer = accepted.transport.get_extra_info("socket")  # type: ignore[union-attr]
                assert peer.getpeername() == connection.sock.getsockname()
                assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            connection.close()
        finally:
            server.should_exit = True
            thread.join()


def test_an_address_that_is_taken_is_an_error_that_names_it() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=str(port)):
            open_listener("127.0.0.1", port)
