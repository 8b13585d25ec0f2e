"""Description of a set of faces, from which its metadata are written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from faces.conditions.catalogue import Condition
from faces.datasets.records import Record

SYNTHETIC_NOTICE: Final = "Synthetic individuals, who do not exist; not patients, no basis for a diagnosis."


@dataclass(frozen=True)
class ListedFile:
    """File of a set.

    Attributes:
        name: path relative to the description.
        media_type: such as "application/zip".
        sha256: checksum of its bytes.
        meaning: description.
    """

    name: str
    media_type: str
    sha256: str
    meaning: str


@dataclass(frozen=True)
class SetDescription:
    """Description of a set of faces.

    Attributes:
        name: short name or id.
        summary: text for people: what the pictures are.
        notice: limits of their use; a line.
        licence: name or address of the licence of the pictures; empty if it is not known.
        creator: program or laboratory that made the set.
        synthetic: whether nobody in it exists.
        size: side of the pictures in pixels.
        conditions: conditions of the vocabulary.
        records: one for each picture.
        details: further facts by name, such as the checksum of the weights.
    """

    name: str
    summary: str
    notice: str
    licence: str
    creator: str
    synthetic: bool
    size: int
    conditions: tuple[Condition, ...]
    records: tuple[Record, ...]
    details: Mapping[str, str] = field(default_factory=dict)

    def as_synthetic(self) -> SetDescription:
        """Return the description of the same set whose people do not exist."""
        return replace(self, synthetic=True, notice=SYNTHETIC_NOTICE)


def list_folder(path: str, sha256_of: Mapping[str, str]) -> ListedFile:
    """List a folder of pictures by their checksums; its own is that of the lines `SHA256  FILE`, as sha256sum prints.

    Args:
        path: of the folder, relative to the description.
        sha256_of: checksum of each picture by its path in the folder, in order.
    """
    lines = "".join(f"{digest}  {file}\n" for file, digest in sha256_of.items())
    meaning = "Folder of the pictures; its checksum is that of the output of sha256sum for them in order."
    return ListedFile(path, "inode/directory", hashlib.sha256(lines.encode()).hexdigest(), meaning)
