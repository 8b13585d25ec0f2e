"""Rows of the queue's database, which must be JSON.

A row says how it is serialized, and DBOS unpickles one that says so, whatever serializer it was given. Whoever can
write the database, or a backup of it, could run code in the service. So pickles are refused at launch and at reading.
"""

from __future__ import annotations

from typing import Final, NoReturn

from dbos import DBOSPortableJSONSerializer
from dbos._serialization import DefaultSerializer
from sqlalchemy import Engine, String, column, func, inspect, select, table

from core.errors import ConfigError

_COLUMN: Final = "serialization"


def refuse_pickles() -> None:
    """Make DBOS refuse every pickle that it reads in this process from now on."""
    DefaultSerializer.deserialize = _refuse  # type: ignore[assignment,method-assign]


def check_rows(engine: Engine) -> None:
    """Check that every row of the queue is JSON.

    Args:
        engine: of the queue's database, whose tables exist.

    Raises:
        ConfigError: a row is something else.
    """
    schema = "dbos" if engine.dialect.name == "postgresql" else None
    with engine.connect() as connection:
        for (_, name), columns in inspect(connection).get_multi_columns(schema=schema).items():
            if all(stored["name"] != _COLUMN for stored in columns):
                continue
            written = column(_COLUMN, String)
            strange = written.is_not(None) & (written != DBOSPortableJSONSerializer().name())
            counting = select(func.count()).select_from(table(name, schema=schema)).where(strange)
            if count := connection.execute(counting).scalar_one():
                raise ConfigError(
                    f"{count} rows of the table {name} in the job queue are not JSON, and could run code: somebody "
                    "else wrote them. Restore the database from a backup that you trust, or delete these rows"
                )


def _refuse(*_: object) -> NoReturn:
    raise ConfigError("the job queue holds a pickle, which is not read; expected JSON")
