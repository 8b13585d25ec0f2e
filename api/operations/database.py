"""The service's database: SQLite files in the state folder, or one PostgreSQL by URL that several processes share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import URL, Engine, MetaData, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from api.operations.locks import LocalLocks, Locks, SharedLocks
from api.operations.upgrades import upgrade
from core.errors import ConfigError

TABLES: Final = MetaData()
"""Each part of the service adds its own; `Database.open` makes those that are missing."""

_BUSY_S: Final = 30.0
_DRIVER: Final = "postgresql+psycopg"
_EXAMPLE: Final = "postgresql://USER:PASSWORD@HOST/DATABASE"
_CONNECTIONS: Final = 60
"""At most of a process, beside those of its locks and of the queue; requests run in 40 threads."""


@dataclass(frozen=True)
class Database:
    """Where the service keeps its records, its queue and its audit record.

    Args:
        engine: of its own tables.
        state: the state folder; with SQLite everything is in files of it.
        url: of PostgreSQL; None for SQLite.
    """

    engine: Engine
    state: Path
    url: URL | None

    @classmethod
    def at(cls, state: Path, url: str | None = None) -> Self:
        """The database as it is, if it is there.

        Raises:
            ConfigError: a URL that is none of PostgreSQL.
        """
        if url is None:
            pragmas = ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON")
            return cls(sqlite_engine(state / "service.sqlite", *pragmas), state, None)
        parsed = _postgresql(url)
        return cls(_pooled(parsed), state, parsed)

    @classmethod
    def open(cls, state: Path, url: str | None = None) -> Self:
        """The database with all tables of this version, made if need be.

        Raises:
            ConfigError: a URL that is none of PostgreSQL, a server out of reach, or tables of a later version.
        """
        state.mkdir(parents=True, exist_ok=True)
        database = cls.at(state, url)
        try:
            with database.locks.held("tables"):  # several processes may begin together
                upgrade(database.engine, TABLES)
        except OperationalError as error:
            if database.url is None:
                raise
            raise ConfigError(
                f"the database {database.url.render_as_string()} cannot be used ({reason_of(error)}); expected a "
                "PostgreSQL server that runs and a database on it that this user may make tables in"
            ) from error
        return database

    @property
    def shared(self) -> bool:
        """Whether several processes may use it at once."""
        return self.url is not None

    @property
    def queue_url(self) -> str:
        """Where the queue is kept, for DBOS."""
        if self.url is None:
            return f"sqlite:///{self.state / 'jobs.sqlite'}"
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @cached_property
    def locks(self) -> Locks:
        """What only one thread, of all processes that share the database, does at a time."""
        return LocalLocks() if self.url is None else SharedLocks(self.url)

    def close(self) -> None:
        """Close its connections; it opens new ones when it is used again."""
        self.locks.close()
        self.engine.dispose()


def reason_of(error: SQLAlchemyError) -> str:
    """What went wrong, in one line and without the values that were in hand."""
    return " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())


def insert(engine: Engine, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what to do ON CONFLICT."""
    return postgresql.insert(table) if engine.dialect.name == "postgresql" else sqlite.insert(table)


def sqlite_engine(path: Path, *pragmas: str, explicit: bool = False) -> Engine:
    """An engine of an SQLite file that only its owner reads; readers do not stop a writer.

    Args:
        pragmas: settings of each connection. `secure_delete=ON`: deleted rows are overwritten, as they may be a
            patient's.
        explicit: transactions begin where they say so.
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


def _pooled(url: URL) -> Engine:
    """Connections that are tried before they are used, and whose times are UTC, as they are in SQLite."""
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=_CONNECTIONS - 5,
        connect_args={"options": "-c timezone=UTC", "connect_timeout": 10},
    )


def _postgresql(url: str) -> URL:
    """The URL with the driver that is installed.

    Raises:
        ConfigError: it is no URL of PostgreSQL.
    """
    try:
        found = make_url(url)
    except ArgumentError as error:
        raise ConfigError(f"the database URL cannot be read; expected {_EXAMPLE}") from error
    if found.get_backend_name() != "postgresql":
        raise ConfigError(
            f"the database URL begins with {found.drivername}://; expected {_EXAMPLE}, or none for SQLite in the state "
            "folder"
        )
    return found.set(drivername=_DRIVER)
