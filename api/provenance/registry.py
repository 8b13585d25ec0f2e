"""Every picture that the service made: where it lies, what it is, and its digests, by which it is known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Engine, Integer, String, Table, delete, select

from api.operations.database import TABLES, insert

_MANY: Final = 500


@dataclass(frozen=True)
class Picture:
    """A stored picture.

    Attributes:
        key: hash of all that it follows from; equal for equal pictures.
        pixels: digest of its pixels.
        sha256: of its file.
        subject: id of the image set, or of the photograph or edit, that it belongs to.
        number: its place there.
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


class Registry:
    """What was made.

    Args:
        engine: of the service's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, pictures: Sequence[Picture]) -> None:
        """Remember pictures, in place of what was known to lie where they do."""
        new = insert(self._engine, _pictures)
        told = {name: new.excluded[name] for name in ("key", "pixels", "sha256")}
        new = new.on_conflict_do_update(index_elements=["subject", "number"], set_=told)
        with self._engine.begin() as connection:
            connection.execute(new, [vars(one) for one in pictures])

    def made(self, keys: Iterable[str]) -> dict[str, Picture]:
        """One picture for each of these keys that there is one for."""
        wanted, found = list(keys), {}
        with self._engine.connect() as connection:
            for start in range(0, len(wanted), _MANY):
                some = _pictures.c.key.in_(wanted[start : start + _MANY])
                for row in connection.execute(select(_pictures).where(some)).mappings():
                    found[row["key"]] = Picture(**row)
        return found

    def known(self, *, sha256: str, pixels: str | None) -> Picture | None:
        """The picture with these digests, of its file or else of its pixels."""
        with self._engine.connect() as connection:
            for where in (_pictures.c.sha256 == sha256, _pictures.c.pixels == (pixels or "")):
                row = connection.execute(select(_pictures).where(where).limit(1)).mappings().first()
                if row is not None:
                    return Picture(**row)
        return None

    def forget(self, subject: str) -> None:
        """Everything that belongs to something erased."""
        with self._engine.begin() as connection:
            connection.execute(delete(_pictures).where(_pictures.c.subject == subject))


def key_of(weights_sha256: str, what: Mapping[str, Any]) -> str:
    """The key of a picture that follows from these weights and this description."""
    canonical = json.dumps({"weights": weights_sha256, **what}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
