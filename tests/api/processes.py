"""The service with the tests' model in processes of their own, which can be killed."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gestaltgen_client import Client
from tests.api.stores import environment


@contextmanager
def process(state: Path, chunk_s: float, **settings: Any) -> Iterator[tuple[subprocess.Popen[bytes], Client]]:
    """One that is ready, and a client of it; killed at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    said = json.dumps({"state": str(state), **settings})
    command = [sys.executable, "-W", "error", "-m", "tests.api.killable", str(port), str(chunk_s), said]
    child = subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(state)
    )
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            client.wait_ready(60)
            yield child, client
    finally:
        child.kill()
        output, _ = child.communicate()
        print(output.decode())  # noqa: T201  pytest shows it where a test fails
