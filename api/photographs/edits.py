"""Stores of what is made from faces, of photographs and of images of sets: edits, and what all such stores share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine, Table, select

from api.operations.file_stores import Files
from api.photographs.records import (
    EDITS,
    EditRecord,
    FaceRecord,
    FaceReference,
    Json,
    delete_rows,
    face_columns,
    face_of_columns,
    find_row,
    insert_row,
    parse_json_columns,
    update_row,
)

_Record = TypeVar("_Record", bound=FaceRecord)


class FaceStore(ABC, Generic[_Record]):
    """Store of one kind of things that are made from faces.

    Files that are made from a photograph lie in its folder, under its key.

    Args:
        files: where the files are.
        engine: of the service's database.
        table: table of the records; its name is that of the folder.
        record_type: class of the records.

    Attributes:
        name: name of the table and of the folder.
    """

    def __init__(self, files: Files, engine: Engine, table: Table, record_type: type[_Record]) -> None:
        self.files = files
        self._engine = engine
        self._table = table
        self._record_type = record_type
        self.name = table.name
        files.keep_private(table.name)

    @abstractmethod
    def delete_files(self, record: _Record) -> None:
        """Delete the files of a record."""

    def folder(self, record: _Record) -> str:
        """Return the folder of the files that are made from the face of a record."""
        return "/".join([*(f"photos/{photo}" for photo in record.photos), self._table.name])

    def add(self, record: _Record) -> None:
        """Add a record."""
        values = {"id": record.id, "owner": record.owner, "created_ms": record.created_ms, "result": None}
        values |= face_columns(record.face) | {"asked": json.dumps(dict(record.asked))}
        insert_row(self._engine, self._table, values)

    def get(self, record_id: str) -> _Record | None:
        """Return a record, or None."""
        row = find_row(self._engine, self._table, record_id)
        return None if row is None else self._parse_row(row)

    def list_ids(self) -> list[str]:
        """List the ids of all records."""
        with self._engine.connect() as connection:
            return list(connection.execute(select(self._table.c.id)).scalars())

    def list_of_face(self, face: FaceReference, owner: str) -> list[_Record]:
        """List an owner's records of a face, the oldest first."""
        table = self._table
        conditions = [table.c[name] == value for name, value in face_columns(face).items()]
        query = select(table).where(table.c.owner == owner, *conditions).order_by(table.c.created_ms, table.c.id)
        with self._engine.connect() as connection:
            return [self._parse_row(dict(row)) for row in connection.execute(query).mappings()]

    def list_of_parent(self, parent: str) -> list[_Record]:
        """List all records of a photograph, or of all images of a set, by its id."""
        with self._engine.connect() as connection:
            return [
                self._parse_row(dict(row))
                for row in connection.execute(select(self._table).where(self._table.c.parent == parent)).mappings()
            ]

    def record_result(self, record_id: str, result: Json) -> None:
        """Store the measured figures of a record."""
        update_row(self._engine, self._table, record_id, result=json.dumps(result))

    def remove(self, record: _Record) -> None:
        """Remove the files and the row of a record."""
        self.delete_files(record)
        delete_rows(self._engine, self._table, self._table.c.id == record.id)

    def remove_of_photograph(self, photo: str) -> None:
        """Remove the rows of all records of a photograph, but none of their files, which lie in its folder."""
        delete_rows(self._engine, self._table, self._table.c.parent == photo)

    def _parse_row(self, row: Mapping[str, Any]) -> _Record:
        face = face_of_columns(row["parent"], row["number"])
        fields = parse_json_columns(row)
        return self._record_type(row["id"], row["owner"], face, created_ms=row["created_ms"], **fields)


class Edits(FaceStore[EditRecord]):
    """Store of edits.

    Args:
        files: where the files are.
        engine: of the service's database.
    """

    def __init__(self, files: Files, engine: Engine) -> None:
        super().__init__(files, engine, EDITS, EditRecord)

    def picture_path(self, edit: EditRecord) -> str:
        """Return the path of the edited picture."""
        return f"{self.folder(edit)}/{edit.id}.png"

    def before_path(self, edit: EditRecord) -> str:
        """Return the path of the picture of the same face without the edit."""
        return f"{self.folder(edit)}/{edit.id}-before.png"

    def delete_files(self, record: EditRecord) -> None:
        for name in (self.picture_path(record), self.before_path(record)):
            self.files.delete(name)
