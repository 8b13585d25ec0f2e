"""Table of answers, one for each image that a participant judged, and its CSV file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from core.atomic_files import write_file
from core.csv_reports import protect_cell
from core.errors import DatasetError
from studies.answers.csv_rows import CsvRow, read_rows

VARIANTS: Final = ("reconstructed", "edited", "masked", "unedited")
"""Sorts of pictures of a face: as reconstructed, with another expression, with a masked mouth, and not edited."""

FEWEST: Final = 3
"""Fewest participants of a group whose results are shown: those of fewer would be the answers of a person or two."""

MOST_ANSWERS: Final = 2_000_000

_SEPARATOR: Final = "|"


@dataclass(frozen=True)
class Answer:
    """Answer of one participant to one image.

    Attributes:
        participant: pseudonym.
        image: code of the image, as shown.
        face: whose picture it is; all variants of a face share this.
        condition: true condition, in the words of the options.
        variant: one of VARIANTS.
        answer: chosen condition.
        version: version of the survey; empty if there is only one.
        order: place of the image for this participant, from 1.
        age_group: age group of the face; empty if unknown.
        options: conditions that could be chosen; empty if unknown.
        confidence: as given by the participant, on the scale of the survey.
        seconds: time to the answer.
        smile: intensity of the smile on the image.

    Raises:
        DatasetError: an empty name, an unknown variant, a number that is none, or an answer that is no option.
    """

    participant: str
    image: str
    face: str
    condition: str
    variant: str
    answer: str
    version: str = ""
    order: int | None = None
    age_group: str = ""
    options: tuple[str, ...] = ()
    confidence: float | None = None
    seconds: float | None = None
    smile: float | None = None

    def __post_init__(self) -> None:
        for name in ("participant", "image", "face", "condition", "answer"):
            if not getattr(self, name):
                raise DatasetError(f"{name} is empty; expected a value for every answer")
        if self.variant not in VARIANTS:
            raise DatasetError(f"variant {self.variant!r}; expected one of {', '.join(VARIANTS)}")
        if self.options and self.answer not in self.options:
            raise DatasetError(f"answer {self.answer!r}; expected one of {', '.join(self.options)}")
        for name in ("confidence", "seconds", "smile"):
            if (value := getattr(self, name)) is not None and not math.isfinite(value):
                raise DatasetError(f"{name} {value}; expected a finite number, or none")

    @property
    def correct(self) -> bool:
        """Whether the true condition was chosen."""
        return self.answer == self.condition


_NAMES: Final = tuple(field.name for field in fields(Answer))
_REQUIRED: Final = _NAMES[: _NAMES.index("version")]


def list_variants(variants: Iterable[str]) -> list[str]:
    """Return the variants that occur, each once, in the order of VARIANTS."""
    present = {*variants}
    return [name for name in VARIANTS if name in present]


def is_shown(answers: Iterable[Answer]) -> bool:
    """Return whether a group of answers has the participants without whom its results are not shown."""
    return len({answer.participant for answer in answers}) >= FEWEST


def write_answers(path: Path, answers: Sequence[Answer]) -> None:
    """Write answers as CSV, one a line; several options are joined by `|`.

    Raises:
        DatasetError: an option contains `|`.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_NAMES)
    for answer in answers:
        if wrong := [option for option in answer.options if _SEPARATOR in option]:
            raise DatasetError(f"option {wrong[0]!r} contains {_SEPARATOR!r}, which separates options; rename it")
        table.writerow(_to_cell(getattr(answer, name)) for name in _NAMES)
    write_file(path, text.getvalue().encode())


def read_answers(path: Path) -> list[Answer]:
    """Read the answers of a CSV file that `write_answers` wrote, or of one with the same columns in any order.

    Only the columns of the fields without a default are required. Other columns are refused, so that none is misspelt.

    Raises:
        DatasetError: the file cannot be read, has other columns, or has a line that is no answer; the message names it.
    """
    table = read_rows(path)
    if missing := [name for name in _REQUIRED if name not in table.header]:
        raise DatasetError(
            f"{path} has no column {', '.join(missing)}; `gestaltgen study import` writes a table of answers"
        )
    if unknown := [name for name in table.header if name not in _NAMES]:
        raise DatasetError(f"{path} has the column {unknown[0]!r}; expected only {', '.join(_NAMES)}")
    if not 0 < len(table.rows) <= MOST_ANSWERS:
        raise DatasetError(f"{path} has {len(table.rows)} answers; expected 1 to {MOST_ANSWERS}, one a line")
    answers = [_parse_answer(row) for row in table.rows]
    _check_repeated(path, answers)
    return answers


def _to_cell(value: Any) -> Any:
    if isinstance(value, tuple):
        return protect_cell(_SEPARATOR.join(value))
    return "" if value is None else protect_cell(value)


def _parse_answer(row: CsvRow) -> Answer:
    options = row.get("options")
    try:
        return Answer(
            participant=row.get("participant"),
            image=row.get("image"),
            face=row.get("face"),
            condition=row.get("condition"),
            variant=row.get("variant"),
            answer=row.get("answer"),
            version=row.get("version"),
            order=row.get_integer("order"),
            age_group=row.get("age_group"),
            options=tuple(options.split(_SEPARATOR)) if options else (),
            confidence=row.get_number("confidence"),
            seconds=row.get_number("seconds"),
            smile=row.get_number("smile"),
        )
    except DatasetError as error:
        raise DatasetError(f"{row.place}: {error}") from error


def _check_repeated(path: Path, answers: Iterable[Answer]) -> None:
    pairs = set()
    for answer in answers:
        pair = answer.participant, answer.image
        if pair in pairs:
            raise DatasetError(f"{path}: participant {pair[0]} answers image {pair[1]} twice; keep one answer")
        pairs.add(pair)
