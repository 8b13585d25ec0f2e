"""Proof sheets: the images of each list on pages of A4 with their codes, as PDF files to print."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from studies.packs.designs import Study
from studies.packs.pictures import Picture, Pixels
from studies.packs.study_images import StudyImages

_DPI: Final = 150
_PAGE: Final = (1240, 1754)
_MARGIN: Final = 90
_COLUMNS, _ROWS = 4, 5
_TILE: Final = 240
_STEP_X: Final = (_PAGE[0] - 2 * _MARGIN - _TILE) // (_COLUMNS - 1)
_STEP_Y: Final = 300
_TOP: Final = 150
_EPOCH: Final = time.gmtime(0)
"""Time in the metadata of every file, so that the same study gives the same bytes."""


def generate_files(study: Study, images: StudyImages) -> Iterator[tuple[str, bytes]]:
    """Generate a file for each version; or one of all images where each participant sees an own sample."""
    versioned = any(picture.key.version for picture in study.pictures)
    for name, pictures in (study.lists if versioned else {"all": study.pictures}).items():
        pages = draw_pages(name, pictures, images.pixels, study.pack.notice)
        buffer = io.BytesIO()
        pages[0].save(
            buffer,
            format="PDF",
            save_all=True,
            append_images=pages[1:],
            resolution=_DPI,
            quality=92,
            creationDate=_EPOCH,
            modDate=_EPOCH,
            title=f"List {name}",
        )
        yield f"{name}.pdf", buffer.getvalue()


def draw_pages(name: str, pictures: Sequence[Picture], pixels: Mapping[str, Pixels], notice: str) -> list[Image.Image]:
    """Draw the pages of a list; the images are in its order, row by row."""
    on_page = _COLUMNS * _ROWS
    starts = range(0, len(pictures), on_page)
    heading, text = ImageFont.load_default(34), ImageFont.load_default(22)
    pages = []
    for number, start in enumerate(starts, 1):
        page = Image.new("RGB", _PAGE, "white")
        draw = ImageDraw.Draw(page)
        draw.text((_MARGIN, 70), f"List {name}, page {number} of {len(starts)}", fill="black", font=heading)
        draw.text((_MARGIN, _PAGE[1] - 80), notice, fill="black", font=text)
        for at, picture in enumerate(pictures[start : start + on_page]):
            row, column = divmod(at, _COLUMNS)
            left, top = _MARGIN + column * _STEP_X, _TOP + row * _STEP_Y
            image = Image.fromarray(pixels[picture.code])
            image = image.resize((_TILE, round(_TILE * image.height / image.width)), Image.Resampling.LANCZOS)
            page.paste(image.crop((0, 0, _TILE, _TILE)), (left, top))
            draw.text((left, top + _TILE + 6), f"{start + at + 1}   {picture.code}", fill="black", font=text)
        pages.append(page)
    return pages
