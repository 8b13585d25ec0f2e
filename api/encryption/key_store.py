"""Keys and secrets of the service: the server's keys, one key for each photograph and survey pack, the signing secret.

Keys are wrapped: the key of a photograph is stored encrypted under a key of the server. Once the wrapped key is
destroyed, nobody can read what was sealed with it, not even in a backup.

The server's keys lie in a file of their own, or in a row of the shared database. Each line holds one key in
hexadecimal. The first one is in use; those after it only unwrap what they wrapped before. They are read again for each
use, so that all processes follow a rotation.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, LargeBinary, String, Table, delete, select, update

from api.operations import state_folder
from api.operations.database import TABLES, Database, insert
from core.atomic_files import create_private_file
from core.errors import ConfigError, StorageError

KEY_BYTES: Final = 32
SECRET_BYTES: Final = 32

_NONCE_BYTES: Final = 12
_SECRET_NAME: Final = "secret"  # noqa: S105  a name
_SERVER_KEYS_NAME: Final = "server keys"
_HEX_KEY: Final = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}")

_secrets: Final = Table(
    "secrets", TABLES, Column("name", String, primary_key=True), Column("value", LargeBinary, nullable=False)
)
_wrapped_keys: Final = Table(
    "sealing_keys",
    TABLES,
    Column("subject", String, primary_key=True),
    Column("server_key", String, nullable=False),  # id of the server key that wraps it
    Column("closed", LargeBinary, nullable=False),  # nonce and wrapped key
)


# The signing secret


def load_or_create_secret(database: Database) -> bytes:
    """Return the secret that signs marks, the same for all processes of a service; it is created if there is none.

    Raises:
        ConfigError: the secret's file has another size.
    """
    if not database.shared:
        return load_secret(database.state / state_folder.SECRET)
    new = {"name": _SECRET_NAME, "value": secrets.token_bytes(SECRET_BYTES)}
    with database.engine.begin() as connection:
        connection.execute(insert(database.engine, _secrets).values(new).on_conflict_do_nothing())
        return bytes(connection.execute(select(_secrets.c.value).where(_secrets.c.name == _SECRET_NAME)).scalar_one())


def load_secret(path: Path) -> bytes:
    """Return the secret in a file that only its owner can read; a random one is created if there is no file.

    Processes that start together get the same secret.

    Raises:
        ConfigError: the file has another size than SECRET_BYTES.
    """
    if not path.exists():
        create_private_file(path, secrets.token_bytes(SECRET_BYTES))
    secret = path.read_bytes()
    if len(secret) != SECRET_BYTES:
        raise ConfigError(
            f"{path} has {len(secret)} bytes; expected a secret of {SECRET_BYTES} bytes: restore it, or delete it, "
            "after which marks of earlier pictures can no longer be verified"
        )
    return secret


# The server's keys


class ServerKeys(ABC):
    """Keys of the server by their ids; the one in use comes first."""

    @property
    def exist(self) -> bool:
        """Whether there are any keys."""
        return bool(self._read().strip())

    def load(self) -> Mapping[str, bytes]:
        """Return every key by its id.

        Raises:
            ConfigError: the keys are missing or malformed.
        """
        lines = self._read().split()
        if not lines or not all(_HEX_KEY.fullmatch(line) for line in lines):
            raise ConfigError(
                f"{self.location} has no keys; expected {2 * KEY_BYTES} hexadecimal digits on each line: restore it "
                "from your copy; without it photographs cannot be opened"
            )
        keys = [bytes.fromhex(line) for line in lines]
        return {_key_id(key): key for key in keys}

    def replace(self, keys: Mapping[str, bytes]) -> None:
        """Replace all keys; the first one is the one to use."""
        self._write("".join(f"{key.hex()}\n" for key in keys.values()))

    @property
    @abstractmethod
    def location(self) -> str:
        """Description of the place of the keys, for messages."""

    @abstractmethod
    def _read(self) -> str: ...

    @abstractmethod
    def _write(self, text: str) -> None: ...


class _ServerKeyFile(ServerKeys):
    """Server keys in a file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def location(self) -> str:
        return f"the file {self._path}"

    def _read(self) -> str:
        try:
            return self._path.read_text("ascii")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.location} with the server's keys cannot be read: {error}") from error

    def _write(self, text: str) -> None:
        temporary = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        except OSError as error:
            raise ConfigError(
                f"{self.location} with the server's keys cannot be written ({error.strerror}); nothing was changed: "
                "check the permissions of the file and of its folder"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)


class _ServerKeyRow(ServerKeys):
    """Server keys in a row of the database that the processes share."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine

    @property
    def location(self) -> str:
        return "the database"

    def _read(self) -> str:
        row = select(_secrets.c.value).where(_secrets.c.name == _SERVER_KEYS_NAME)
        with self._engine.connect() as connection:
            value = connection.execute(row).scalar_one_or_none()
        return bytes(value or b"").decode("ascii")

    def _write(self, text: str) -> None:
        value = text.encode()
        new = insert(self._engine, _secrets).values(name=_SERVER_KEYS_NAME, value=value)
        with self._engine.begin() as connection:
            connection.execute(new.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def open_server_keys(database: Database, path: Path | None) -> ServerKeys:
    """Return the server keys of a service.

    Args:
        path: file of the keys; None takes the one in the state folder, or the database if it is shared.

    Raises:
        ConfigError: there is no such file.
    """
    if path is not None:
        if not path.exists():
            raise ConfigError(
                f"there is no file {path} with the server's keys; create one, the same for all processes: `openssl "
                f"rand -hex {KEY_BYTES} > {path}`"
            )
        return _ServerKeyFile(path)
    return _ServerKeyRow(database) if database.shared else _ServerKeyFile(database.state / state_folder.SERVER_KEYS)


def create_server_key() -> dict[str, bytes]:
    """Return a new random key by its id."""
    key = secrets.token_bytes(KEY_BYTES)
    return {_key_id(key): key}


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"gestaltgen server key" + key).hexdigest()[:16]


# Keys of photographs and survey packs


class SubjectKeys:
    """Encryption keys of subjects, one for each photograph and survey pack, stored wrapped under the server's keys.

    Args:
        database: database of the service, which stores the wrapped keys.
        server: the server's keys.
    """

    def __init__(self, database: Database, server: ServerKeys) -> None:
        self._engine = database.engine
        self._locks = database.locks
        self.server = server

    @classmethod
    def open(cls, database: Database, path: Path | None = None) -> Self:
        """Open the keys of a service. A first server key is created if nothing has been wrapped yet.

        Args:
            path: file of the server's keys, see `open_server_keys`.

        Raises:
            ConfigError: keys of the server are missing.
        """
        keys = cls(database, open_server_keys(database, path))
        keys._check_server_keys()
        return keys

    def _check_server_keys(self) -> None:
        with self._locks.hold("server keys"):
            in_use = self._server_keys_in_use()
            if not in_use and not self.server.exist:
                self.server.replace(create_server_key())
            if missing := in_use - self.server.load().keys():
                raise ConfigError(
                    f"{self.server.location} lacks the server key {min(missing)}, under which photographs are sealed; "
                    "restore it from your copy, and give all processes the same keys"
                )

    def find(self, subject: str) -> bytes | None:
        """Return the key of a subject, or None if it has none or it was destroyed.

        Raises:
            StorageError: the key cannot be unwrapped.
        """
        with self._engine.connect() as connection:
            row = connection.execute(
                select(_wrapped_keys.c.server_key, _wrapped_keys.c.closed).where(_wrapped_keys.c.subject == subject)
            ).one_or_none()
        return None if row is None else _unwrap(subject, bytes(row.closed), self._load_server_key(row.server_key))

    def find_or_create(self, subject: str) -> bytes:
        """Return the key of a subject, which is created if there is none.

        Raises:
            StorageError: the key cannot be unwrapped, or the subject was erased meanwhile.
        """
        key = self.find(subject)
        if key is not None:
            return key
        name, server_key = next(iter(self.server.load().items()))
        wrapped = _wrap(subject, secrets.token_bytes(KEY_BYTES), server_key)
        row = {"subject": subject, "server_key": name, "closed": wrapped}
        with self._engine.begin() as connection:
            connection.execute(insert(self._engine, _wrapped_keys).values(row).on_conflict_do_nothing())
        key = self.find(subject)  # of whichever process was first
        if key is None:  # destroyed in the same moment
            raise StorageError(f"{subject} was erased meanwhile")
        return key

    def destroy(self, subject: str) -> None:
        """Destroy a subject's key, after which nothing that was sealed with it can be read, in any copy."""
        with self._engine.begin() as connection:
            connection.execute(delete(_wrapped_keys).where(_wrapped_keys.c.subject == subject))

    def rotate(self) -> int:
        """Create a new server key, wrap every subject's key under it, and return how many these are.

        The previous server key stays, for processes that were about to use it; earlier ones are deleted.
        """
        with self._locks.hold("server keys"):
            before, new = self.server.load(), create_server_key()
            keys = new | dict(before)
            self.server.replace(keys)
            count = sum(self._wrap_again(subject, keys, next(iter(new))) for subject in self._subjects_under(before))
            self.server.replace(new | dict([next(iter(before.items()))]))
        return count

    def _wrap_again(self, subject: str, keys: Mapping[str, bytes], name: str) -> bool:
        """Wrap one key under another server key; returns False if it was destroyed meanwhile."""
        with self._engine.connect() as connection:
            row = connection.execute(select(_wrapped_keys).where(_wrapped_keys.c.subject == subject)).one_or_none()
        if row is None:
            return False
        key = _unwrap(subject, bytes(row.closed), keys[row.server_key])
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(_wrapped_keys)
                .where(_wrapped_keys.c.subject == subject, _wrapped_keys.c.server_key == row.server_key)
                .values(server_key=name, closed=_wrap(subject, key, keys[name]))
            )
        return bool(changed.rowcount)

    def _subjects_under(self, server_keys: Iterable[str]) -> list[str]:
        wanted = _wrapped_keys.c.server_key.in_(list(server_keys))
        with self._engine.connect() as connection:
            return list(connection.execute(select(_wrapped_keys.c.subject).where(wanted)).scalars())

    def _server_keys_in_use(self) -> set[str]:
        with self._engine.connect() as connection:
            return set(connection.execute(select(_wrapped_keys.c.server_key).distinct()).scalars())

    def _load_server_key(self, name: str) -> bytes:
        try:
            return self.server.load()[name]
        except KeyError:
            raise StorageError(
                f"{self.server.location} lacks the server key {name}; give all processes the same keys"
            ) from None
        except ConfigError as error:
            raise StorageError(str(error)) from error


def _wrap(subject: str, key: bytes, server_key: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(server_key).encrypt(nonce, key, subject.encode())


def _unwrap(subject: str, wrapped: bytes, server_key: bytes) -> bytes:
    try:
        return AESGCM(server_key).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], subject.encode())
    except InvalidTag as error:
        raise StorageError(f"the key of {subject} is damaged; what was sealed with it is lost: erase it") from error
