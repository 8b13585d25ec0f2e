"""What earlier versions left, brought to this one: the tables of the database, and the layout of the state folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, insert, inspect, select, update

from core.errors import ConfigError

VERSION: Final = 3
"""Of the tables. Raise it when one of them changes, and say below how."""

_METADATA: Final = MetaData()
_version: Final = Table("version", _METADATA, Column("number", Integer, nullable=False))


def upgrade(engine: Engine, tables: MetaData) -> None:
    """Make the tables that are missing, and bring those of an earlier version to this one, all or nothing.

    Raises:
        ConfigError: a later version made them.
    """
    with engine.begin() as connection:
        found = _found(connection)
        if found > VERSION:
            raise ConfigError(
                f"the database is of version {found}, and this gestaltgen knows {VERSION} at most: start the later "
                "gestaltgen that it was last used with, or restore a backup from before"
            )
        for number in range(found, VERSION):
            _STEPS[number](connection)
        tables.create_all(connection)
        _METADATA.create_all(connection)
        if not connection.execute(update(_version).values(number=VERSION)).rowcount:
            connection.execute(insert(_version).values(number=VERSION))


def upgrade_folder(state: Path) -> None:
    """Move what an earlier version stored to where it is looked for now; nothing happens where that was done.

    Image sets that were not complete lay in `sets/<id>.partial`, files that follow from a set in `sets/<id>/derived`,
    and photographs that were being sent in `photos`, later in `incoming`. Each step is a rename or deletes what nobody
    needs, so that the next start goes on after a crash.
    """
    for partial in sorted((state / "sets").glob("*.partial")):
        if partial.with_suffix("").exists():  # complete, and left by a late writer
            shutil.rmtree(partial)
        else:
            partial.rename(partial.with_suffix(""))
    for derived in (state / "sets").glob("*/derived"):
        shutil.rmtree(derived)
    for sent in (state / "photos").glob(".*"):
        sent.unlink()
    if (state / "incoming").is_dir():
        shutil.rmtree(state / "incoming")


def _found(connection: Connection) -> int:
    """The version of what is there; this one where nothing is."""
    there = inspect(connection)
    if there.has_table(_version.name):
        return int(connection.execute(select(_version.c.number)).scalar_one())
    return 1 if there.has_table("jobs") else VERSION


def _jobs_say_their_owner(connection: Connection) -> None:
    """From 1: a job is queued under its owner."""
    connection.exec_driver_sql("ALTER TABLE jobs ADD COLUMN owner VARCHAR NOT NULL DEFAULT ''")
    connection.exec_driver_sql(
        "UPDATE jobs SET owner = COALESCE((SELECT MIN(owner) FROM owned WHERE owned.subject = jobs.subject), '')"
    )


def _photographs_are_sealed(connection: Connection) -> None:
    """From 2: the table of their keys is new; what is stored without one is read as it is. What is owned is weighed;
    what is there weighs nothing."""
    connection.exec_driver_sql("ALTER TABLE owned ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0")


_STEPS: Final[Mapping[int, Callable[[Connection], None]]] = {1: _jobs_say_their_owner, 2: _photographs_are_sealed}
"""By the version that each begins with."""
