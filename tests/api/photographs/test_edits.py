"""The store of edits: a face of a photograph and a face of a set's image are told apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from api.operations.clock import now_ms
from api.operations.database import Database
from api.operations.file_stores import open_files
from api.photographs.edits import Edits
from api.photographs.records import (
    EditRecord,
    FaceReference,
    PhotographFace,
    SyntheticFace,
    face_columns,
    face_of_columns,
    new_id,
)

FACES: tuple[FaceReference, ...] = (PhotographFace("0a"), SyntheticFace("0a", 0), SyntheticFace("0a", 1))


@pytest.fixture
def edits(tmp_path: Path) -> Iterator[Edits]:
    with closing(Database.open(tmp_path)) as database:
        yield Edits(open_files(None, tmp_path), database.engine)


def add(edits: Edits, face: FaceReference, owner: str = "lab") -> EditRecord:
    record = EditRecord(new_id(), owner, face, {"smile": 0.2}, now_ms())
    edits.add(record)
    return record


@pytest.mark.parametrize("face", FACES)
def test_a_face_is_what_its_columns_say(face: FaceReference) -> None:
    assert face_of_columns(**face_columns(face)) == face


def test_an_edit_is_stored_and_read(edits: Edits) -> None:
    for face in FACES:
        record = add(edits, face)
        assert edits.get(record.id) == record
        edits.record_result(record.id, {"strength": 2.0})
        stored = edits.get(record.id)
        assert stored is not None
        assert stored.result == {"strength": 2.0}
    assert edits.get(new_id()) is None


def test_edits_are_listed_of_one_face_and_one_owner(edits: Edits) -> None:
    """A photograph and an image set may even have the same id."""
    records = {face: [add(edits, face), add(edits, face)] for face in FACES}
    add(edits, FACES[1], "another lab")
    for face in FACES:
        listed = edits.list_of_face(face, "lab")
        assert {record.id for record in listed} == {record.id for record in records[face]}
        assert [record.created_ms for record in listed] == sorted(record.created_ms for record in listed)
    assert len(edits.list_of_parent("0a")) == 7


def test_an_edit_of_a_photograph_lies_in_its_folder(edits: Edits) -> None:
    of_photograph, of_image = add(edits, FACES[0]), add(edits, FACES[1])
    assert edits.picture_path(of_photograph) == f"photos/0a/edits/{of_photograph.id}.png"
    assert edits.before_path(of_photograph) == f"photos/0a/edits/{of_photograph.id}-before.png"
    assert edits.picture_path(of_image) == f"edits/{of_image.id}.png"


def test_a_removed_edit_leaves_no_file_and_no_row(edits: Edits) -> None:
    record = add(edits, FACES[1])
    for path in (edits.picture_path(record), edits.before_path(record)):
        edits.files.write(path, b"a face")
    edits.remove(record)
    assert edits.get(record.id) is None
    assert edits.files.names("edits") == []
