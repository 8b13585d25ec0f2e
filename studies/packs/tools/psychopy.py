"""PsychoPy experiment: a script, its settings, and a conditions file with the order of images of each participant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.csv_reports import format_csv
from core.json_text import to_json_text
from studies.packs.designs import CONFIDENCE_LEVELS, CONFIDENCE_QUESTION, Study
from studies.packs.study_images import StudyImages
from studies.packs.tools.templates import read_template


@dataclass(frozen=True)
class Trial:
    """Line of a conditions file."""

    image: str
    order: int
    version: str


def generate_files(study: Study, images: StudyImages) -> Iterator[tuple[str, bytes]]:
    """Generate the script, its settings, the conditions files and the images."""
    yield "experiment.py", read_template("psychopy_experiment.py.txt")
    settings = {
        "notice": study.pack.notice,
        "question": study.survey.question,
        "options": study.survey.options,
        "confidence_question": CONFIDENCE_QUESTION if study.survey.confidence else None,
        "confidence_levels": CONFIDENCE_LEVELS,
    }
    yield "study.json", to_json_text(settings).encode()
    for one in study.presentations:
        trials = [Trial(picture.code, order, one.version) for order, picture in enumerate(one.pictures, 1)]
        yield f"conditions/{one.participant}.csv", format_csv(trials).encode()
    yield from images.generate_files("images")
