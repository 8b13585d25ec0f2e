"""REDCap instrument as a data dictionary: one form that shows each participant the images of the own list.

Format: "Data Dictionary" in the help of REDCap, with its 18 columns. The first field is the record ID, which surveys
number themselves. A table says which field is about which image.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

from core.csv_reports import format_csv
from studies.packs.designs import CONFIDENCE_LEVELS, CONFIDENCE_QUESTION, PARTICIPANT_QUESTION, Study
from studies.packs.study_images import StudyImages
from studies.packs.study_tables import QuestionColumn
from studies.packs.tools.html_text import escape_html, show_image

_COLUMNS: Final = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
_NAME, _FORM, _, _TYPE, _LABEL, _CHOICES = _COLUMNS[:6]
_BRANCHING, _REQUIRED = _COLUMNS[11:13]
_ANNOTATION = _COLUMNS[-1]


def generate_files(study: Study, images: StudyImages) -> Iterator[tuple[str, bytes]]:
    """Generate the data dictionary, and the table of columns.

    The images stand in the order of their codes, and branching logic shows those of the participant's list.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, lineterminator="\n", restval="")
    table.writeheader()
    notice = escape_html(study.pack.notice)
    for name, kind, label, choices, annotation in (
        ("record_id", "text", "Record ID", "", ""),
        ("participant", "text", PARTICIPANT_QUESTION, "", ""),
        ("notice", "descriptive", notice, "", ""),
        ("list", "dropdown", "List of images", _join_choices(study.lists), "@HIDDEN-SURVEY"),
    ):
        row = {_NAME: name, _FORM: "images", _TYPE: kind, _LABEL: label, _CHOICES: choices, _ANNOTATION: annotation}
        table.writerow(row)
    lists_of: dict[str, list[int]] = {}
    for number, pictures in enumerate(study.lists.values(), 1):
        for picture in pictures:
            lists_of.setdefault(picture.code, []).append(number)
    survey = study.survey
    columns: list[QuestionColumn] = []
    for code, lists in sorted(lists_of.items()):
        shown = " or ".join(f"[list] = '{number}'" for number in lists)
        question = f"{show_image(images.address(code))}<br>{escape_html(survey.question)}"
        asked = [("answer", code.lower(), question, survey.options)]
        if survey.confidence:
            asked.append(("confidence", f"{code.lower()}_confidence", CONFIDENCE_QUESTION, CONFIDENCE_LEVELS))
        for field, name, label, answers in asked:
            columns.append(QuestionColumn(name, code, field))
            row = {_NAME: name, _FORM: "images", _TYPE: "radio", _LABEL: label, _CHOICES: _join_choices(answers)}
            table.writerow(row | {_BRANCHING: shown, _REQUIRED: "y"})
    yield "data-dictionary.csv", text.getvalue().encode()
    yield "columns.csv", format_csv(columns).encode()


def _join_choices(names: Iterable[str]) -> str:
    return " | ".join(f"{number}, {name}" for number, name in enumerate(names, 1))
