"""A key for each photograph and survey pack, kept under the server's: destroyed, nobody reads what it has sealed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, LargeBinary, String, Table, delete, select, update

from api.encryption.sealing import KEY_BYTES
from api.encryption.server_keys import ServerKeys, new_key, server_keys
from api.operations.database import TABLES, Database, insert
from core.errors import ConfigError, StorageError

_NONCE_BYTES: Final = 12

_keys: Final = Table(
    "sealing_keys",
    TABLES,
    Column("subject", String, primary_key=True),
    Column("server_key", String, nullable=False),  # id of the one that it is under
    Column("closed", LargeBinary, nullable=False),
)


class SubjectKeys:
    """The keys of subjects.

    Args:
        database: where they are.
        server: the keys that they are under.
    """

    def __init__(self, database: Database, server: ServerKeys) -> None:
        self._engine = database.engine
        self._locks = database.locks
        self.server = server

    @classmethod
    def open(cls, database: Database, path: Path | None = None) -> Self:
        """The keys of a service; the server's first one is made where there is nothing yet that one could be lost of.

        Args:
            path: file of the server's keys, see `server_keys`.

        Raises:
            ConfigError: keys of the server are missing.
        """
        vault = cls(database, server_keys(database, path))
        vault._begin()
        return vault

    def _begin(self) -> None:
        with self._locks.held("server keys"):
            used = self._used()
            if not used and not self.server.made:
                self.server.put(new_key())
            if lost := used - self.server.all().keys():
                raise ConfigError(
                    f"{self.server.place} lacks the server key {min(lost)}, under which photographs are sealed; "
                    "restore it from where you keep it, and give all processes the same"
                )

    def key_of(self, subject: str) -> bytes | None:
        """The key of a subject; None if it has none, or none any more.

        Raises:
            StorageError: it cannot be opened.
        """
        with self._engine.connect() as connection:
            row = connection.execute(
                select(_keys.c.server_key, _keys.c.closed).where(_keys.c.subject == subject)
            ).one_or_none()
        return None if row is None else _opened(subject, bytes(row.closed), self._server_key(row.server_key))

    def made_for(self, subject: str) -> bytes:
        """The key of a subject, made if there is none."""
        found = self.key_of(subject)
        if found is not None:
            return found
        name, server = next(iter(self.server.all().items()))
        closed = _closed(subject, secrets.token_bytes(KEY_BYTES), server)
        row = {"subject": subject, "server_key": name, "closed": closed}
        with self._engine.begin() as connection:
            connection.execute(insert(self._engine, _keys).values(row).on_conflict_do_nothing())
        made = self.key_of(subject)
        if made is None:  # destroyed in the same moment
            raise StorageError(f"{subject} was erased meanwhile")
        return made

    def destroy(self, subject: str) -> None:
        """Make unreadable, for ever and wherever there are copies, what was sealed for a subject."""
        with self._engine.begin() as connection:
            connection.execute(delete(_keys).where(_keys.c.subject == subject))

    def rotate(self) -> int:
        """Give the server a new key and put every other under it; the number of those.

        The key before it stays, for processes that were about to use it; those before that one go.
        """
        with self._locks.held("server keys"):
            before, new = self.server.all(), new_key()
            keys = new | dict(before)
            self.server.put(keys)
            moved = sum(self._move(subject, keys, next(iter(new))) for subject in self._under(before))
            self.server.put(new | dict([next(iter(before.items()))]))
        return moved

    def _move(self, subject: str, keys: Mapping[str, bytes], name: str) -> bool:
        """Put one key under another of the server; False where it was destroyed meanwhile."""
        with self._engine.connect() as connection:
            row = connection.execute(select(_keys).where(_keys.c.subject == subject)).one_or_none()
        if row is None:
            return False
        key = _opened(subject, bytes(row.closed), keys[row.server_key])
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(_keys)
                .where(_keys.c.subject == subject, _keys.c.server_key == row.server_key)
                .values(server_key=name, closed=_closed(subject, key, keys[name]))
            )
        return bool(changed.rowcount)

    def _under(self, server_keys: Iterable[str]) -> list[str]:
        with self._engine.connect() as connection:
            rows = connection.execute(select(_keys.c.subject).where(_keys.c.server_key.in_(list(server_keys))))
            return list(rows.scalars())

    def _used(self) -> set[str]:
        with self._engine.connect() as connection:
            return set(connection.execute(select(_keys.c.server_key).distinct()).scalars())

    def _server_key(self, name: str) -> bytes:
        try:
            return self.server.all()[name]
        except KeyError:
            raise StorageError(
                f"{self.server.place} lacks the server key {name}; give all processes the same keys"
            ) from None
        except ConfigError as error:
            raise StorageError(str(error)) from error


def _closed(subject: str, key: bytes, server: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(server).encrypt(nonce, key, subject.encode())


def _opened(subject: str, closed: bytes, server: bytes) -> bytes:
    try:
        return AESGCM(server).decrypt(closed[:_NONCE_BYTES], closed[_NONCE_BYTES:], subject.encode())
    except InvalidTag as error:
        raise StorageError(f"the key of {subject} is damaged; what was sealed with it is lost: erase it") from error
