"""Qualtrics surveys in Advanced Format: a text file that Qualtrics imports as a survey.

Format: "Import and Export Surveys, Preparing an Advanced Format TXT File" in the support pages of Qualtrics. The
question of an image has the image's code as its name, the question about the confidence CODE_confidence, and the timer
of the page CODE_time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from studies.packs.designs import CONFIDENCE_LEVELS, CONFIDENCE_QUESTION, PARTICIPANT_QUESTION, Study
from studies.packs.pictures import Picture
from studies.packs.study_images import StudyImages
from studies.packs.tools.html_text import escape_html, show_image

_CHOICE: Final = "[[Question:MC:SingleAnswer:Horizontal]]"


def generate_files(study: Study, images: StudyImages) -> Iterator[tuple[str, bytes]]:
    """Generate a survey for each list of pictures."""
    for name, pictures in study.lists.items():
        yield f"{name}.txt", _write_survey(study, images, name, pictures).encode()


def _write_survey(study: Study, images: StudyImages, name: str, pictures: Sequence[Picture]) -> str:
    survey = study.survey
    parts = [
        "[[AdvancedFormat]]",
        "[[Block:Introduction]]",
        f"[[Question:DB]]\n{escape_html(study.pack.notice)}",
        f"[[Question:TE:SingleLine]]\n[[ID:participant]]\n{PARTICIPANT_QUESTION}",
        f"[[Block:Images {name}]]",
    ]
    for picture in pictures:
        shown = show_image(images.address(picture.code))
        text = f"{shown}<br>{escape_html(survey.question)}"
        parts.append(_ask(picture.code, text, survey.options))
        if survey.confidence:
            parts.append(_ask(f"{picture.code}_confidence", CONFIDENCE_QUESTION, CONFIDENCE_LEVELS))
        parts += [f"[[Question:Timing]]\n[[ID:{picture.code}_time]]", "[[PageBreak]]"]
    return "\n\n".join(parts) + "\n"


def _ask(name: str, text: str, choices: Sequence[str]) -> str:
    return "\n".join([_CHOICE, f"[[ID:{name}]]", text, "[[Choices]]", *choices])
