"""Answer key of a survey: what each image shows, by the code that participants see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.csv_reports import format_csv
from core.errors import DatasetError
from studies.answers.csv_rows import CsvRow, CsvTable, read_rows
from studies.answers.table import VARIANTS, Answer

_COLUMNS: Final = ("image", "face", "condition", "variant")
_PACK_COLUMNS: Final = ("version", "file", "photograph", "group", "edited")

OPTION_SEPARATOR: Final = "|"
"""Separator of the options in a cell."""


@dataclass(frozen=True)
class KeyImage:
    """One image of a survey.

    Attributes:
        image: code that participants see.
        face: the person whom it shows; all images of a person share it.
        condition: the true answer.
        variant: one of VARIANTS.
        version: of the survey; empty if there is one only.
        order: place in the version, from 1.
        age_group: empty if it is not known.
        smile: reading of its smile, in [0, 1].
        options: answers that can be given to it; empty if the key does not say so.
    """

    image: str
    face: str
    condition: str
    variant: str
    version: str = ""
    order: int | None = None
    age_group: str = ""
    smile: float | None = None
    options: tuple[str, ...] = ()

    def to_answer(
        self,
        participant: str,
        answer: str,
        *,
        order: int | None,
        options: tuple[str, ...],
        confidence: float | None,
        seconds: float | None,
    ) -> Answer:
        """Return the answer of a participant to this image.

        Args:
            options: answers that could be given.
        """
        return Answer(
            participant=participant,
            image=self.image,
            face=self.face,
            condition=self.condition,
            variant=self.variant,
            answer=answer,
            version=self.version,
            order=order,
            age_group=self.age_group,
            options=options,
            confidence=confidence,
            seconds=seconds,
            smile=self.smile,
        )


@dataclass(frozen=True)
class _KeyLine(KeyImage):
    """Line of the table of a key."""

    options: str = ""  # type: ignore[assignment]


AnswerKey = Mapping[str, KeyImage]
"""Images by their codes."""


def read_answer_key(path: Path) -> AnswerKey:
    """Read the key of a survey.

    Args:
        path: key.csv of `gestaltgen study export` with the columns image, face, condition, variant and, optionally,
            version, order, age_group, smile and options (with | between them); or key/answers.csv of `gestaltgen
            stimuli`, whose groups are the conditions; or a folder with one of them.

    Raises:
        DatasetError: no such file, other columns, an empty cell, an unknown variant, or an image twice.
    """
    path = _find_key(path)
    return parse_answer_key(str(path), read_rows(path))


def parse_answer_key(source: str, table: CsvTable) -> AnswerKey:
    """Parse the table of a key, as `read_answer_key` does.

    Raises:
        DatasetError: as of `read_answer_key`, for a table.
    """
    read = _read_general
    if not {*_COLUMNS} <= {*table.header}:
        if not {*_PACK_COLUMNS} <= {*table.header}:
            raise DatasetError(
                f"{source} has the columns {', '.join(table.header)}; expected {', '.join(_COLUMNS)}, or those of "
                "key/answers.csv of a survey pack"
            )
        read = _read_pack
    key: dict[str, KeyImage] = {}
    for row in table.rows:
        image = read(row)
        if image.image in key:
            raise row.error("image", "a code that is there once")
        key[image.image] = image
    if not key:
        raise DatasetError(f"{source} has no images; expected one on each line")
    return key


def format_answer_key(images: Iterable[KeyImage]) -> str:
    """Format a key as the CSV that `read_answer_key` reads."""
    return format_csv([_KeyLine(**vars(image) | {"options": OPTION_SEPARATOR.join(image.options)}) for image in images])


def _find_key(path: Path) -> Path:
    if not path.is_dir():
        return path
    names = ("key.csv", "key/key.csv", "key/answers.csv", "answers.csv")
    found = next((path / name for name in names if (path / name).is_file()), None)
    if found is None:
        raise DatasetError(f"{path} holds no {', '.join(names)}; name the file of the key")
    return found


def _read_general(row: CsvRow) -> KeyImage:
    image, face, condition, variant = (row.require(name) for name in _COLUMNS)
    if variant not in VARIANTS:
        raise row.error("variant", f"one of {', '.join(VARIANTS)}")
    return KeyImage(
        image=image,
        face=face,
        condition=condition,
        variant=variant,
        version=row.get("version"),
        order=row.get_integer("order"),
        age_group=row.get("age_group"),
        smile=row.get_number("smile"),
        options=tuple(filter(None, row.get("options").split(OPTION_SEPARATOR))),
    )


def _read_pack(row: CsvRow) -> KeyImage:
    version, file = row.require("version"), row.require("file")
    edited = row.require("edited")
    if edited not in ("True", "False"):
        raise row.error("edited", "True or False")
    return KeyImage(
        image=f"{version}_{Path(file).stem}",
        face=row.require("photograph"),
        condition=row.require("group"),
        variant="edited" if edited == "True" else "reconstructed",
        version=version,
        order=row.get_integer("order"),
        smile=row.get_number("smile"),
    )
