"""Sessions of people who signed in with a browser: a random token in a cookie stands for an API key, or for a user.

The database stores the SHA-256 of a token. A session ends after twelve hours, with its key, or when its owner signs
out. That of a user whom a proxy has signed in counts only where the proxy names this user again.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import Column, DateTime, Engine, String, Table, delete, insert, select

from api.access.api_keys import ApiKeys, Caller, Scope, check_owner, hash_secret
from api.operations import clock
from api.operations.database import TABLES

COOKIE: Final = "gestaltgen_session"
"""Name of the cookie with the token of a session."""

LIFETIME: Final = timedelta(hours=12)

PROXY: Final = "proxy"
"""Stands in place of the id of a key for users whom a proxy has signed in."""

_sessions: Final = Table(
    "studio_sessions",
    TABLES,
    Column("sha256", String, primary_key=True),
    Column("key", String, nullable=False),
    Column("proxy_user", String),
    Column("expires", DateTime, nullable=False),
)


class Sessions:
    """Sessions of a service.

    Args:
        engine: SQLAlchemy engine of the service's database.
        api_keys: keys of the service.
        secret: of the service, from which the tokens against forged requests follow.
        user_scopes: permissions of users whom a proxy has signed in.
    """

    def __init__(self, engine: Engine, api_keys: ApiKeys, secret: bytes, user_scopes: Iterable[Scope] = ()) -> None:
        self._engine = engine
        self._api_keys = api_keys
        self._secret = secret
        self._user_scopes = frozenset(user_scopes)

    def begin(self, key: str) -> str:
        """Begin a session for an API key, by its id, and return the token."""
        return self._begin(key, None)

    def begin_for_user(self, user: str) -> str:
        """Begin a session for a user whom a proxy has signed in, and return the token.

        Raises:
            ConfigError: no owner can have the user's name.
        """
        check_owner(user)
        return self._begin(PROXY, user)

    def find_caller(self, token: str, user: str | None = None) -> Caller | None:
        """Return the caller whose session this is; None if it is unknown or over, or its key is not valid any more.

        Args:
            token: of the session.
            user: whom a trusted proxy names in this request; None: nobody.
        """
        chosen = select(_sessions.c.key, _sessions.c.proxy_user)
        chosen = chosen.where(_sessions.c.sha256 == hash_secret(token), _sessions.c.expires > clock.now())
        with self._engine.connect() as connection:
            row = connection.execute(chosen).one_or_none()
        if row is None or row.proxy_user is None:
            return None if row is None else self._api_keys.find_caller_by_id(row.key)
        return Caller(row.proxy_user, PROXY, self._user_scopes) if row.proxy_user == user else None

    def _begin(self, key: str, user: str | None) -> str:
        """Begin a session; those that are over are forgotten."""
        token, now = secrets.token_urlsafe(32), clock.now()
        values = {"sha256": hash_secret(token), "key": key, "proxy_user": user, "expires": now + LIFETIME}
        with self._engine.begin() as connection:
            connection.execute(delete(_sessions).where(_sessions.c.expires <= now))
            connection.execute(insert(_sessions).values(values))
        return token

    def end(self, token: str) -> None:
        """End a session; nothing happens if there is none."""
        with self._engine.begin() as connection:
            connection.execute(delete(_sessions).where(_sessions.c.sha256 == hash_secret(token)))

    def derive_csrf_token(self, token: str) -> str:
        """Return the token that every form of a session carries, which no other site can know.

        Args:
            token: of the session; empty where the service runs without keys.
        """
        return hmac.new(self._secret, b"form:" + token.encode("utf-8", "surrogateescape"), "sha256").hexdigest()
