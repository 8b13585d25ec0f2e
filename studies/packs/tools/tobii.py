"""Folder of images for Tobii Pro Lab, enlarged, and their areas of interest in pixels of the enlarged images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from core.csv_reports import format_csv
from core.formats.face_areas import Area
from studies.packs.designs import Study
from studies.packs.pictures import encode_picture
from studies.packs.study_images import StudyImages
from studies.packs.study_tables import AreaLine, list_areas

LEAST_SIDE: Final = 720
"""Height in pixels up to which smaller images are enlarged, by a whole number; published heat maps have it."""


def generate_files(study: Study, images: StudyImages) -> Iterator[tuple[str, bytes]]:
    """Generate the images, and areas.csv if the areas are known."""
    lines: list[AreaLine] = []
    for picture in study.pictures:
        pixels = images.pixels[picture.code]
        factor = max(1, -(-LEAST_SIDE // len(pixels)))
        size = (factor * pixels.shape[1], factor * pixels.shape[0])
        enlarged = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
        yield f"images/{picture.code}.png", encode_picture(enlarged, study.pack.notice)
        areas = {name: _enlarge(area, factor) for name, area in picture.areas.items()}
        lines += list_areas(picture.code, areas, *size)
    if lines:
        yield "areas.csv", format_csv(lines).encode()


def _enlarge(area: Area, factor: int) -> Area:
    left, top, right, bottom = area
    return left * factor, top * factor, (right + 1) * factor - 1, (bottom + 1) * factor - 1
