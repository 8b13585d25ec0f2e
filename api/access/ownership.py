"""Ownership: every image set, photograph, and thing that is made from one belongs to the owners who asked for it.

An image set is identified by its content, so several owners can have one; each sees it as theirs alone.
"""

from __future__ import annotations

from contextlib import nullcontext
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Connection, Engine, String, Table, bindparam, delete, func, select, update

from api.operations.clock import now_ms
from api.operations.database import TABLES, insert


class Kind(StrEnum):
    """Kind of object that has owners."""

    IMAGE_SET = "image-set"
    PHOTO = "photo"
    EDIT = "edit"
    STIMULI = "stimuli"
    EXPLANATION = "explanation"
    ASSESSMENT = "assessment"


owned: Final = Table(
    "owned",
    TABLES,
    Column("subject", String, primary_key=True),
    Column("owner", String, primary_key=True, index=True),
    Column("kind", String, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
)


# Statements of each small request are built once: to build one takes longer than the database needs for it.
_of_subject: Final = owned.c.subject == bindparam("of")
_known_size: Final = select(func.max(owned.c.bytes)).where(_of_subject).scalar_subquery()
_weigh: Final = update(owned).where(_of_subject).values(bytes=bindparam("size"))


class Ownership:
    """Owners of objects and the sizes of these.

    Args:
        engine: SQLAlchemy engine of the service's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("subject", "owner", "kind", "since_ms")}
        new["bytes"] = func.coalesce(_known_size, bindparam("size"))
        self._give = insert(engine, owned).values(new).on_conflict_do_nothing()

    def give(self, subject: str, kind: Kind, owner: str, size: int = 0) -> bool:
        """Make an owner one of the owners of an object; nothing happens if it is one.

        Args:
            size: stored bytes of an object that nobody owns yet.

        Returns:
            Whether the object did not belong to the owner before.
        """
        values: dict[str, object] = {"new_subject": subject, "new_owner": owner, "new_kind": kind}
        values |= {"new_since_ms": now_ms(), "of": subject, "size": size}
        with self._engine.begin() as connection:
            return connection.execute(self._give, values).rowcount > 0

    def has(self, subject: str, kind: Kind, owner: str) -> bool:
        """Return whether an object belongs to an owner."""
        theirs = select(owned.c.subject).where(owned.c.subject == subject, owned.c.owner == owner, owned.c.kind == kind)
        with self._engine.connect() as connection:
            return connection.execute(theirs).first() is not None

    def weigh(self, subject: str, size: int, connection: Connection | None = None) -> None:
        """Record the stored bytes of an object.

        Args:
            connection: whose transaction records them; None begins one.
        """
        with nullcontext(connection) if connection else self._engine.begin() as transaction:
            transaction.execute(_weigh, {"of": subject, "size": size})

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

    def list_newest(self, kind: Kind, owner: str, limit: int, skip: int = 0) -> list[tuple[str, int]]:
        """Return ids of an owner's objects, those that the owner got last first, and since when (Unix time in ms)."""
        theirs = select(owned.c.subject, owned.c.since_ms).where(owned.c.owner == owner, owned.c.kind == kind)
        newest_first = theirs.order_by(owned.c.since_ms.desc(), owned.c.subject).limit(limit).offset(skip)
        with self._engine.connect() as connection:
            return [(row.subject, row.since_ms) for row in connection.execute(newest_first)]

    def page(self, kind: Kind, owner: str, limit: int, after: str) -> tuple[list[str], bool]:
        """Return ids of an owner's objects that follow `after`, in order, and whether there are more."""
        theirs = select(owned.c.subject).where(owned.c.owner == owner, owned.c.kind == kind, owned.c.subject > after)
        with self._engine.connect() as connection:
            found = list(connection.execute(theirs.order_by(owned.c.subject).limit(limit + 1)).scalars())
        return found[:limit], len(found) > limit
