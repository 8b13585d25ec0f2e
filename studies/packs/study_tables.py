"""Tables of a study: the answer key, the order of images of each participant, and the areas of interest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from core.csv_reports import format_csv
from core.formats.face_areas import Area
from core.json_text import to_json_text
from studies.answers.key import format_answer_key
from studies.packs.designs import Study
from studies.packs.study_images import StudyImages


@dataclass(frozen=True)
class QuestionColumn:
    """Line of columns.csv: column of an export, the image that it is about, and the field, answer or confidence."""

    column: str
    image: str
    field: str


@dataclass(frozen=True)
class OrderLine:
    """Line of orders.csv: image that a participant sees at a place, from 1."""

    participant: str
    version: str
    order: int
    image: str


@dataclass(frozen=True)
class AreaLine:
    """Line of areas.csv: area of interest in pixels of an image of the given size; all four sides belong to it."""

    image: str
    area: str
    left: int
    top: int
    right: int
    bottom: int
    width: int
    height: int


def generate_key(study: Study) -> Iterator[tuple[str, bytes]]:
    """Generate the files that participants must not see: key.csv, and study.json with what was drawn how."""
    keys = [picture.key for picture in study.pictures]
    yield "key.csv", format_answer_key(replace(key, options=study.survey.options) for key in keys).encode()
    about = {
        "seed": study.seed,
        "participants": len(study.presentations),
        "versions": sorted({one.version for one in study.presentations}),
        "images": len(study.pictures),
        "faces": len({one.face for one in keys}),
        "images_per_participant": len(study.presentations[0].pictures),
        "variants": sorted({one.variant for one in keys}),
        "options": study.survey.options,
        "question": study.survey.question,
        "confidence": study.survey.confidence,
        "notice": study.pack.notice,
    }
    yield "study.json", to_json_text(about).encode()


def generate_tables(study: Study, images: StudyImages) -> Iterator[tuple[str, bytes]]:
    """Generate orders.csv, and areas.csv if the areas are known."""
    orders = [
        OrderLine(one.participant, one.version, order, picture.code)
        for one in study.presentations
        for order, picture in enumerate(one.pictures, 1)
    ]
    yield "orders.csv", format_csv(orders).encode()
    areas: list[AreaLine] = []
    for picture in study.pictures:
        height, width = images.pixels[picture.code].shape[:2]
        areas += list_areas(picture.code, picture.areas, width, height)
    if areas:
        yield "areas.csv", format_csv(areas).encode()


def list_areas(code: str, areas: Mapping[str, Area], width: int, height: int) -> list[AreaLine]:
    """List the areas of an image of the given size."""
    return [AreaLine(code, name, *area, width, height) for name, area in areas.items()]
