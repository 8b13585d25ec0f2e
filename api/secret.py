"""The service's secret, which its marks are signed with: a file, or a row of the database that processes share."""

from __future__ import annotations

import secrets
from typing import Final

from sqlalchemy import Column, LargeBinary, String, Table, select

from api.database import TABLES, Database, insert
from api.marking import SECRET_BYTES, load_secret

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
