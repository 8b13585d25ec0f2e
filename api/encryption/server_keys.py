"""The server's keys, under which those of photographs are kept: a file of its own, or a row of the shared database.

A line for each key, in hexadecimal; the first one is in use, those after it only open what they closed. They are read
anew each time, so that all processes follow a rotation.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from api.encryption.sealing import KEY_BYTES
from api.encryption.secret import secret_row, set_secret_row
from api.operations.database import Database
from core.errors import ConfigError

FILE: Final = "server.keys"
"""In the state folder, where no other file is named."""

_ROW: Final = "server keys"
_LINE: Final = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}")


class ServerKeys(ABC):
    """Keys by their ids, the one in use first."""

    @property
    def made(self) -> bool:
        """Whether there are any."""
        return bool(self._read().strip())

    def all(self) -> Mapping[str, bytes]:
        """Every key.

        Raises:
            ConfigError: they are gone, or are no keys.
        """
        lines = self._read().split()
        if not lines or not all(_LINE.fullmatch(line) for line in lines):
            raise ConfigError(
                f"{self.place} has no keys; expected {2 * KEY_BYTES} hexadecimal digits on each line: restore it from "
                "where you keep it, or photographs cannot be opened"
            )
        keys = [bytes.fromhex(line) for line in lines]
        return {_id_of(key): key for key in keys}

    def put(self, keys: Mapping[str, bytes]) -> None:
        """Replace all keys, the one to be used first."""
        self._write("".join(f"{key.hex()}\n" for key in keys.values()))

    @property
    @abstractmethod
    def place(self) -> str:
        """Where they are, for people."""

    @abstractmethod
    def _read(self) -> str: ...

    @abstractmethod
    def _write(self, text: str) -> None: ...


class _InFile(ServerKeys):
    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        return f"the file {self._path}"

    def _read(self) -> str:
        try:
            return self._path.read_text("ascii")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.place} with the server's keys cannot be read: {error}") from error

    def _write(self, text: str) -> None:
        aside = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, self._path)
        except OSError as error:
            raise ConfigError(
                f"{self.place} with the server's keys cannot be written ({error.strerror}); nothing was changed: see "
                "to its rights, and those of its folder"
            ) from error
        finally:
            aside.unlink(missing_ok=True)


class _InDatabase(ServerKeys):
    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def place(self) -> str:
        return "the database"

    def _read(self) -> str:
        return (secret_row(self._database, _ROW) or b"").decode("ascii")

    def _write(self, text: str) -> None:
        set_secret_row(self._database, _ROW, text.encode())


def new_key() -> dict[str, bytes]:
    """A key at random, by its id."""
    key = secrets.token_bytes(KEY_BYTES)
    return {_id_of(key): key}


def server_keys(database: Database, path: Path | None) -> ServerKeys:
    """The keys of a service.

    Args:
        path: their file; None for one of the state folder, or the database if that is shared.

    Raises:
        ConfigError: there is no such file.
    """
    if path is not None:
        if not path.exists():
            raise ConfigError(
                f"there is no file {path} with the server's keys; make one, the same for all processes: `openssl rand "
                f"-hex {KEY_BYTES} > {path}`"
            )
        return _InFile(path)
    return _InDatabase(database) if database.shared else _InFile(database.state / FILE)


def _id_of(key: bytes) -> str:
    return hashlib.sha256(b"gestaltgen server key" + key).hexdigest()[:16]
