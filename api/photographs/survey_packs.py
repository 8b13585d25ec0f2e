"""Store of survey packs."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from sqlalchemy import Engine, insert, select

from api.operations.file_stores import Files
from api.photographs.records import (
    PACK_PHOTOS,
    PACKS,
    Json,
    PackRecord,
    delete_rows,
    find_row,
    parse_json_columns,
    update_row,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Version: TypeAlias = Literal["A", "B"]
"""Versions of a survey."""

KEY: Final = "key/answers.csv"
"""Answer key in the zip of a pack."""


class SurveyPacks:
    """Store of survey packs. Erasing one is the task of `api.photographs.erasure.Eraser`.

    Args:
        files: where the files are.
        engine: of the service's database.
    """

    def __init__(self, files: Files, engine: Engine) -> None:
        self.files = files
        self._engine = engine
        files.keep_private("stimuli")

    def folder(self, pack: str) -> str:
        """Return the folder of a pack's files."""
        return f"stimuli/{pack}"

    def archive_path(self, pack: str) -> str:
        """Return the path of the zip of a finished pack."""
        return f"{self.folder(pack)}/pack.zip"

    def read_file(self, pack: str, name: str) -> bytes | None:
        """Read a file in the zip of a finished pack; None if there is none of that name."""
        with self._open_archive(pack) as archive:
            return archive.read(name) if name in archive.namelist() else None

    def read_picture(self, pack: str, version: Version, place: int) -> bytes | None:
        """Read the PNG that stands at a place in a version, from 1; None if there are not so many."""
        with self._open_archive(pack) as archive:
            files = archive.read(f"{version}/order.csv").decode().split()[1:]
            return archive.read(f"{version}/{files[place - 1]}") if 1 <= place <= len(files) else None

    def _open_archive(self, pack: str) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BufferedReader(_StoredFile(self.files, self.archive_path(pack)), 1 << 16))

    def add(self, pack: PackRecord) -> None:
        """Add the record of a pack."""
        values = vars(pack) | {"asked": json.dumps(dict(pack.asked)), "result": None}
        del values["photos"]
        with self._engine.begin() as connection:
            connection.execute(insert(PACKS).values(values))
            members = [{"pack": pack.id, "photo": photo, "place": place} for place, photo in enumerate(pack.photos)]
            connection.execute(insert(PACK_PHOTOS), members)

    def get(self, pack: str) -> PackRecord | None:
        """Return the record of a pack, or None."""
        row = find_row(self._engine, PACKS, pack)
        if row is None:
            return None
        members = select(PACK_PHOTOS.c.photo).where(PACK_PHOTOS.c.pack == pack).order_by(PACK_PHOTOS.c.place)
        with self._engine.connect() as connection:
            photos = tuple(connection.execute(members).scalars())
        return PackRecord(**row | parse_json_columns(row), photos=photos)

    def list_of_photograph(self, photo: str) -> list[str]:
        """List the packs that a photograph is in."""
        query = select(PACK_PHOTOS.c.pack).where(PACK_PHOTOS.c.photo == photo)
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def record_result(self, pack: str, result: Json) -> None:
        """Store the number of people in a pack, and the photographs that were left out."""
        update_row(self._engine, PACKS, pack, result=json.dumps(result))

    def remove(self, pack: str) -> None:
        """Remove the record of a pack, but none of its files."""
        delete_rows(self._engine, PACKS, PACKS.c.id == pack)

    def list_ids(self) -> list[str]:
        """List the ids of all packs."""
        with self._engine.connect() as connection:
            return list(connection.execute(select(PACKS.c.id)).scalars())

    def find_expired(self, at_ms: int) -> list[str]:
        """List packs whose time is over at a Unix time."""
        with self._engine.connect() as connection:
            return list(connection.execute(select(PACKS.c.id).where(PACKS.c.expires_ms <= at_ms)).scalars())


class _StoredFile(io.RawIOBase):
    """Stored file of which only what is needed is read.

    Args:
        files: where it is.
        name: its path.
    """

    def __init__(self, files: Files, name: str) -> None:
        self._files = files
        self._name = name
        self._size = files.size(name)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._files.read(self._name, self._at, min(self._at + len(view), self._size)) if view else b""
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
