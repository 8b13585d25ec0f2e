"""Tickets: an address with a random text signs in a person once, so that a program need not show them an API key.

The database stores the SHA-256 of a ticket. It is valid for two minutes.
"""

from __future__ import annotations

import secrets
from datetime import UTC, timedelta
from typing import Final

from sqlalchemy import Column, DateTime, Engine, String, Table, delete, insert

from api.access.api_keys import hash_secret
from api.operations import clock
from api.operations.database import TABLES

LIFETIME: Final = timedelta(minutes=2)

_tickets: Final = Table(
    "studio_tickets",
    TABLES,
    Column("sha256", String, primary_key=True),
    Column("key", String, nullable=False),
    Column("expires", DateTime, nullable=False),
)


class Tickets:
    """Tickets of a service.

    Args:
        engine: SQLAlchemy engine of the service's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def issue(self, key: str) -> str:
        """Issue a ticket for an API key, by its id; tickets that are too old are forgotten."""
        ticket, now = secrets.token_urlsafe(32), clock.now()
        with self._engine.begin() as connection:
            connection.execute(delete(_tickets).where(_tickets.c.expires <= now))
            connection.execute(insert(_tickets).values(sha256=hash_secret(ticket), key=key, expires=now + LIFETIME))
        return ticket

    def redeem(self, ticket: str) -> str | None:
        """Return the id of the API key that a ticket is for, which nobody can use again; None if it is not valid."""
        used = (
            delete(_tickets)
            .where(_tickets.c.sha256 == hash_secret(ticket))
            .returning(_tickets.c.key, _tickets.c.expires)
        )
        with self._engine.begin() as connection:
            row = connection.execute(used).one_or_none()
        return row.key if row is not None and clock.now() < row.expires.replace(tzinfo=UTC) else None
