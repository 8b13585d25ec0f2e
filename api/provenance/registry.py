"""Registry of the pictures that the service made, with the digests by which they are recognised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Connection, Engine, Integer, String, Table, bindparam, delete, select

from api.operations.database import TABLES, insert

_MANY: Final = 500


@dataclass(frozen=True)
class Picture:
    """Entry of a stored picture.

    Attributes:
        key: hash of everything that determines the picture; equal for equal pictures.
        pixels: digest of its pixels.
        sha256: checksum of its file.
        subject: id of the image set, or of the photograph or edit, that it belongs to.
        number: its index there.
    """

    key: str
    pixels: str
    sha256: str
    subject: str
    number: int


_pictures: Final = Table(
    "pictures",
    TABLES,
    Column("subject", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("key", String, nullable=False, index=True),
    Column("pixels", String, nullable=False, index=True),
    Column("sha256", String, nullable=False, index=True),
)

_with_keys: Final = select(_pictures).where(_pictures.c.key.in_(bindparam("keys", expanding=True)))


class Registry:
    """Registry of pictures in the service's database.

    Args:
        engine: SQLAlchemy engine of the service's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        new = insert(engine, _pictures)
        digests = {name: new.excluded[name] for name in ("key", "pixels", "sha256")}
        self._add = new.on_conflict_do_update(index_elements=["subject", "number"], set_=digests)

    def begin(self) -> AbstractContextManager[Connection]:
        """Begin a transaction, in which other records can be stored too."""
        return self._engine.begin()

    def add(self, pictures: Sequence[Picture], connection: Connection | None = None) -> None:
        """Add pictures; an entry of the same subject and number is replaced.

        Args:
            connection: whose transaction adds them; None begins one.
        """
        with nullcontext(connection) if connection else self.begin() as transaction:
            transaction.execute(self._add, [vars(one) for one in pictures])

    def find_each(self, keys: Iterable[str]) -> dict[str, Picture]:
        """Return a picture for each of these keys that is registered."""
        keys, found = list(keys), {}
        with self._engine.connect() as connection:
            for start in range(0, len(keys), _MANY):
                for row in connection.execute(_with_keys, {"keys": keys[start : start + _MANY]}).mappings():
                    found[row["key"]] = Picture(**row)
        return found

    def find_by_digest(self, *, sha256: str, pixels: str | None) -> Picture | None:
        """Return a picture whose file, or else whose pixels, have this digest."""
        with self._engine.connect() as connection:
            for where in (_pictures.c.sha256 == sha256, _pictures.c.pixels == (pixels or "")):
                row = connection.execute(select(_pictures).where(where).limit(1)).mappings().first()
                if row is not None:
                    return Picture(**row)
        return None

    def forget(self, subject: str) -> None:
        """Delete all entries of a subject, which is erased."""
        with self._engine.begin() as connection:
            connection.execute(delete(_pictures).where(_pictures.c.subject == subject))


def compute_key(weights_sha256: str, what: Mapping[str, Any]) -> str:
    """Return the key of a picture, given the weights that render it and a description of all else that matters."""
    canonical = json.dumps({"weights": weights_sha256, **what}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
