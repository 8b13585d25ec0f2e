"""Store of assessments. The request and the answer, which are about a person's health, are encrypted files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine

from api.operations.file_stores import Files
from api.photographs.edits import FaceStore
from api.photographs.records import ASSESSMENTS, AssessmentRecord, Json


class Assessments(FaceStore[AssessmentRecord]):
    """Store of assessments. Erasing one is the task of `api.photographs.erasure.Eraser`.

    Rows of the table hold neither request nor answer, only whether there is an answer.

    Args:
        files: where the files are.
        engine: of the service's database.
    """

    def __init__(self, files: Files, engine: Engine) -> None:
        super().__init__(files, engine, ASSESSMENTS, AssessmentRecord)

    def picture_path(self, record: AssessmentRecord) -> str:
        """Return the path of the picture of the reasons."""
        return self._path(record, "picture.png")

    def add(self, record: AssessmentRecord) -> None:
        self.files.write(self._path(record, "request.json"), json.dumps(dict(record.asked)).encode())
        super().add(replace(record, asked={}))

    def write_answer(self, record: AssessmentRecord, answer: Json, picture: bytes) -> int:
        """Store the answer and its picture, and return the bytes of both."""
        data = json.dumps(dict(answer)).encode()
        self.files.write(self.picture_path(record), picture)
        self.files.write(self._path(record, "result.json"), data)
        self.record_result(record.id, {})
        return len(picture) + len(data)

    def delete_files(self, record: AssessmentRecord) -> None:
        self.files.delete_tree(f"{self.folder(record)}/{record.id}")

    def _path(self, record: AssessmentRecord, name: str) -> str:
        return f"{self.folder(record)}/{record.id}/{name}"

    def _parse_row(self, row: Mapping[str, Any]) -> AssessmentRecord:
        record = super()._parse_row(row)
        result = None if record.result is None else self._read(record, "result.json")
        return replace(record, asked=self._read(record, "request.json"), result=result)

    def _read(self, record: AssessmentRecord, name: str) -> Json:
        """Read a file as JSON; {} if the photograph is being erased."""
        data = self.files.find(self._path(record, name))
        return {} if data is None else json.loads(data)
