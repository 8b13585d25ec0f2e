"""Who may do what: API keys with an owner, scopes and an end.

A key is 256 random bits behind a prefix that says which software it opens. The database keeps its SHA-256; the key
itself is shown once. An owner is a name; objects belong to owners, so that keys can be changed without losing them.
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

from api.operations.database import TABLES
from core.errors import ConfigError

PREFIX: Final = "gestaltgen_"

_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class Scope(StrEnum):
    """What a key may be good for."""

    IMAGE_SETS = "image-sets"
    """Image sets and their edits."""
    PHOTOS = "photos"
    """Photographs: sending, inverting, editing, erasing; and survey packs of them."""
    METRICS = "metrics"
    """What the service counts of itself, and nothing else."""


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        key: id of the key, which is no secret.
    """

    owner: str
    key: str
    scopes: frozenset[Scope]


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key; the key itself is not."""

    id: str
    owner: str
    scopes: tuple[Scope, ...]
    created: datetime
    expires: datetime | None
    revoked: datetime | None

    def is_valid_at(self, now: datetime) -> bool:
        return self.revoked is None and (self.expires is None or now < self.expires)


ANYONE: Final = Caller("anyone", "none", frozenset(Scope))
"""The caller of a service that was started without keys."""

SERVICE: Final = Caller("service", "-", frozenset())
"""Who erases what is over; no key has this owner."""

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
    """The keys of a service.

    Args:
        engine: of its database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, owner: str, scopes: Sequence[Scope], expires: datetime | None = None) -> tuple[str, ApiKey]:
        """A new key, which can be read now and never again, and what is kept of it.

        Raises:
            ConfigError: a name that is none, no scope, or an end that has passed.
        """
        now = datetime.now(UTC)
        if not _OWNER.fullmatch(owner):
            raise ConfigError(
                f"owner {owner!r}; expected 1 to 64 letters, digits, dots, dashes, underscores or @, as genetics-lab"
            )
        if owner == SERVICE.owner:
            raise ConfigError(f"owner {owner!r} is what the audit record calls the service itself; take another name")
        if not scopes:
            raise ConfigError(f"no scope; expected one or more of {', '.join(Scope)}")
        if expires is not None and expires <= now:
            raise ConfigError(f"the end {expires:%Y-%m-%d %H:%M} UTC has passed; name a later one")
        secret = PREFIX + secrets.token_urlsafe(32)
        known = ApiKey(secrets.token_hex(4), owner, tuple(sorted(set(scopes))), now, expires, None)
        values = vars(known) | {"scopes": " ".join(known.scopes), "sha256": _hash_key(secret)}
        with self._engine.begin() as connection:
            connection.execute(insert(_keys).values(values))
        return secret, known

    def find_caller(self, secret: str) -> Caller | None:
        """Who has this key; None for one that is unknown, past its end or revoked."""
        found = self._find(_keys.c.sha256 == _hash_key(secret))
        if not found or not found[0].is_valid_at(datetime.now(UTC)):
            return None
        return Caller(found[0].owner, found[0].id, frozenset(found[0].scopes))

    def list_all(self) -> list[ApiKey]:
        """All keys, the oldest first."""
        return self._find()

    def revoke(self, key: str) -> None:
        """End a key at once, by its id.

        Raises:
            ConfigError: there is no such key.
        """
        changed = update(_keys).where(_keys.c.id == key).values(revoked=datetime.now(UTC))
        with self._engine.begin() as connection:
            if not connection.execute(changed).rowcount:
                raise ConfigError(f"there is no key {key!r}; `gestaltgen keys list` shows them")

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


def _hash_key(secret: str) -> str:
    """A single SHA-256: 256 random bits cannot be guessed, however fast the hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
