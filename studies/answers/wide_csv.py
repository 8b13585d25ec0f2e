"""Exports with one line a participant and one column a question, such as those of LimeSurvey and REDCap.

The table of columns that `gestaltgen study export` writes beside these surveys says which column is about which image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import DatasetError
from studies.answers.csv_rows import CsvRow, CsvTable, read_rows
from studies.answers.sessions import GivenAnswer, Session

FIELDS: Final = ("answer", "confidence")

_PARTICIPANTS: Final = ("participant", "token", "record_id", "id")
"""Columns that can name the participant: what the participant typed, or else the number of the response."""

_STARTS: Final = ("startdate", "submitdate")


@dataclass(frozen=True)
class QuestionColumns:
    """Column of each question: by image, and by field, one of FIELDS."""

    columns: Mapping[tuple[str, str], str]

    @property
    def images(self) -> tuple[str, ...]:
        """Images in the order of the table."""
        return tuple(dict.fromkeys(image for image, _ in self.columns))


def read_question_columns(path: Path) -> QuestionColumns:
    """Read a table with the columns column, image and field.

    Raises:
        DatasetError: it cannot be read, has an unknown field, or names a question twice.
    """
    return parse_question_columns(read_rows(path))


def parse_question_columns(table: CsvTable) -> QuestionColumns:
    """Parse a table as `read_question_columns` does.

    Raises:
        DatasetError: as of `read_question_columns`, for a table.
    """
    columns: dict[tuple[str, str], str] = {}
    for row in table.rows:
        question = row.require("image"), row.require("field")
        if question[1] not in FIELDS or question in columns:
            raise row.error("field", f"one of {', '.join(FIELDS)}, each once for an image")
        columns[question] = row.require("column")
    return QuestionColumns(columns)


def is_wide(table: CsvTable, questions: QuestionColumns) -> bool:
    """Tell whether a table has any of the questions as a column."""
    return bool({*table.header} & {*questions.columns.values()})


def parse_wide(path: Path, table: CsvTable, questions: QuestionColumns, participant: str = "") -> list[Session]:
    """Parse an export.

    LimeSurvey's `submitdate` and REDCap's `images_complete` (2, or Complete) tell whether a survey was submitted.

    Args:
        participant: column of the pseudonym; empty for the first of participant, token, record_id and id.

    Raises:
        DatasetError: no column names the participant, or a confidence is no number.
    """
    name = participant or next((one for one in _PARTICIPANTS if one in table.header), "")
    if name not in table.header or not name:
        raise DatasetError(f"{path} has no column {name or ', '.join(_PARTICIPANTS)}; name that of the pseudonyms")
    return [_parse_session(row, questions, name, table.header) for row in table.rows]


def _parse_session(row: CsvRow, questions: QuestionColumns, participant: str, header: Sequence[str]) -> Session:
    answers = []
    for image in questions.images:
        if answer := row.get(questions.columns.get((image, "answer"), "")):
            confidence = row.get_number(questions.columns.get((image, "confidence"), ""))
            answers.append(GivenAnswer(image, answer, row.place, confidence=confidence))
    return Session(
        participant=row.get(participant),
        place=row.place,
        answers=tuple(answers),
        finished=_read_finished(row, header),
        started=next(filter(None, map(row.get, _STARTS)), ""),
    )


def _read_finished(row: CsvRow, header: Sequence[str]) -> bool | None:
    if "submitdate" in header:
        return bool(row.get("submitdate"))
    if "images_complete" in header:
        return row.get("images_complete").lower() in ("2", "complete")
    return None
