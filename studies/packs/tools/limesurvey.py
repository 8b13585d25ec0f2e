"""LimeSurvey surveys in its format of tab-separated values, and a table that says which question is about which image.

Format: "Tab Separated Value survey structure" in the manual of LimeSurvey. Names of questions can have no underscore.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from core.csv_reports import format_csv
from studies.packs.designs import CONFIDENCE_LEVELS, CONFIDENCE_QUESTION, PARTICIPANT_QUESTION, Study
from studies.packs.pictures import Picture
from studies.packs.study_images import StudyImages
from studies.packs.study_tables import QuestionColumn
from studies.packs.tools.html_text import escape_html, show_image

_COLUMNS: Final = (
    *("id", "related_id", "class", "type/scale", "name", "relevance", "text", "help", "language", "validation"),
    *("mandatory", "other", "default", "same_default"),
)
_LANGUAGE: Final = "en"
_LIST: Final = "L"
_TEXT: Final = "S"
"""Types of questions with radio buttons, and with a short text."""


def generate_files(study: Study, images: StudyImages) -> Iterator[tuple[str, bytes]]:
    """Generate a survey for each list of pictures, and the table of columns."""
    for name, pictures in study.lists.items():
        yield f"{name}.txt", _write_survey(study, images, name, pictures)
    fields = ("answer", "confidence") if study.survey.confidence else ("answer",)
    columns = [
        QuestionColumn(name_question(one.code, field), one.code, field) for one in study.pictures for field in fields
    ]
    yield "columns.csv", format_csv(columns).encode()


def name_question(code: str, field: str) -> str:
    """Return the name of a question: letters and digits alone, the first a letter."""
    return code.replace("_", "") + ("" if field == "answer" else field)


def _write_survey(study: Study, images: StudyImages, name: str, pictures: Sequence[Picture]) -> bytes:
    survey = study.survey
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, delimiter="\t", lineterminator="\n", restval="")
    table.writeheader()
    table.writerow({"class": "S", "name": "language", "text": _LANGUAGE})
    table.writerow({"class": "S", "name": "format", "text": "G"})  # a page for each group, so for each image
    title = {"surveyls_title": f"Study, list {name}", "surveyls_welcometext": escape_html(study.pack.notice)}
    for setting, value in title.items():
        table.writerow({"class": "SL", "name": setting, "text": value, "language": _LANGUAGE})
    row = {"id": 1, "relevance": "1", "language": _LANGUAGE}
    table.writerow(row | {"class": "G", "type/scale": "G0", "name": "Participant"})
    named = {"name": "participant", "text": PARTICIPANT_QUESTION}
    table.writerow(row | named | {"class": "Q", "type/scale": _TEXT, "mandatory": "Y", "other": "N"})
    for number, picture in enumerate(pictures, 1):
        group = {"class": "G", "type/scale": f"G{number}", "name": f"Image {number}"}
        table.writerow({"id": number + 1, "relevance": "1", "language": _LANGUAGE} | group)
        shown = f"{show_image(images.address(picture.code))}<br>{escape_html(survey.question)}"
        asked = [("answer", shown, survey.options)]
        if survey.confidence:
            asked.append(("confidence", CONFIDENCE_QUESTION, CONFIDENCE_LEVELS))
        for at, (field, question, choices) in enumerate(asked):
            row = {"id": 2 * number + at, "relevance": "1", "language": _LANGUAGE}
            named = {"name": name_question(picture.code, field), "text": question}
            table.writerow(row | named | {"class": "Q", "type/scale": _LIST, "mandatory": "Y", "other": "N"})
            for code, choice in enumerate(choices, 1):
                table.writerow(row | {"class": "A", "type/scale": 0, "name": code, "text": choice, "relevance": ""})
    return text.getvalue().encode("utf-8-sig")
