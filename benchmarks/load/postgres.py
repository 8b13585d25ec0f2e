"""A temporary PostgreSQL server on a free loopback port, with its data in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from core.errors import ConfigError

_SETTINGS = "fsync=off", "full_page_writes=off", "max_connections=300", "unix_socket_directories="


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        folder: folder of its data.
        url: URL without a database.
    """

    folder: Path
    url: str

    def database(self) -> str:
        """Create an empty database, and return its URL."""
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self.url}/{name}"

    def crash(self, away_s: float = 0.0) -> None:
        """Stop the server as a crash would, and start it again after some time."""
        _run_pg_ctl(self.folder, "stop", "-m", "immediate")
        time.sleep(away_s)
        _run_pg_ctl(self.folder, "start")


@contextmanager
def run_server() -> Iterator[Server]:
    """Run a server of its own within the context.

    Raises:
        ConfigError: PostgreSQL is not installed.
    """
    find_binaries()
    folder = Path(tempfile.mkdtemp(prefix="gestaltgen-postgres-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, _find_user().pw_uid, _find_user().pw_gid)
        data = folder / "data"
        _run("initdb", "--pgdata", str(data), "--username=tests", "--auth=trust", "--no-sync", "--encoding=UTF8")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with (data / "postgresql.conf").open("a") as settings:
            settings.write("\n".join([*_format_settings(), f"port={port}", "listen_addresses='127.0.0.1'", ""]))
        _run_pg_ctl(folder, "start")
        try:
            yield Server(folder, f"postgresql://tests@127.0.0.1:{port}")
        finally:
            _run_pg_ctl(folder, "stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder)


def _format_settings() -> list[str]:
    return [f"{name}='{value}'" for name, _, value in (one.partition("=") for one in _SETTINGS)]


def _run_pg_ctl(folder: Path, *command: str) -> None:
    _run("pg_ctl", "--pgdata", str(folder / "data"), "--log", str(folder / "log"), "--wait", *command)


def _run(program: str, *arguments: str) -> None:
    """Run a program as another user than root, because PostgreSQL refuses root."""
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        who = {"user": _find_user().pw_uid, "group": _find_user().pw_gid, "extra_groups": []}
    command = [str(find_binaries() / program), *arguments]
    subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, **who)  # noqa: S603


def _find_user() -> pwd.struct_passwd:
    return pwd.getpwnam("postgres")


def find_binaries() -> Path:
    """Find the newest PostgreSQL of Debian's packages, or the one on the PATH.

    Raises:
        ConfigError: it is not installed.
    """
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if debian:
        return debian[-1]
    found = shutil.which("initdb")
    if found is None:
        raise ConfigError("PostgreSQL is not installed; run `apt-get install postgresql`")
    return Path(found).parent
