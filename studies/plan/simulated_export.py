"""Export of simulated answers as Qualtrics would write it, to try an import and to teach it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from core.csv_reports import protect_cell
from studies.answers.table import Answer

_BEGINNING: Final = datetime(2024, 1, 1, 9, 0)
_SESSION: Final = ("StartDate", "EndDate", "Status", "Progress", "Finished", "ResponseId", "participant")
_ORDER: Final = "Images_DO"


def format_qualtrics(answers: Sequence[Answer]) -> str:
    """Format answers as an export of Qualtrics: three header rows, and a line for each participant."""
    images = sorted({answer.image for answer in answers})
    fields = ("", "_confidence", "_time_Page Submit")
    header = [*_SESSION, *(image + name for image in images for name in fields), _ORDER]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerow([*_SESSION[:-1], *(f"Question {name}" for name in header[len(_SESSION) - 1 :])])
    table.writerow([json.dumps({"ImportId": name}) for name in header])
    by_participant: dict[str, list[Answer]] = {}
    for answer in sorted(answers, key=lambda one: one.order or 0):
        by_participant.setdefault(answer.participant, []).append(answer)
    for number, participant in enumerate(dict.fromkeys(answer.participant for answer in answers)):
        given = by_participant[participant]
        began = _BEGINNING + timedelta(minutes=17 * number)
        ended = began + timedelta(seconds=round(sum(one.seconds or 0 for one in given)))
        cells = dict(zip(_SESSION, (began, ended, 0, 100, 1, f"R_{number:015d}", participant), strict=True))
        for one in given:
            values = (one.answer, f"{one.confidence:g}" if one.confidence is not None else "", one.seconds)
            cells |= {one.image + name: value for name, value in zip(fields, values, strict=True)}
        cells[_ORDER] = "|".join(one.image for one in given)
        table.writerow([protect_cell(cells.get(name, "")) for name in header])
    return text.getvalue()
