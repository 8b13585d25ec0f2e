"""API keys: each has an owner, scopes and an expiry date.

A key is 256 random bits behind a prefix that names the software. The database stores its SHA-256; the key itself is
shown once. An owner is a name. Objects belong to owners, so that keys can be changed without losing them.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, DateTime, Engine, String, Table, insert, select, update

from api.operations import clock
from api.operations.database import TABLES
from core.errors import ConfigError

PREFIX: Final = "gestaltgen_"

OWNER_PATTERN: Final = "[A-Za-z0-9][A-Za-z0-9._@-]{0,63}"
"""Regular expression of the names of owners."""


class Scope(StrEnum):
    """Permission of a key."""

    IMAGE_SETS = "image-sets"
    """Image sets and their edits."""
    PHOTOS = "photos"
    """Photographs: uploading, inverting, editing, erasing; and survey packs of them."""
    METRICS = "metrics"
    """Metrics of the service, and nothing else."""
    ADMIN = "admin"
    """Keys and limits of all owners. Whoever has it can make themselves a key of any owner."""


@dataclass(frozen=True)
class Caller:
    """Sender of a request.

    Attributes:
        owner: owner of the key.
        key: id of the key, which is not secret.
        scopes: permissions of the key.
    """

    owner: str
    key: str
    scopes: frozenset[Scope]


@dataclass(frozen=True)
class ApiKey:
    """Record of a key, without the key itself."""

    id: str
    owner: str
    scopes: tuple[Scope, ...]
    created: datetime
    expires: datetime | None
    revoked: datetime | None

    def is_valid_at(self, now: datetime) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < self.expires)


ANYONE: Final = Caller("anyone", "none", frozenset(Scope) - {Scope.ADMIN})
"""The caller of a service that was started without keys, who must not make any for when it is started with keys."""

SERVICE: Final = Caller("service", "-", frozenset())
"""The service itself, which erases photographs at the end of their retention time; no key has this owner."""

_keys: Final = Table(
    "api_keys",
    TABLES,
    Column("id", String, primary_key=True),
    Column("sha256", String, unique=True, nullable=False),
    Column("owner", String, nullable=False),
    Column("scopes", String, nullable=False),
    Column("created", DateTime, nullable=False),
    Column("expires", DateTime),
    Column("revoked", DateTime),
)


class ApiKeys:
    """API keys of a service.

    Args:
        engine: SQLAlchemy engine of the service's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, owner: str, scopes: Sequence[Scope], expires: datetime | None = None) -> tuple[str, ApiKey]:
        """Create a key and return it, which is possible only now, with its record.

        Raises:
            ConfigError: the owner cannot have this name, there is no scope, or the expiry date has passed.
        """
        now = clock.now()
        check_owner(owner)
        if not scopes:
            raise ConfigError(f"no scope; expected one or more of {', '.join(Scope)}")
        if expires is not None and expires <= now:
            raise ConfigError(f"the expiry date {expires:%Y-%m-%d %H:%M} UTC has passed; name a later one")
        secret = PREFIX + secrets.token_urlsafe(32)
        known = ApiKey(secrets.token_hex(4), owner, tuple(sorted(set(scopes))), now, expires, None)
        values = vars(known) | {"scopes": " ".join(known.scopes), "sha256": hash_secret(secret)}
        with self._engine.begin() as connection:
            connection.execute(insert(_keys).values(values))
        return secret, known

    def find_caller(self, secret: str) -> Caller | None:
        """Return the caller with this key; None if it is unknown, expired or revoked."""
        return self._find_valid(_keys.c.sha256 == hash_secret(secret))

    def find_caller_by_id(self, key: str) -> Caller | None:
        """Return the caller with the key of this id; None if it is unknown, expired or revoked."""
        return self._find_valid(_keys.c.id == key)

    def list_all(self) -> list[ApiKey]:
        """Return the records of all keys, the oldest first."""
        return self._find()

    def revoke(self, key: str) -> None:
        """Revoke a key at once, by its id.

        Raises:
            ConfigError: there is no such key.
        """
        changed = update(_keys).where(_keys.c.id == key).values(revoked=clock.now())
        with self._engine.begin() as connection:
            if not connection.execute(changed).rowcount:
                raise ConfigError(f"there is no key {key!r}; `gestaltgen keys list` shows them")

    def _find_valid(self, where: Any) -> Caller | None:
        found = self._find(where)
        if not found or not found[0].is_valid_at(clock.now()):
            return None
        return Caller(found[0].owner, found[0].id, frozenset(found[0].scopes))

    def _find(self, *where: Any) -> list[ApiKey]:
        with self._engine.connect() as connection:
            rows = connection.execute(select(_keys).where(*where).order_by(_keys.c.created)).mappings().all()
        return [
            ApiKey(
                row["id"],
                row["owner"],
                tuple(Scope(scope) for scope in row["scopes"].split()),
                row["created"].replace(tzinfo=UTC),
                row["expires"] and row["expires"].replace(tzinfo=UTC),
                row["revoked"] and row["revoked"].replace(tzinfo=UTC),
            )
            for row in rows
        ]


def check_owner(owner: str) -> None:
    """Check that an owner can have a name.

    Raises:
        ConfigError: it cannot.
    """
    if not re.fullmatch(OWNER_PATTERN, owner):
        raise ConfigError(
            f"owner {owner[:80]!r}; expected 1 to 64 letters, digits, dots, dashes, underscores or @, as genetics-lab"
        )
    if owner == SERVICE.owner:
        raise ConfigError(f"owner {owner!r} stands for the service itself in the audit record; take another name")


def hash_secret(secret: str) -> str:
    """Return the single SHA-256 of a secret: 256 random bits cannot be guessed, however fast the hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
