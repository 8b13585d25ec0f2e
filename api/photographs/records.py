"""Records of photographs, and of what is made from faces: dataclasses, database tables, and helpers for their rows.

Files that belong to these records:

photos/<id>/   original (until it is inverted), reference, crop.png, landmarks.json, inversion.safetensors,
               reconstruction.png,
               edits/<id>.png and edits/<id>-before.png, explanations/<id>/<method>.png,
               assessments/<id>/request.json, result.json and picture.png, cohort/member.json and descriptor
edits/<id>.png edits of synthetic faces, with <id>-before.png beside each
explanations/<id>/<method>.png   maps of synthetic faces
stimuli/<id>/  pairs of a survey pack that is being made, and pack.zip
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Engine,
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

from api.access.ownership import Kind
from api.operations.database import TABLES

Json = Mapping[str, Any]


class ErasureCause(StrEnum):
    """Reason why a photograph is erased; the value is the sentence in the receipt."""

    REQUESTED = "it was asked for"
    EXPIRED = "its time was over"
    NOT_ACCEPTED = "it was not accepted"
    REPEATED = "it had been erased before"


@dataclass(frozen=True)
class PhotographFace:
    """Reference to the face on a photograph of a person.

    Args:
        photo: id of the photograph.
    """

    photo: str


@dataclass(frozen=True)
class SyntheticFace:
    """Reference to the face on an image of a set, which shows no real person.

    Args:
        image_set: id of the image set.
        image: index of the image in the set, from 0.
    """

    image_set: str
    image: int


FaceReference = PhotographFace | SyntheticFace
"""Reference to a face that can be edited, or explained."""


@dataclass(frozen=True)
class Photograph:
    """Photograph of a person, with the result of its inversion.

    Attributes:
        consent: the sender's reference to the consent of the person shown.
        consent_scope: "cohort" if the consent includes that other faces are compared with this one, else empty.
        purpose: what the sender uses the photograph for.
        keep_original: whether the file that was sent is kept after the inversion.
        aligned: whether the picture is an aligned square already.
        asked: fields of the effort of the inversion, see `api.photographs.inversion_effort`, and "landmarks": the
            points (4, 2) for the alignment, if they were set by hand.
        expires_ms: Unix time at which the photograph is erased.
        quality: figures and verdict of the inversion; None before it.
        notes: remarks on the face that was chosen.
        error: reason why it could not be inverted.
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
    asked: Json = field(default_factory=dict)
    quality: Json | None = None
    notes: str = ""
    error: str | None = None
    consent_scope: str = ""


@dataclass(frozen=True)
class FaceRecord:
    """Record of something that is made from a face.

    Attributes:
        kind: kind of object that it is.
        face: the face.
        asked: fields of the request.
        result: measured figures; None before there are any.
    """

    kind: ClassVar[Kind]

    id: str
    owner: str
    face: FaceReference
    asked: Json
    created_ms: int
    result: Json | None = None

    @property
    def photos(self) -> tuple[str, ...]:
        """Id of the photograph that shows the face; empty for a synthetic face."""
        return (self.face.photo,) if isinstance(self.face, PhotographFace) else ()


class EditRecord(FaceRecord):
    """Edit of a face; its result is complete."""

    kind = Kind.EDIT


class ExplanationRecord(FaceRecord):
    """Explanation of a classifier's answer for a face; its result grows by one method after the other."""

    kind = Kind.EXPLANATION

    @property
    def complete(self) -> bool:
        """Whether there is a map by each method that was asked for."""
        return self.result is not None and all(name in self.result["methods"] for name in self.asked["methods"])


class AssessmentRecord(FaceRecord):
    """Assessment of the face of a photograph by the models of a syndrome; its result is complete."""

    kind = Kind.ASSESSMENT


@dataclass(frozen=True)
class CohortMember:
    """Photograph that other faces are compared with, as long as the consent of the person shown includes that.

    Attributes:
        id: of the membership; a photograph that leaves and joins again gets another.
    """

    id: str
    owner: str
    photo: str
    since_ms: int


@dataclass(frozen=True)
class PackRecord:
    """Survey pack.

    Attributes:
        photos: ids of the photographs that it is made from.
        asked: fields of the request.
        result: number of people in it, and the photographs that were left out with the reasons; None before it is made.
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
    """Confirmation that a photograph was erased.

    Attributes:
        erased: number of erased objects by their kind.
    """

    id: str
    photo: str
    erased_ms: int
    erased: Mapping[str, int]
    because: ErasureCause


PHOTOS: Final = Table(
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
    Column("asked", Text, nullable=False),
    Column("quality", Text),
    Column("notes", String, nullable=False),
    Column("error", String),
    Column("consent_scope", String, nullable=False),
)


def _define_face_table(name: str) -> Table:
    """Define the table of one kind of things that are made from faces."""
    return Table(
        name,
        TABLES,
        Column("id", String, primary_key=True),
        Column("owner", String, nullable=False),
        Column("parent", String, nullable=False, index=True),  # id of the photograph or of the image set
        Column("number", Integer),  # index of the image in its set; NULL for a photograph
        Column("asked", Text, nullable=False),
        Column("created_ms", BigInteger, nullable=False),
        Column("result", Text),
    )


EDITS: Final = _define_face_table("edits")
EXPLANATIONS: Final = _define_face_table("explanations")
ASSESSMENTS: Final = _define_face_table("assessments")
COHORT: Final = Table(
    "cohort",
    TABLES,
    Column("photo", String, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("owner", String, nullable=False, index=True),
    Column("since_ms", BigInteger, nullable=False),
)
PACKS: Final = Table(
    "packs",
    TABLES,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("asked", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    Column("result", Text),
)
PACK_PHOTOS: Final = Table(
    "pack_photos",
    TABLES,
    Column("pack", String, ForeignKey("packs.id", ondelete="CASCADE"), primary_key=True),
    Column("photo", String, primary_key=True, index=True),
    Column("place", Integer, nullable=False),
)


def new_id() -> str:
    """Draw an id of 128 random bits, which nobody can guess."""
    return secrets.token_hex(16)


def face_columns(face: FaceReference) -> dict[str, Any]:
    """Convert a reference to the columns `parent` and `number` of a face's table."""
    match face:
        case PhotographFace(photo):
            return {"parent": photo, "number": None}
        case SyntheticFace(image_set, image):
            return {"parent": image_set, "number": image}


def face_of_columns(parent: str, number: int | None) -> FaceReference:
    """Convert the columns `parent` and `number` of a face's table to a reference."""
    return PhotographFace(parent) if number is None else SyntheticFace(parent, number)


def find_row(engine: Engine, table: Table, key: str) -> dict[str, Any] | None:
    """Return the row with an id, or None."""
    with engine.connect() as connection:
        row = connection.execute(select(table).where(table.c.id == key)).mappings().first()
    return None if row is None else dict(row)


def insert_row(engine: Engine, table: Table, values: Mapping[str, Any]) -> None:
    """Insert a row."""
    with engine.begin() as connection:
        connection.execute(insert(table).values(dict(values)))


def update_row(engine: Engine, table: Table, key: str, **values: Any) -> None:
    """Change columns of the row with an id."""
    with engine.begin() as connection:
        connection.execute(update(table).where(table.c.id == key).values(values))


def delete_rows(engine: Engine, table: Table, condition: ColumnElement[bool]) -> None:
    """Delete the rows that meet a condition."""
    with engine.begin() as connection:
        connection.execute(delete(table).where(condition))


def parse_json_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns `asked` and `result` of a row as JSON values."""
    result = row["result"]
    return {"asked": json.loads(row["asked"]), "result": None if result is None else json.loads(result)}
