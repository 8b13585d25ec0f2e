"""Rows of the queue's database, which must be JSON.

A row says how it is serialized, and DBOS unpickles one that says so, whatever serializer it was given. Whoever can
write the database, or a backup of it, could run code in the service. So pickles are refused at launch and at reading.
"""

from __future__ import annotations

from typing import Final, NoReturn

from dbos import DBOSPortableJSONSerializer
from dbos._serialization import DefaultSerializer
from sqlalchemy import MetaData, Table, create_engine, func, inspect, select

from core.errors import ConfigError

_COLUMN: Final = "serialization"


def refuse_pickles() -> None:
    """Make DBOS refuse every pickle that it reads in this process from now on."""
    DefaultSerializer.deserialize = _refuse  # type: ignore[assignment,method-assign]


def check_rows(url: str) -> None:
    """Check that every row of the queue is JSON.

    Args:
        url: URL of the queue's database, whose tables exist.

    Raises:
        ConfigError: a row is something else.
    """
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    schema = "dbos" if engine.dialect.name == "postgresql" else None
    try:
        for name in inspect(engine).get_table_names(schema):
            table = Table(name, MetaData(), schema=schema, autoload_with=engine)
            if _COLUMN not in table.columns:
                continue
            written = table.columns[_COLUMN]
            strange = select(func.count()).where(written.is_not(None), written != DBOSPortableJSONSerializer().name())
            with engine.connect() as connection:
                if count := connection.execute(strange.select_from(table)).scalar_one():
                    raise ConfigError(
                        f"{count} rows of the table {name} in the job queue are not JSON, and could run code: somebody "
                        "else wrote them. Restore the database from a backup that you trust, or delete these rows"
                    )
    finally:
        engine.dispose()


def _refuse(*_: object) -> NoReturn:
    raise ConfigError("the job queue holds a pickle, which is not read; expected JSON")
