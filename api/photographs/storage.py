"""Store of photographs: rows in the database, and files that are encrypted under a key of each photograph."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Final

from sqlalchemy import select

from api.encryption.upload_file import SealedUploadFile
from api.operations.database import Database
from api.operations.file_stores import Files
from api.photographs.audit.entries import Purpose
from api.photographs.audit.record import AuditRecord
from api.photographs.records import PHOTOS, Json, Photograph, delete_rows, find_row, insert_row, update_row

_IDS_IN_A_QUERY: Final = 500


class Photographs:
    """Store of photographs. Erasing one is the task of `api.photographs.erasure.Eraser`.

    Args:
        files: where the files are.
        database: of the service.
        audit: the audit record, which knows purposes of erased photographs too.
        redact_purpose: converts a purpose to what the audit record may hold of it.
    """

    def __init__(
        self, files: Files, database: Database, audit: AuditRecord, redact_purpose: Callable[[str], Purpose]
    ) -> None:
        self.files = files
        self._database = database
        self._engine = database.engine
        self._audit = audit
        self.redact_purpose = redact_purpose
        files.keep_private("photos")

    def folder(self, photo: str) -> str:
        """Return the folder of a photograph's files."""
        return f"photos/{photo}"

    def inversion_path(self, photo: str) -> str:
        """Return the path of its latent and offsets."""
        return f"{self.folder(photo)}/inversion.safetensors"

    def landmarks_path(self, photo: str) -> str:
        """Return the path of the landmarks of its aligned face, in JSON."""
        return f"{self.folder(photo)}/landmarks.json"

    def original_path(self, photo: str) -> str:
        """Return the path of the file that was sent, which is deleted after the inversion."""
        return f"{self.folder(photo)}/original"

    def has_original(self, photo: str) -> bool:
        """Return whether the file that was sent is still there."""
        return self.files.exists(self.original_path(photo))

    def write_reference(self, photo: str, reference: str) -> None:
        """Store the sender's own reference to a photograph, encrypted as its pixels are."""
        self.files.write(self._reference_path(photo), reference.encode())

    def read_reference(self, photo: str) -> str:
        """Return the sender's own reference to a photograph; empty if there is none."""
        data = self.files.find(self._reference_path(photo))
        return "" if data is None else bytes(data).decode()

    def _reference_path(self, photo: str) -> str:
        return f"{self.folder(photo)}/reference"

    def open_upload(self) -> SealedUploadFile:
        """Open a temporary file for an upload, which only this process can read."""
        return SealedUploadFile(self._database.state)

    def add(self, photo: Photograph) -> None:
        """Add the record of a photograph."""
        insert_row(self._engine, PHOTOS, vars(photo) | {"asked": json.dumps(dict(photo.asked)), "quality": None})

    def get(self, photo: str) -> Photograph | None:
        """Return the record of a photograph, or None."""
        row = find_row(self._engine, PHOTOS, photo)
        if row is None:
            return None
        quality = None if row["quality"] is None else json.loads(row["quality"])
        return Photograph(**row | {"asked": json.loads(row["asked"]), "quality": quality})

    def record_inversion(self, photo: str, quality: Json, notes: str) -> None:
        """Store the quality of a photograph's inversion."""
        update_row(self._engine, PHOTOS, photo, quality=json.dumps(quality), notes=notes, error=None)

    def record_failure(self, photo: str, error: str) -> None:
        """Store the reason why a photograph could not be inverted."""
        update_row(self._engine, PHOTOS, photo, error=error)

    def remove(self, photo: str) -> None:
        """Remove the record of a photograph, but none of its files."""
        delete_rows(self._engine, PHOTOS, PHOTOS.c.id == photo)

    def find_purposes(self, photos: Collection[str]) -> dict[str, Purpose]:
        """Return what the audit record may hold of the purposes of photographs, by their ids and in their order.

        Erased photographs are included; ids that no photograph ever had are left out.

        Raises:
            AuditError: the audit record cannot be read.
        """
        ids, purposes = list(photos), dict[str, Purpose]()
        with self._engine.connect() as connection:
            for start in range(0, len(ids), _IDS_IN_A_QUERY):
                some = ids[start : start + _IDS_IN_A_QUERY]
                rows = connection.execute(select(PHOTOS.c.id, PHOTOS.c.purpose).where(PHOTOS.c.id.in_(some)))
                purposes |= {row.id: self.redact_purpose(row.purpose) for row in rows}
        purposes |= self._audit.purposes([photo for photo in ids if photo not in purposes])
        return {photo: purposes[photo] for photo in ids if photo in purposes}

    def find_leftover_originals(self) -> list[str]:
        """List photographs whose job has ended and whose original should be deleted, but is there."""
        ended = PHOTOS.c.quality.is_not(None) | PHOTOS.c.error.is_not(None)
        with self._engine.connect() as connection:
            ids = connection.execute(select(PHOTOS.c.id).where(ended, ~PHOTOS.c.keep_original)).scalars().all()
        names = set(self.files.names("photos")) if ids else set()
        return [photo for photo in ids if f"{photo}/original" in names]

    def list_ids(self) -> list[str]:
        """List the ids of all photographs."""
        with self._engine.connect() as connection:
            return list(connection.execute(select(PHOTOS.c.id)).scalars())

    def find_expired(self, at_ms: int) -> list[str]:
        """List photographs whose time is over at a Unix time."""
        with self._engine.connect() as connection:
            return list(connection.execute(select(PHOTOS.c.id).where(PHOTOS.c.expires_ms <= at_ms)).scalars())
