"""Store of explanations."""

from __future__ import annotations

from sqlalchemy import Engine

from api.operations.file_stores import Files
from api.photographs.edits import FaceStore
from api.photographs.records import EXPLANATIONS, ExplanationRecord


class Explanations(FaceStore[ExplanationRecord]):
    """Store of explanations. Erasing one is the task of `api.photographs.erasure.Eraser`.

    Args:
        files: where the files are.
        engine: of the service's database.
    """

    def __init__(self, files: Files, engine: Engine) -> None:
        super().__init__(files, engine, EXPLANATIONS, ExplanationRecord)

    def map_path(self, explanation: ExplanationRecord, method: str) -> str:
        """Return the path of the picture of a map."""
        return f"{self.folder(explanation)}/{explanation.id}/{method}.png"

    def delete_files(self, record: ExplanationRecord) -> None:
        self.files.delete_tree(f"{self.folder(record)}/{record.id}")
