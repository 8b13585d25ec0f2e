"""Ownership: every image set, photograph, edit and survey pack belongs to the owners who asked for it.

An image set is identified by its content, so several owners can have one; each sees it as theirs alone.
"""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Final

from sqlalchemy import BigInteger, Column, Engine, String, Table, delete, func, select, update

from api.operations.database import TABLES, insert


class Kind(StrEnum):
    """Kind of object that has owners."""

    IMAGE_SET = "image-set"
    PHOTO = "photo"
    EDIT = "edit"
    STIMULI = "stimuli"


owned: Final = Table(
    "owned",
    TABLES,
    Column("subject", String, primary_key=True),
    Column("owner", String, primary_key=True, index=True),
    Column("kind", String, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
)


class Ownership:
    """Owners of objects and the sizes of these.

    Args:
        engine: SQLAlchemy engine of the service's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def give(self, subject: str, kind: Kind, owner: str) -> None:
        """Make an owner one of the owners of an object; nothing happens if it is one."""
        values: dict[str, object] = {"subject": subject, "owner": owner, "kind": kind}
        others = select(func.coalesce(func.max(owned.c.bytes), 0)).where(owned.c.subject == subject).scalar_subquery()
        values |= {"since_ms": time.time_ns() // 1_000_000, "bytes": others}
        with self._engine.begin() as connection:
            connection.execute(insert(self._engine, owned).values(values).on_conflict_do_nothing())

    def has(self, subject: str, kind: Kind, owner: str) -> bool:
        """Return whether an object belongs to an owner."""
        theirs = select(owned.c.subject).where(owned.c.subject == subject, owned.c.owner == owner, owned.c.kind == kind)
        with self._engine.connect() as connection:
            return connection.execute(theirs).first() is not None

    def weigh(self, subject: str, size: int) -> None:
        """Record the stored bytes of an object."""
        with self._engine.begin() as connection:
            connection.execute(update(owned).where(owned.c.subject == subject).values(bytes=size))

    def weight(self, owner: str) -> int:
        """Return the bytes of all objects of an owner; an object of several owners counts for each."""
        with self._engine.connect() as connection:
            found = connection.execute(select(func.sum(owned.c.bytes)).where(owned.c.owner == owner)).scalar_one()
        return int(found or 0)

    def has_several_owners(self, subject: str) -> bool:
        """Return whether an object has several owners."""
        owners = select(owned.c.owner).where(owned.c.subject == subject).limit(2)
        with self._engine.connect() as connection:
            return len(connection.execute(owners).all()) > 1

    def take(self, subject: str) -> None:
        """Delete all owners of an object."""
        with self._engine.begin() as connection:
            connection.execute(delete(owned).where(owned.c.subject == subject))

    def release(self, subject: str, owner: str) -> bool:
        """Take one owner from it.

        Returns:
            Whether it belongs to nobody any more.
        """
        with self._engine.begin() as connection:
            connection.execute(delete(owned).where(owned.c.subject == subject, owned.c.owner == owner))
            others = select(owned.c.owner).where(owned.c.subject == subject).limit(1)
            return connection.execute(others).first() is None

    def page(self, kind: Kind, owner: str, limit: int, after: str) -> tuple[list[str], bool]:
        """Return ids of an owner's objects that follow `after`, in order, and whether there are more."""
        theirs = select(owned.c.subject).where(owned.c.owner == owner, owned.c.kind == kind, owned.c.subject > after)
        with self._engine.connect() as connection:
            found = list(connection.execute(theirs.order_by(owned.c.subject).limit(limit + 1)).scalars())
        return found[:limit], len(found) > limit
