"""Self-hosted jsPsych experiment: static files, which save one JSON file for each participant.

jsPsych itself is not part of the files: it is other people's work with releases of its own. The page loads the user's
copy from the folder `jspsych/`, and names every file that is missing there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from core.json_text import to_json_text
from studies.packs.designs import CONFIDENCE_LEVELS, CONFIDENCE_QUESTION, Study
from studies.packs.study_images import StudyImages
from studies.packs.tools.templates import read_template

VERSIONS: Final = "7.3 or 8"
"""Versions of jsPsych that the page works with."""

_FILES: Final = ("index.html", "experiment.js", "style.css")


def generate_files(study: Study, images: StudyImages) -> Iterator[tuple[str, bytes]]:
    """Generate the page, its script, the images, and study.js with everybody's order of images."""
    for name in _FILES:
        yield name, read_template(name)
    settings = to_json_text(
        {
            "notice": study.pack.notice,
            "question": study.survey.question,
            "options": study.survey.options,
            "confidenceQuestion": CONFIDENCE_QUESTION if study.survey.confidence else None,
            "confidenceLevels": CONFIDENCE_LEVELS,
            "participants": {
                one.participant: {"version": one.version, "images": [picture.code for picture in one.pictures]}
                for one in study.presentations
            },
        },
        indent=None,
    )
    yield "study.js", f'"use strict";\nconst study = {settings};\n'.encode()
    yield from images.generate_files("images")
