"""Qualtrics exports in CSV or TSV: three header rows, one session a line, one column a question.

The question of an image has the image's code as its name; `CODE_confidence` is the question about the confidence, and
`CODE_time_Page Submit` the time on its page. Of all other columns only those of the session itself are read. Names,
addresses and places of participants, such as IPAddress and LocationLatitude, are dropped here and stored nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from core.errors import DatasetError
from studies.answers.csv_rows import CsvRow, name_cells
from studies.answers.sessions import SECONDS, GivenAnswer, Session, TimeUnit

_IMPORT_ID: Final = '"ImportId"'
_CONFIDENCE: Final = "_confidence"
_TIME: Final = "_time_Page Submit"

_CODE: Final = re.compile(r"([A-Z]_)?[0-9a-f]{8}")
"""Codes of images as survey packs draw them: a column of such a name is an image, whether the key has it or not."""

_PSEUDONYMS: Final = ("participant", "ResponseId")

_FINISHED: Final = {"1": True, "true": True, "0": False, "false": False}
_ORDINARY: Final = frozenset({"", "0", "16", "ip address", "offline"})
"""Values of Status, as codes and as labels, of participants; others are previews, tests, imports and spam."""


def is_qualtrics(lines: Sequence[tuple[int, list[str]]], images: Collection[str]) -> bool:
    """Tell whether a table comes from Qualtrics, even if another program dropped its second and third header rows.

    Its second or third line has the identifiers of the columns, or its first has ResponseId, Finished and images.
    """
    header = lines[0][1]
    return any(_IMPORT_ID in "".join(cells) for _, cells in lines[1:3]) or (
        {"ResponseId", "Finished"} <= {*header} and bool(_list_images(header, images))
    )


def parse_qualtrics(
    path: Path,
    lines: Sequence[tuple[int, list[str]]],
    images: Collection[str],
    participant: str = "",
    unit: TimeUnit = "s",
) -> list[Session]:
    """Parse an export.

    Args:
        lines: its cells, by `csv_rows.read_cells`.
        images: codes of the images in the key.
        participant: column with the pseudonym; empty for `participant`, as survey packs ask for it, or, where there is
            no such column, ResponseId, which differs between two sessions of one person.
        unit: of the times.

    Raises:
        DatasetError: a header row is missing, a line is cut off, or a cell is not as expected.
    """
    if len(lines) < 3 or _IMPORT_ID not in "".join(lines[2][1]):
        raise DatasetError(
            f"{path} lacks the second or third header row of Qualtrics (questions, and identifiers with {_IMPORT_ID}), "
            "which other programs drop; export the answers again (Data & Analysis, Export & Import, Export Data, CSV) "
            "and import that file unchanged"
        )
    table = name_cells(str(path), lines[0][1], lines[3:])
    participant = participant or next((name for name in _PSEUDONYMS if name in table.header), _PSEUDONYMS[-1])
    for column in (participant, "Finished"):
        if column not in table.header:
            raise DatasetError(f"{path} has no column {column}; expected it in an export of all fields")
    shown = _list_images(table.header, images)
    orders = [name for name in table.header if name.endswith("_DO") or "_DO_" in name or name.startswith("DO-")]
    return [_parse_session(row, shown, orders, participant, SECONDS[unit]) for row in table.rows]


def _list_images(header: Sequence[str], images: Collection[str]) -> list[str]:
    return [name for name in header if name in images or _CODE.fullmatch(name)]


def _parse_session(
    row: CsvRow, images: Sequence[str], orders: Sequence[str], participant: str, unit_s: float
) -> Session:
    finished = row.get("Finished").lower()
    if finished not in _FINISHED:
        raise row.error("Finished", "1, 0, True or False")
    places = _read_orders(row, orders)
    answers = []
    for image in images:
        if answer := row.get(image):
            seconds = row.get_number(image + _TIME)
            answers.append(
                GivenAnswer(
                    image=image,
                    answer=answer,
                    place=row.place,
                    order=places.get(image),
                    confidence=row.get_number(image + _CONFIDENCE),
                    seconds=None if seconds is None else seconds * unit_s,
                )
            )
    return Session(
        participant=row.get(participant),
        place=row.place,
        answers=tuple(answers),
        finished=_FINISHED[finished],
        preview=row.get("Status").lower() not in _ORDINARY,
        started=row.get("StartDate"),
    )


def _read_orders(row: CsvRow, columns: Sequence[str]) -> Mapping[str, int]:
    """Read the place of each image from display-order columns.

    A column of a block holds the names of its questions with | between them; or each question has a column
    BLOCK_DO_NAME with its number. The names of images count among images alone.
    """
    places: dict[str, int] = {}
    for column in columns:
        cell = row.get(column)
        if "|" in cell:
            names = [name for name in cell.split("|") if not name.endswith((_CONFIDENCE, "_time"))]
            places |= {name: place for place, name in enumerate(names, 1)}
        elif cell.isascii() and cell.isdigit() and len(cell) < 10:
            places[column.rpartition("_DO_")[2]] = int(cell)
    return places
