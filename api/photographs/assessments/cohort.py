"""Cohort: photographs of an owner that other faces are compared with, until they leave it or are erased."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Engine, select, true

from api.operations.clock import now_ms
from api.operations.file_stores import Files
from api.photographs.records import COHORT, CohortMember, Json, Photograph, delete_rows, insert_row, new_id


class Cohort:
    """Store of the members of all owners' cohorts.

    The syndrome, sex, age and ancestry of a member, and the descriptor of the face, lie in the folder of the
    photograph, under its key.

    Args:
        files: where the files are.
        engine: of the service's database.
    """

    def __init__(self, files: Files, engine: Engine) -> None:
        self._files = files
        self._engine = engine

    def join(self, photo: Photograph, details: Json) -> CohortMember:
        """Add a photograph, or change the details of one that is a member."""
        self._files.write(_path(photo.id, "member.json"), json.dumps(dict(details)).encode())
        member = self.find(photo.id)
        if member is None:
            member = CohortMember(new_id(), photo.owner, photo.id, now_ms())
            insert_row(self._engine, COHORT, vars(member))
        return member

    def find(self, photo: str) -> CohortMember | None:
        """Return the membership of a photograph, or None."""
        return next(iter(self._list(COHORT.c.photo == photo)), None)

    def list_members(self, owner: str) -> list[CohortMember]:
        """List the members of an owner, in the order in which they joined."""
        return self._list(COHORT.c.owner == owner)

    def list_fellows(self, photo: str, owner: str, syndrome: str, until_ms: int) -> list[CohortMember]:
        """List the members of an owner with a syndrome whom a photograph is compared with.

        Args:
            photo: is none of them.
            until_ms: those who joined later are left out.
        """
        return [
            member
            for member in self.list_members(owner)
            if member.photo != photo
            and member.since_ms <= until_ms
            and self.read_details(member).get("syndrome") == syndrome
        ]

    def list_all(self) -> list[CohortMember]:
        """List the members of all owners."""
        return self._list(true())

    def leave(self, photo: str) -> None:
        """Remove a photograph with its details and its descriptor. The photograph itself stays."""
        self._files.delete_tree(f"photos/{photo}/cohort")
        self.remove_of_photograph(photo)

    def remove_of_photograph(self, photo: str) -> None:
        """Remove the row of a photograph, but none of its files."""
        delete_rows(self._engine, COHORT, COHORT.c.photo == photo)

    def read_details(self, member: CohortMember) -> Json:
        """Return syndrome, sex, age and ancestry of a member; {} if it is leaving."""
        data = self._files.find(_path(member.photo, "member.json"))
        return {} if data is None else json.loads(data)

    def read_descriptor(self, member: CohortMember) -> npt.NDArray[np.float32] | None:
        """Return the descriptor of a member's face, or None if none was stored."""
        data = self._files.find(_path(member.photo, "descriptor"))
        return None if data is None else np.frombuffer(bytes(data), np.float32)

    def write_descriptor(self, member: CohortMember, descriptor: npt.NDArray[np.float32]) -> None:
        """Store the descriptor of a member's face."""
        self._files.write(_path(member.photo, "descriptor"), descriptor.astype(np.float32).tobytes())

    def _list(self, condition: ColumnElement[bool]) -> list[CohortMember]:
        query = select(COHORT).where(condition).order_by(COHORT.c.since_ms, COHORT.c.id)
        with self._engine.connect() as connection:
            return [CohortMember(**row) for row in connection.execute(query).mappings()]


def _path(photo: str, name: str) -> str:
    return f"photos/{photo}/cohort/{name}"
