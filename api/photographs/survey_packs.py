"""Store of survey packs."""

from __future__ import annotations

import json

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
