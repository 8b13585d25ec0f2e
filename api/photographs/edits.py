"""Store of edits, of photographs and of images of sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, select

from api.operations.file_stores import Files
from api.photographs.records import (
    EDITS,
    EditRecord,
    FaceReference,
    Json,
    PhotographFace,
    delete_rows,
    face_columns,
    face_of_columns,
    find_row,
    insert_row,
    parse_json_columns,
    update_row,
)


class Edits:
    """Store of edits. Files of an edit of a photograph lie in the folder of the photograph, under its key.

    Args:
        files: where the files are.
        engine: of the service's database.
    """

    def __init__(self, files: Files, engine: Engine) -> None:
        self.files = files
        self._engine = engine
        files.keep_private("edits")

    def picture_path(self, edit: EditRecord) -> str:
        """Return the path of the edited picture."""
        face = edit.face
        folder = f"photos/{face.photo}/edits" if isinstance(face, PhotographFace) else "edits"
        return f"{folder}/{edit.id}.png"

    def before_path(self, edit: EditRecord) -> str:
        """Return the path of the picture of the same face without the edit."""
        return f"{self.picture_path(edit).removesuffix('.png')}-before.png"

    def add(self, edit: EditRecord) -> None:
        """Add the record of an edit."""
        values = {"id": edit.id, "owner": edit.owner, "created_ms": edit.created_ms, "result": None}
        insert_row(self._engine, EDITS, values | face_columns(edit.face) | {"asked": json.dumps(dict(edit.asked))})

    def get(self, edit: str) -> EditRecord | None:
        """Return the record of an edit, or None."""
        row = find_row(self._engine, EDITS, edit)
        return None if row is None else _parse_row(row)

    def list_of_face(self, face: FaceReference, owner: str) -> list[EditRecord]:
        """List an owner's edits of a face, the oldest first."""
        conditions = [EDITS.c[name] == value for name, value in face_columns(face).items()]
        query = select(EDITS).where(EDITS.c.owner == owner, *conditions).order_by(EDITS.c.created_ms, EDITS.c.id)
        with self._engine.connect() as connection:
            return [_parse_row(dict(row)) for row in connection.execute(query).mappings()]

    def list_of_parent(self, parent: str) -> list[EditRecord]:
        """List all edits of a photograph, or of all images of a set, by its id."""
        with self._engine.connect() as connection:
            return [
                _parse_row(dict(row))
                for row in connection.execute(select(EDITS).where(EDITS.c.parent == parent)).mappings()
            ]

    def record_result(self, edit: str, result: Json) -> None:
        """Store the measured figures of an edit."""
        update_row(self._engine, EDITS, edit, result=json.dumps(result))

    def remove(self, edit: EditRecord) -> None:
        """Remove the files and the record of an edit."""
        for name in (self.picture_path(edit), self.before_path(edit)):
            self.files.delete(name)
        delete_rows(self._engine, EDITS, EDITS.c.id == edit.id)

    def remove_of_photograph(self, photo: str) -> None:
        """Remove the records of all edits of a photograph, but none of their files, which lie in its folder."""
        delete_rows(self._engine, EDITS, EDITS.c.parent == photo)


def _parse_row(row: Mapping[str, Any]) -> EditRecord:
    face = face_of_columns(row["parent"], row["number"])
    return EditRecord(row["id"], row["owner"], face, created_ms=row["created_ms"], **parse_json_columns(row))
