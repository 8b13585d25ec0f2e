"""The service's database: SQLite files in the state folder, or one PostgreSQL that several processes share.

Only tables of this version are read. No version that wrote others was ever released, so there are no migrations.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import (
    URL,
    Column,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    inspect,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from api.operations import state_folder
from api.operations.locks import LocalLocks, Locks, SharedLocks
from core.errors import ConfigError

TABLES: Final = MetaData()
"""Tables of the service. Each package adds its own; `Database.open` creates those that are missing."""

VERSION: Final = 5
"""Version of the tables. Raise it when one of them changes."""

_VERSIONS: Final = MetaData()
_version: Final = Table("version", _VERSIONS, Column("number", Integer, nullable=False))

_BUSY_S: Final = 30.0
_CHECKPOINT: Final = "wal_autocheckpoint=8000"
"""Pages of the write-ahead log, 32 MB, after which it is copied into the file. That makes a request wait for the disk:
by default one of fifty small ones. Erasure of photographs copies and empties the log itself."""
_DRIVER: Final = "postgresql+psycopg"
_EXAMPLE: Final = "postgresql://USER:PASSWORD@HOST/DATABASE"
_CONNECTIONS: Final = 60
"""Connections of a process at most, besides those of its locks and of the queue; requests run in 40 threads."""


@dataclass(frozen=True)
class Database:
    """Database of the service: its records, its job queue and its audit record.

    Args:
        engine: SQLAlchemy engine for the service's own tables.
        state: the state folder; with SQLite all databases are files in it.
        url: URL of PostgreSQL; None for SQLite.
    """

    engine: Engine
    state: Path
    url: URL | None

    @classmethod
    def at(cls, state: Path, url: str | None = None) -> Self:
        """Return the database at a place, without creating or checking tables.

        Raises:
            ConfigError: the URL is not one of PostgreSQL.
        """
        if url is None:
            pragmas = ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON", _CHECKPOINT)
            return cls(sqlite_engine(state / state_folder.SERVICE_DATABASE, *pragmas), state, None)
        parsed = _parse_postgresql_url(url)
        return cls(_pooled_engine(parsed), state, parsed)

    @classmethod
    def open(cls, state: Path, url: str | None = None) -> Self:
        """Open the database and create the tables that are missing.

        Raises:
            ConfigError: the URL is not one of PostgreSQL, the server cannot be reached, or the tables are of another
                version.
        """
        state.mkdir(parents=True, exist_ok=True)
        database = cls.at(state, url)
        with ExitStack() as undo:
            undo.callback(database.close)
            try:
                with database.locks.hold("tables"):  # several processes may start together
                    _create_tables(database.engine)
            except OperationalError as error:
                if database.url is None:
                    raise
                raise ConfigError(
                    f"the database {database.url.render_as_string()} cannot be used ({explain_error(error)}); expected "
                    "a PostgreSQL server that runs and a database on it in which this user may create tables"
                ) from error
            undo.pop_all()
        return database

    @property
    def shared(self) -> bool:
        """Whether several processes may use the database at once."""
        return self.url is not None

    @property
    def queue_url(self) -> str:
        """URL of the job queue, for DBOS."""
        if self.url is None:
            return f"sqlite:///{self.state / state_folder.QUEUE_DATABASE}"
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @cached_property
    def queue_engine(self) -> Engine:
        """SQLAlchemy engine for the tables of the job queue."""
        return self.engine if self.shared else sqlite_engine(self.state / state_folder.QUEUE_DATABASE)

    @cached_property
    def locks(self) -> Locks:
        """Named locks over all threads and all processes that share the database."""
        return LocalLocks() if self.url is None else SharedLocks(self.url)

    def close(self) -> None:
        """Close all connections; new ones are opened when the database is used again."""
        self.locks.close()
        self.queue_engine.dispose()
        self.engine.dispose()


def explain_error(error: SQLAlchemyError) -> str:
    """Return the cause of an error in one line, without the values of the statement."""
    return " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())


def insert(engine: Engine, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that supports ON CONFLICT."""
    return postgresql.insert(table) if engine.dialect.name == "postgresql" else sqlite.insert(table)


def sqlite_engine(path: Path, *pragmas: str, explicit: bool = False) -> Engine:
    """Return an engine for an SQLite file that only its owner can read; readers do not block a writer.

    Args:
        pragmas: settings of each connection. `secure_delete=ON` overwrites deleted rows, which may be about a patient.
        explicit: transactions begin only where code begins them.
    """
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_S})

    def prepare(connection: Any, _: object) -> None:
        if explicit:
            connection.isolation_level = None
        for pragma in ("journal_mode=WAL", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "do_connect", lambda *_: path.touch(mode=0o600))
    event.listen(engine, "connect", prepare)
    return engine


def _pooled_engine(url: URL) -> Engine:
    """Return an engine whose connections are tested before use, and whose times are UTC, as in SQLite."""
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=_CONNECTIONS - 5,
        connect_args={"options": "-c timezone=UTC", "connect_timeout": 10},
    )


def _parse_postgresql_url(url: str) -> URL:
    """Return the URL with the name of the installed driver.

    Raises:
        ConfigError: it is not a URL of PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(f"the database URL cannot be read; expected {_EXAMPLE}") from error
    if parsed.get_backend_name() != "postgresql":
        raise ConfigError(
            f"the database URL begins with {parsed.drivername}://; expected {_EXAMPLE}, or none for SQLite in the "
            "state folder"
        )
    return parsed.set(drivername=_DRIVER)


def _create_tables(engine: Engine) -> None:
    """Create the tables that are missing, in one transaction.

    Raises:
        ConfigError: the tables are of another version.
    """
    with engine.begin() as connection:
        present = inspect(connection)
        if present.has_table(_version.name):
            found = int(connection.execute(select(_version.c.number)).scalar_one())
        else:
            found = 1 if present.has_table("jobs") else 0  # the first version did not store its number
        if found > VERSION:
            raise ConfigError(
                f"the database is of version {found}, and this gestaltgen knows {VERSION} at most: start the later "
                "gestaltgen that it was last used with, or restore a backup from before"
            )
        if 0 < found < VERSION:
            raise state_folder.layout_error(f"the database is of version {found}, and this is version {VERSION}")
        TABLES.create_all(connection)
        _VERSIONS.create_all(connection)
        if not found:
            connection.execute(_version.insert().values(number=VERSION))
