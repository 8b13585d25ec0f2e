"""Plain CSV: one answer a line, with a map from the names of our columns to those of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from core.errors import DatasetError
from studies.answers.csv_rows import CsvRow, CsvTable
from studies.answers.sessions import SECONDS, GivenAnswer, Session, TimeUnit, name_image

COLUMNS: Final = ("participant", "image", "answer", "order", "confidence", "seconds", "finished", "started")
"""Columns of a plain table; the first three are required."""

_REQUIRED: Final = COLUMNS[:3]
_MOST_COLUMNS: Final = 8
"""Columns of a file that an error lists."""

_TRUTHS: Final = {"": None, "1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True)
class ColumnMap:
    """Names of the columns of a file by the names in COLUMNS; those that are not named have the same name.

    Raises:
        DatasetError: a name that is none of COLUMNS.
    """

    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := [name for name in self.names if name not in COLUMNS]:
            raise DatasetError(f"column {unknown[0]!r} is unknown; expected one of {', '.join(COLUMNS)}")

    def __getitem__(self, name: str) -> str:
        return self.names.get(name, name)


def parse_plain(path: Path, table: CsvTable, columns: ColumnMap, unit: TimeUnit = "s") -> list[Session]:
    """Parse a table with one answer a line; the lines of a participant are one session.

    Lines without an image or an answer, such as instructions, are skipped.

    Args:
        unit: of the times.

    Raises:
        DatasetError: a column is missing or a cell is no number.
    """
    required = dict.fromkeys((*_REQUIRED, *columns.names))
    if missing := [name for name in required if columns[name] not in table.header]:
        more = len(table.header) - _MOST_COLUMNS
        raise DatasetError(
            f"{path} has the columns {', '.join(table.header[:_MOST_COLUMNS])}{f' and {more} more' * (more > 0)}, "
            f"and not {', '.join(columns[name] for name in missing)}; expected "
            f"{' '.join(f'--column {name}=NAME' for name in missing)} with names of the file"
        )
    groups: dict[str, list[CsvRow]] = {}
    for row in table.rows:
        if row.get(columns["image"]) or row.get(columns["answer"]):
            name = row.get(columns["participant"])
            groups.setdefault(name, []).append(row)
    return [_parse_session(name, rows, columns, SECONDS[unit]) for name, rows in groups.items()]


def _parse_session(participant: str, rows: Sequence[CsvRow], columns: ColumnMap, unit_s: float) -> Session:
    answers = []
    for row in rows:
        image, answer = row.get(columns["image"]), row.get(columns["answer"])
        if image and answer:
            seconds = row.get_number(columns["seconds"])
            answers.append(
                GivenAnswer(
                    image=name_image(image),
                    answer=answer,
                    place=row.place,
                    order=row.get_integer(columns["order"]),
                    confidence=row.get_number(columns["confidence"]),
                    seconds=None if seconds is None else seconds * unit_s,
                )
            )
    ends = [_read_truth(row, columns["finished"]) for row in rows]
    return Session(
        participant=participant,
        place=rows[0].place,
        answers=tuple(answers),
        finished=False if False in ends else None if None in ends else True,
        started=rows[0].get(columns["started"]),
    )


def _read_truth(row: CsvRow, column: str) -> bool | None:
    text = row.get(column).lower()
    if text not in _TRUTHS:
        raise row.error(column, "1, 0, true, false, yes or no")
    return _TRUTHS[text]
