"""Secrets of the service: the one that its marks are signed with, and what processes share in a database."""

from __future__ import annotations

import secrets
from typing import Final

from sqlalchemy import Column, LargeBinary, String, Table, select

from api.operations.database import TABLES, Database, insert
from api.provenance.marks import SECRET_BYTES, load_secret

_NAME: Final = "secret"
_secrets: Final = Table(
    "secrets", TABLES, Column("name", String, primary_key=True), Column("value", LargeBinary, nullable=False)
)


def secret_of(database: Database) -> bytes:
    """The secret of a service, the same for all its processes; made at random if there is none.

    Raises:
        ConfigError: a file of another size.
    """
    if not database.shared:
        return load_secret(database.state / _NAME)
    new = {"name": _NAME, "value": secrets.token_bytes(SECRET_BYTES)}
    with database.engine.begin() as connection:
        connection.execute(insert(database.engine, _secrets).values(new).on_conflict_do_nothing())
        return bytes(connection.execute(select(_secrets.c.value).where(_secrets.c.name == _NAME)).scalar_one())


def secret_row(database: Database, name: str) -> bytes | None:
    """A secret that processes share; None if there is none."""
    with database.engine.connect() as connection:
        found = connection.execute(select(_secrets.c.value).where(_secrets.c.name == name)).scalar_one_or_none()
    return None if found is None else bytes(found)


def set_secret_row(database: Database, name: str, value: bytes) -> None:
    """Keep a secret, or another in its place."""
    new = insert(database.engine, _secrets).values(name=name, value=value)
    with database.engine.begin() as connection:
        connection.execute(new.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
