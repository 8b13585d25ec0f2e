"""Contact sheets: images in rows and columns with titles, as one picture to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from core.errors import ImageError
from faces.images import Pixels

_PAPER: Final = (252, 251, 249)
_EMPTY: Final = (240, 238, 234)
_RULE: Final = (212, 208, 201)
_INK: Final = (38, 38, 42)
_FAINT: Final = (112, 110, 108)
_MIN_TILE: Final = 96

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def contact_sheet(
    rows: Sequence[Sequence[Pixels | None]],
    *,
    row_titles: Sequence[str] | None = None,
    column_titles: Sequence[str] | None = None,
    title: str | None = None,
    footer: str | None = None,
    tile: int | None = None,
) -> Pixels:
    """Draw one picture that shows all images.

    Args:
        rows: uint8 (h, w, 3) images of any size, each fitted into its square tile with its proportions
            kept; None leaves a tile empty, and rows may differ in length.
        row_titles: left of each row; line breaks are kept.
        column_titles: above each column.
        title: heading of the sheet.
        footer: small text below, wrapped to the width; say here if the faces are synthetic or phantoms.
        tile: side of a tile in pixels; None takes the largest image's side, but at least 96.
            Enlargement is by whole pixels as far as it goes, so small images stay crisp.

    Returns:
        uint8 (h, w, 3) RGB.

    Raises:
        ImageError: no image at all, or a number of titles that is not the number of rows or columns.
    """
    columns = max((len(row) for row in rows), default=0)
    sides = [max(image.shape[:2]) for row in rows for image in row if image is not None]
    if not sides:
        raise ImageError("a contact sheet without images; pass at least one image in `rows`")
    _check_titles("row_titles", row_titles, len(rows))
    _check_titles("column_titles", column_titles, columns)
    layout = _Layout.of(tile or max(_MIN_TILE, *sides), row_titles, column_titles, title)

    width = layout.left + columns * layout.step - layout.gap + layout.margin
    if title:  # a narrow sheet grows to its heading
        width = max(width, int(layout.heading.getlength(title)) + 2 * layout.margin)
    small_print = _wrap_text(footer or "", layout.small, width - 2 * layout.margin)
    bottom = layout.top + len(rows) * layout.step - layout.gap
    height = bottom + layout.margin + (len(small_print) * layout.small_line + layout.margin if footer else 0)

    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((layout.margin, layout.margin), title, fill=_INK, font=layout.heading)
        rule = layout.margin + int(layout.line * 1.75)
        draw.line([(layout.margin, rule), (width - layout.margin, rule)], fill=_RULE)
    _draw_titles(draw, layout, row_titles or (), column_titles or ())
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            x, y = layout.left + column * layout.step, layout.top + row * layout.step
            _place(sheet, draw, image, x, y, layout.tile)
    if footer:
        rule = bottom + layout.margin
        draw.line([(layout.margin, rule), (width - layout.margin, rule)], fill=_RULE)
        for line, text in enumerate(small_print):
            y = rule + layout.gap + line * layout.small_line
            draw.text((layout.margin, y), text, fill=_FAINT, font=layout.small)
    return np.array(sheet)


def _draw_titles(
    draw: ImageDraw.ImageDraw, layout: _Layout, row_titles: Sequence[str], column_titles: Sequence[str]
) -> None:
    """Draw the titles left of the rows and above the columns."""
    for column, text in enumerate(column_titles):
        middle = layout.left + column * layout.step + layout.tile // 2
        text = _shorten_text(text, layout.text, layout.tile)
        draw.text((middle, layout.top - layout.gap), text, fill=_INK, font=layout.text, anchor="md")
    for row, text in enumerate(row_titles):
        middle = layout.top + row * layout.step + layout.tile // 2
        right = layout.left - 2 * layout.gap
        draw.multiline_text((right, middle), text, fill=_INK, font=layout.text, anchor="rm", align="right", spacing=2)


@dataclass(frozen=True)
class _Layout:
    """Measures in pixels, all following from the tile's side."""

    tile: int
    gap: int
    margin: int
    left: int
    top: int
    line: int
    small_line: int
    heading: _Font
    text: _Font
    small: _Font

    @property
    def step(self) -> int:
        return self.tile + self.gap

    @staticmethod
    def of(
        tile: int, row_titles: Sequence[str] | None, column_titles: Sequence[str] | None, title: str | None
    ) -> _Layout:
        size = min(22, max(12, tile // 9))
        text, heading = ImageFont.load_default(size=size), ImageFont.load_default(size=size * 1.45)
        line, gap, margin = int(size * 1.5), max(4, tile // 24), max(14, tile // 7)
        widths = [text.getlength(part) for row in row_titles or () for part in row.split("\n")]
        return _Layout(
            tile=tile,
            gap=gap,
            margin=margin,
            left=margin + (int(max(widths)) + 2 * gap if widths else 0),
            top=margin + (int(line * 2.2) if title else 0) + (line + gap if column_titles else 0),
            line=line,
            small_line=int(size * 1.25),
            heading=heading,
            text=text,
            small=ImageFont.load_default(size=max(10, size * 0.8)),
        )


def _check_titles(name: str, titles: Sequence[str] | None, count: int) -> None:
    if titles is not None and len(titles) != count:
        raise ImageError(f"{name} has {len(titles)} entries; expected one for each of the {count}")


def _place(sheet: Image.Image, draw: ImageDraw.ImageDraw, image: Pixels | None, x: int, y: int, tile: int) -> None:
    if image is None:
        draw.rectangle([x, y, x + tile - 1, y + tile - 1], fill=_EMPTY)
        return
    height, width = image.shape[:2]
    picture = Image.fromarray(image)
    whole = tile // max(height, width)
    if whole > 1:
        picture = picture.resize((width * whole, height * whole), Image.Resampling.NEAREST)
    scale = tile / max(picture.size)
    fitted = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(fitted, Image.Resampling.LANCZOS) if fitted != picture.size else picture
    sheet.paste(picture, (x + (tile - picture.width) // 2, y + (tile - picture.height) // 2))


def _wrap_text(text: str, font: _Font, width: int) -> list[str]:
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def _shorten_text(text: str, font: _Font, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"
