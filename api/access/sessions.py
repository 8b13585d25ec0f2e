"""Sessions of people who signed in with a browser: a random token in a cookie stands for an API key.

The database stores the SHA-256 of a token. A session ends after twelve hours, with its key, or when its owner signs
out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import Column, DateTime, Engine, String, Table, delete, insert, select

from api.access.api_keys import ApiKeys, Caller
from api.operations import clock
from api.operations.database import TABLES

COOKIE: Final = "gestaltgen_session"
"""Name of the cookie with the token of a session."""

LIFETIME: Final = timedelta(hours=12)

_sessions: Final = Table(
    "studio_sessions",
    TABLES,
    Column("sha256", String, primary_key=True),
    Column("key", String, nullable=False),
    Column("expires", DateTime, nullable=False),
)


class Sessions:
    """Sessions of a service.

    Args:
        engine: SQLAlchemy engine of the service's database.
        api_keys: keys of the service.
        secret: of the service, from which the tokens against forged requests follow.
    """

    def __init__(self, engine: Engine, api_keys: ApiKeys, secret: bytes) -> None:
        self._engine = engine
        self._api_keys = api_keys
        self._secret = secret

    def begin(self, key: str) -> str:
        """Begin a session for an API key, by its id, and return the token; sessions that are over are forgotten."""
        token, now = secrets.token_urlsafe(32), clock.now()
        with self._engine.begin() as connection:
            connection.execute(delete(_sessions).where(_sessions.c.expires <= now))
            connection.execute(insert(_sessions).values(sha256=_hash(token), key=key, expires=now + LIFETIME))
        return token

    def find_caller(self, token: str) -> Caller | None:
        """Return the caller whose session this is; None if it is unknown or over, or its key is not valid any more."""
        chosen = select(_sessions.c.key).where(_sessions.c.sha256 == _hash(token), _sessions.c.expires > clock.now())
        with self._engine.connect() as connection:
            key = connection.execute(chosen).scalar_one_or_none()
        return None if key is None else self._api_keys.find_caller_by_id(key)

    def end(self, token: str) -> None:
        """End a session; nothing happens if there is none."""
        with self._engine.begin() as connection:
            connection.execute(delete(_sessions).where(_sessions.c.sha256 == _hash(token)))

    def derive_csrf_token(self, token: str) -> str:
        """Return the token that every form of a session carries, which no other site can know.

        Args:
            token: of the session; empty where the service runs without keys.
        """
        return hmac.new(self._secret, b"form:" + token.encode("utf-8", "surrogateescape"), "sha256").hexdigest()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
