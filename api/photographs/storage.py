"""Photographs, stored and in the database: what is kept of each, for how long, and how it is erased.

Everything that erases is here, and records it: before it begins, and how it ended.

photos/<id>/   original (until it is inverted), crop.png, inversion.safetensors, reconstruction.png, edits/<id>.png
edits/<id>.png edits of synthetic faces, which are nobody's
stimuli/<id>/  a survey pack in the making, and pack.zip
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from api.access.api_keys import SERVICE, Caller
from api.encryption.upload_file import SealedUploadFile
from api.operations.database import TABLES, Database
from api.operations.file_stores import Files
from api.photographs.audit import Audit, Purpose
from core.errors import GestaltError

Json = Mapping[str, Any]

ERASE_PHOTO: Final = "erase photograph"
ERASE_ORIGINAL: Final = "erase original"
ERASE_PACK: Final = "erase survey pack"

_MANY: Final = 500


@dataclass(frozen=True)
class Photograph:
    """A photograph of a person, and what became of it.

    Attributes:
        consent, purpose: what its sender refers to, and what it is for.
        keep_original: it stays after the inversion.
        aligned: it is an aligned square already.
        expires_ms: when it is erased, Unix time.
        quality: figures and verdict of the inversion; None before.
        notes: what is to be known of the face that was taken.
        error: why it could not be inverted.
    """

    id: str
    owner: str
    model: str
    consent: str
    purpose: str
    keep_original: bool
    aligned: bool
    created_ms: int
    expires_ms: int
    media_type: str
    quality: Json | None = None
    notes: str = ""
    error: str | None = None


@dataclass(frozen=True)
class EditRecord:
    """An edit, of a photograph or of an image of a set.

    Attributes:
        parent: id of the photograph, or of the image set.
        number: of the image in the set; None for photographs.
        asked: the fields of the request.
        result: what came of it; None before.
    """

    id: str
    owner: str
    parent: str
    number: int | None
    asked: Json
    created_ms: int
    result: Json | None = None


@dataclass(frozen=True)
class PackRecord:
    """A survey pack.

    Attributes:
        photos: ids of the photographs in it.
        asked: the fields of the request.
        result: who is in it, and who was left out and why; None before.
    """

    id: str
    owner: str
    photos: tuple[str, ...]
    asked: Json
    created_ms: int
    expires_ms: int
    result: Json | None = None


@dataclass(frozen=True)
class Receipt:
    """What was erased.

    Attributes:
        erased: how many of each kind of thing.
        because: "asked for", or "its time was over".
    """

    id: str
    photo: str
    erased_ms: int
    erased: Json
    because: str


_photos: Final = Table(
    "photos",
    TABLES,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("model", String, nullable=False),
    Column("consent", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("keep_original", Boolean, nullable=False),
    Column("aligned", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    Column("media_type", String, nullable=False),
    Column("quality", Text),
    Column("notes", String, nullable=False),
    Column("error", String),
)
_edits: Final = Table(
    "edits",
    TABLES,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("parent", String, nullable=False, index=True),
    Column("number", Integer),
    Column("asked", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("result", Text),
)
_packs: Final = Table(
    "packs",
    TABLES,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("asked", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    Column("result", Text),
)
_pack_photos: Final = Table(
    "pack_photos",
    TABLES,
    Column("pack", String, ForeignKey("packs.id", ondelete="CASCADE"), primary_key=True),
    Column("photo", String, primary_key=True, index=True),
    Column("place", Integer, nullable=False),
)
_receipts: Final = Table(
    "receipts",
    TABLES,
    Column("id", String, primary_key=True),
    Column("photo", String, nullable=False),
    Column("erased_ms", BigInteger, nullable=False),
    Column("erased", Text, nullable=False),
    Column("because", String, nullable=False),
)


def now_ms() -> int:
    """Unix time."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """128 random bits: nobody can guess one."""
    return secrets.token_hex(16)


class Photographs:
    """The photographs of a service, with what is derived from them.

    Args:
        files: where their files are.
        database: of the service.
        audit: where it is recorded what is erased.
        purpose_of: what may be recorded of a purpose.
    """

    def __init__(self, files: Files, database: Database, audit: Audit, purpose_of: Callable[[str], Purpose]) -> None:
        self.files = files
        self._database = database
        self._engine = database.engine
        self._audit = audit
        self.purpose_of = purpose_of
        for folder in ("photos", "edits", "stimuli"):
            files.keep_private(folder)

    def folder(self, photo: str) -> str:
        """Where the files of a photograph are."""
        return f"photos/{photo}"

    @contextmanager
    def kept(self, *photos: str | None, pack: str | None = None) -> Iterator[None]:
        """Nothing is erased while what follows from these photographs is written; None is nobody's.

        Another process may erase all the same. It deletes files before and after it forgets the photograph; so what was
        written meanwhile is deleted by it, or here, where the photograph is looked for once more.

        Args:
            pack: a survey pack that is being made of them.

        Raises:
            GestaltError: one of them was erased before, or by another process meanwhile.
        """
        with self._alone():
            self._check(photos, pack)
            try:
                yield
            finally:
                self._check(photos, pack)

    def _check(self, photos: Iterable[str | None], pack: str | None) -> None:
        """Leave nothing of what was erased."""
        if pack is not None and self.pack(pack) is None:
            self.files.delete_tree(self.pack_folder(pack))
            raise GestaltError(f"survey pack {pack} was erased")
        for photo in photos:
            if photo is not None and self.get(photo) is None:
                self.files.delete_tree(self.folder(photo))
                raise GestaltError(f"photograph {photo} was erased")

    def inversion(self, photo: str) -> str:
        """Where its latent and offsets are."""
        return f"{self.folder(photo)}/inversion.safetensors"

    def original(self, photo: str) -> str:
        """Where the file that was sent is, until it is deleted."""
        return f"{self.folder(photo)}/original"

    def has_original(self, photo: str) -> bool:
        """Whether the file that was sent is there."""
        return self.files.exists(self.original(photo))

    def edit_file(self, edit: EditRecord) -> str:
        """Where the picture of an edit is; the same face unedited is beside it, as `before`."""
        of_photo = edit.number is None
        folder = f"{self.folder(edit.parent)}/edits" if of_photo else "edits"
        return f"{folder}/{edit.id}.png"

    def before_file(self, edit: EditRecord) -> str:
        return f"{self.edit_file(edit).removesuffix('.png')}-before.png"

    def pack_folder(self, pack: str) -> str:
        return f"stimuli/{pack}"

    def pack_file(self, pack: str) -> str:
        """Where a pack is that is done."""
        return f"{self.pack_folder(pack)}/pack.zip"

    def aside(self) -> SealedUploadFile:
        """Where a file lies while it is being sent."""
        return SealedUploadFile(self._database.state)

    def add(self, photo: Photograph) -> None:
        self._insert(_photos, vars(photo) | {"quality": None})

    def get(self, photo: str) -> Photograph | None:
        row = self._first(_photos, photo)
        if row is None:
            return None
        return Photograph(**row | {"quality": None if row["quality"] is None else json.loads(row["quality"])})

    def inverted(self, photo: str, quality: Json, notes: str) -> None:
        """Note how well it was inverted."""
        self._update(_photos, photo, quality=json.dumps(quality), notes=notes, error=None)

    def refused(self, photo: str, error: str) -> None:
        """Note why it could not be inverted."""
        self._update(_photos, photo, error=error)

    def purposes(self, photos: Collection[str]) -> dict[str, Purpose]:
        """What may be recorded of the purposes of photographs that there are, or were, by their ids, in this order.

        Raises:
            AuditError: the record, which knows those that were, cannot be read.
        """
        wanted, found = list(photos), dict[str, Purpose]()
        with self._engine.connect() as connection:
            for start in range(0, len(wanted), _MANY):
                some = select(_photos.c.id, _photos.c.purpose).where(_photos.c.id.in_(wanted[start : start + _MANY]))
                found |= {row.id: self.purpose_of(row.purpose) for row in connection.execute(some)}
        found |= self._audit.purposes([photo for photo in wanted if photo not in found])
        return {photo: found[photo] for photo in wanted if photo in found}

    def _alone(self) -> AbstractContextManager[None]:
        """Nobody else writes what follows from a photograph, or erases."""
        return self._database.locks.hold("photographs")

    @contextmanager
    def _erasing(self, caller: Caller, what: str, *photos: str) -> Iterator[None]:
        """Record that something of photographs is erased. Nothing is where that cannot be recorded.

        Raises:
            AuditError: it cannot.
        """
        purposes = self.purposes(photos)
        self._audit.record(caller, what, purposes, "begun")
        try:
            yield
        except BaseException:
            self._audit.record(caller, what, purposes, "failed")
            raise
        self._audit.record(caller, what, purposes, "done")

    def drop_original(self, photo: str) -> None:
        """Delete the file that was sent.

        Raises:
            AuditError: it cannot be recorded.
        """
        with self._alone():
            if self.has_original(photo):
                with self._erasing(SERVICE, ERASE_ORIGINAL, photo):
                    self.files.delete(self.original(photo))

    def left_originals(self) -> list[str]:
        """Photographs whose job has ended and whose original should be gone, and is not."""
        ended = _photos.c.quality.is_not(None) | _photos.c.error.is_not(None)
        with self._engine.connect() as connection:
            ids = connection.execute(select(_photos.c.id).where(ended, ~_photos.c.keep_original)).scalars().all()
        there = set(self.files.names("photos")) if ids else set()
        return [photo for photo in ids if f"{photo}/original" in there]

    def add_edit(self, edit: EditRecord) -> None:
        self._insert(_edits, vars(edit) | {"asked": json.dumps(dict(edit.asked)), "result": None})

    def edit(self, edit: str) -> EditRecord | None:
        row = self._first(_edits, edit)
        return None if row is None else EditRecord(**row | _parsed(row))

    def edits_of(self, parent: str, number: int | None, owner: str) -> list[EditRecord]:
        """An owner's edits of a photograph, or of an image of a set, the oldest first."""
        theirs = select(_edits).where(_edits.c.parent == parent, _edits.c.owner == owner, _edits.c.number == number)
        with self._engine.connect() as connection:
            rows = connection.execute(theirs.order_by(_edits.c.created_ms, _edits.c.id)).mappings().all()
        return [EditRecord(**dict(row) | _parsed(dict(row))) for row in rows]

    def edit_ids_of(self, parent: str) -> list[str]:
        """All edits of a photograph."""
        with self._engine.connect() as connection:
            return list(connection.execute(select(_edits.c.id).where(_edits.c.parent == parent)).scalars())

    def edited(self, edit: str, result: Json) -> None:
        """Note what came of an edit."""
        self._update(_edits, edit, result=json.dumps(result))

    def drop_edit(self, edit: EditRecord) -> None:
        """Erase an edit."""
        for name in (self.edit_file(edit), self.before_file(edit)):
            self.files.delete(name)
        self._delete(_edits, _edits.c.id == edit.id)

    def add_pack(self, pack: PackRecord) -> None:
        values = vars(pack) | {"asked": json.dumps(dict(pack.asked)), "result": None}
        del values["photos"]
        with self._engine.begin() as connection:
            connection.execute(insert(_packs).values(values))
            members = [{"pack": pack.id, "photo": photo, "place": place} for place, photo in enumerate(pack.photos)]
            connection.execute(insert(_pack_photos), members)

    def pack(self, pack: str) -> PackRecord | None:
        row = self._first(_packs, pack)
        if row is None:
            return None
        members = select(_pack_photos.c.photo).where(_pack_photos.c.pack == pack).order_by(_pack_photos.c.place)
        with self._engine.connect() as connection:
            photos = tuple(connection.execute(members).scalars())
        return PackRecord(**row | _parsed(row), photos=photos)

    def packed(self, pack: str, result: Json) -> None:
        """Note who is in a pack."""
        self._update(_packs, pack, result=json.dumps(result))

    def packs_of(self, photo: str) -> list[str]:
        """Packs that a photograph is in."""
        with self._engine.connect() as connection:
            return list(connection.execute(select(_pack_photos.c.pack).where(_pack_photos.c.photo == photo)).scalars())

    def drop_pack(self, pack: str, caller: Caller) -> None:
        """Erase a survey pack.

        Raises:
            AuditError: it cannot be recorded.
        """
        known = self.pack(pack)
        with self._erasing(caller, ERASE_PACK, *(known.photos if known else ())):
            self.files.delete_tree(self.pack_folder(pack))
            self._delete(_packs, _packs.c.id == pack)
            self.files.delete_tree(self.pack_folder(pack))  # see `kept`

    def erase(self, photo: str, caller: Caller, because: str) -> Receipt:
        """Erase a photograph with all that is derived from it, survey packs included, and say so.

        Raises:
            AuditError: it cannot be recorded.
        """
        with self._alone(), self._erasing(caller, ERASE_PHOTO, photo):
            return self._erase(photo, caller, because)

    def _erase(self, photo: str, caller: Caller, because: str) -> Receipt:
        packs = self.packs_of(photo)
        for pack in packs:
            self.drop_pack(pack, caller)
        names = self.files.names(self.folder(photo))
        erased = {
            "originals": names.count("original"),
            "crops": names.count("crop.png"),
            "latents and offsets": names.count("inversion.safetensors"),
            "reconstructions": names.count("reconstruction.png"),
            "edits": sum(name.startswith("edits/") for name in names) // 2,
            "survey packs": len(packs),
        }
        self.files.delete_tree(self.folder(photo))
        self._delete(_edits, _edits.c.parent == photo)
        self._delete(_photos, _photos.c.id == photo)
        self.files.delete_tree(self.folder(photo))  # see `kept`
        receipt = Receipt(new_id(), photo, now_ms(), erased, because)
        self._insert(_receipts, vars(receipt) | {"erased": json.dumps(erased)})
        return receipt

    def overwrite(self) -> None:
        """Empty SQLite's log of changes, where deleted rows would stay readable until others overwrite it."""
        if self._database.shared:
            return
        with self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def expired(self, at_ms: int) -> tuple[list[str], list[str]]:
        """Photographs and packs whose time is over."""
        with self._engine.connect() as connection:
            photos = connection.execute(select(_photos.c.id).where(_photos.c.expires_ms <= at_ms)).scalars().all()
            packs = connection.execute(select(_packs.c.id).where(_packs.c.expires_ms <= at_ms)).scalars().all()
        return list(photos), list(packs)

    def _first(self, table: Table, key: str) -> dict[str, Any] | None:
        with self._engine.connect() as connection:
            row = connection.execute(select(table).where(table.c.id == key)).mappings().first()
        return None if row is None else dict(row)

    def _insert(self, table: Table, values: Mapping[str, Any]) -> None:
        with self._engine.begin() as connection:
            connection.execute(insert(table).values(dict(values)))

    def _update(self, table: Table, key: str, **values: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == key).values(values))

    def _delete(self, table: Table, where: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(where))


def _parsed(row: Mapping[str, Any]) -> dict[str, Any]:
    result = row["result"]
    return {"asked": json.loads(row["asked"]), "result": None if result is None else json.loads(result)}
