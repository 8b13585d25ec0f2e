"""PsychoPy's CSV files: one file a session, one trial a line, with the participant in each line."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from core.errors import DatasetError
from studies.answers.csv_rows import CsvTable
from studies.answers.plain_csv import ColumnMap, parse_plain
from studies.answers.sessions import Session, TimeUnit, number_answers

_MARKS: Final = frozenset({"psychopyVersion", "expName"})
_ANSWERS: Final = ("answer", "key_resp.keys")
_TIMES: Final = ("key_resp.rt", "rt")


def is_psychopy(table: CsvTable) -> bool:
    """Tell whether a table comes from PsychoPy."""
    return bool(_MARKS & {*table.header})


def parse_psychopy(path: Path, table: CsvTable, participant: str = "", unit: TimeUnit = "s") -> list[Session]:
    """Parse a file of PsychoPy with the columns participant, image, answer or key_resp.keys, confidence, key_resp.rt.

    The image may be named by its file. Lines without an image or an answer, such as instructions, are skipped.

    Args:
        participant: column of the pseudonym; empty for `participant`.

    Raises:
        DatasetError: a column is missing, or a cell is no number.
    """
    names = {"participant": participant or "participant", "image": "image"}
    for name, candidates in (("answer", _ANSWERS), ("seconds", _TIMES)):
        if (chosen := next((column for column in candidates if column in table.header), None)) is not None:
            names[name] = chosen
    if "answer" not in names:
        raise DatasetError(
            f"{path} has no column {' or '.join(_ANSWERS)}; expected a file of an experiment with answers"
        )
    if "date" in table.header:
        names["started"] = "date"
    return [number_answers(session) for session in parse_plain(path, table, ColumnMap(names), unit)]
