"""Printed sheets: images in rows with captions on the pages of a PDF, whose text can be selected.

The same images and texts always give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import IO, TYPE_CHECKING, Final, Literal, TypeAlias

from PIL import Image

from faces.images import Pixels

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

Paper: TypeAlias = Literal["a4", "slide"]
"""Size of the pages: A4 upright, or a slide of 16:9."""

_MM: Final = 72 / 25.4
_SIZES: Final[dict[Paper, tuple[float, float]]] = {"a4": (210 * _MM, 297 * _MM), "slide": (960.0, 540.0)}
_MARGIN: Final = 12 * _MM
_GAP: Final = 3 * _MM
_HEADING: Final = 13.0
_SMALL: Final[dict[Paper, float]] = {"a4": 6.5, "slide": 9.0}
_MOST_CAPTION: Final = 10.0
_LEAST_CAPTION: Final = 5.0
_LEADING: Final = 1.25
_MOST_DPI: Final = 300
_TEXT, _BOLD = "Vera", "Vera-Bold"
_INK: Final = (0.15, 0.15, 0.16)


@dataclass(frozen=True)
class CaptionedImage:
    """Image, uint8 (h, w, 3), with the lines of text below it."""

    image: Pixels
    caption: Sequence[str]


@dataclass(frozen=True)
class PageLayout:
    """Places of images on a page; all measures are in points of 1/72 inch.

    Args:
        paper: size of the page.
        columns: images side by side.
        caption_lines: lines of text below each image.
        footer_lines: lines of text at the foot.
    """

    paper: Paper
    columns: int
    caption_lines: int = 2
    footer_lines: int = 3

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the page."""
        return _SIZES[self.paper]

    @property
    def tile(self) -> float:
        """Side of an image: as wide as the columns allow, unless a single row would not fit on the page."""
        wide = (self.size[0] - 2 * _MARGIN + _GAP) / self.columns - _GAP
        return min(wide, self._height - self.caption_lines * _MOST_CAPTION * _LEADING)

    @property
    def small(self) -> float:
        """Size of the letters at the foot."""
        return _SMALL[self.paper]

    @property
    def caption_size(self) -> float:
        """Size of the captions' letters."""
        return max(_LEAST_CAPTION, min(_MOST_CAPTION, self.tile / 11))

    @property
    def row_height(self) -> float:
        """Height of an image with its caption and the gap below."""
        return self.tile + self.caption_lines * self.caption_size * _LEADING + 2 * _GAP

    @property
    def rows(self) -> int:
        """Rows on a page."""
        return max(1, int((self._height + 2 * _GAP) / self.row_height))

    @property
    def top(self) -> float:
        """Upper edge of the first row, from the foot of the page."""
        return self.size[1] - _MARGIN - 2 * _HEADING

    @property
    def _height(self) -> float:
        """Height that the rows share."""
        return self.top - _MARGIN - self.footer_lines * self.small * _LEADING - _GAP


def write_printed_sheet(
    file: IO[bytes],
    rows: Iterable[Sequence[CaptionedImage | None]],
    layout: PageLayout,
    *,
    title: str,
    footer: Sequence[str],
    subject: str,
    keywords: str = "",
    software: str = "",
) -> None:
    """Write a PDF of as many pages as the rows need. Images finer than 300 dpi are reduced to that.

    Args:
        rows: at most `layout.columns` images each; None leaves a place empty. They are taken as pages are drawn.
        title: heading of each page.
        footer: `layout.footer_lines` lines at the foot of each page, the first one bold: say there what the images are.
        subject, keywords, software: properties of the document.
    """
    from reportlab.pdfgen.canvas import Canvas

    _register_fonts()
    canvas = Canvas(file, pagesize=layout.size, pageCompression=1, invariant=1, lang="en", initialFontName=_TEXT)
    canvas.setTitle(title)
    canvas.setSubject(subject)
    canvas.setKeywords(keywords)
    canvas.setCreator(software)
    canvas.setAuthor(software)
    page = 0
    for number, row in enumerate(rows):
        place = number % layout.rows
        if place == 0:
            if page:
                canvas.showPage()
            page += 1
            _draw_frame(canvas, layout, title, footer, page)
        _draw_row(canvas, layout, row, layout.top - place * layout.row_height)
    canvas.save()


@cache
def _register_fonts() -> None:
    """Register the fonts that the library ships; documents embed the letters that they use."""
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    registerFont(TTFont(_TEXT, "Vera.ttf"))
    registerFont(TTFont(_BOLD, "VeraBd.ttf"))


def _draw_frame(canvas: Canvas, layout: PageLayout, title: str, footer: Sequence[str], page: int) -> None:
    """Draw what every page has: heading, page number and foot."""
    width, height = layout.size
    canvas.setFillColorRGB(*_INK)
    canvas.setFont(_BOLD, _HEADING)
    canvas.drawString(_MARGIN, height - _MARGIN - _HEADING, title)
    canvas.setFont(_TEXT, layout.small)
    canvas.drawRightString(width - _MARGIN, height - _MARGIN - _HEADING, str(page))
    for line, text in enumerate(footer):
        y = _MARGIN + (layout.footer_lines - 1 - line) * layout.small * _LEADING
        _draw_text(canvas, _TEXT if line else _BOLD, layout.small, width - 2 * _MARGIN, text, _MARGIN, y)


def _draw_row(canvas: Canvas, layout: PageLayout, row: Sequence[CaptionedImage | None], top: float) -> None:
    for column, place in enumerate(row):
        if place is None:
            continue
        left = _MARGIN + column * (layout.tile + _GAP)
        _draw_image(canvas, place.image, left, top - layout.tile, layout.tile)
        for line, text in enumerate(place.caption, start=1):
            y = top - layout.tile - line * layout.caption_size * _LEADING
            _draw_text(canvas, _TEXT, layout.caption_size, layout.tile, text, left, y)


def _draw_image(canvas: Canvas, image: Pixels, left: float, bottom: float, side: float) -> None:
    """Draw an image in a square, with its proportions kept."""
    from reportlab.lib.utils import ImageReader

    picture, most = Image.fromarray(image), round(side / 72 * _MOST_DPI)
    if max(picture.size) > most:
        picture.thumbnail((most, most), Image.Resampling.LANCZOS)
    canvas.drawImage(ImageReader(picture), left, bottom, side, side, preserveAspectRatio=True, anchor="c")


def _draw_text(canvas: Canvas, font: str, size: float, width: float, text: str, left: float, y: float) -> None:
    """Draw a line of text, in smaller letters where it would be too wide."""
    wide = canvas.stringWidth(text, font, size)
    canvas.setFont(font, min(size, size * width / wide) if wide else size)
    canvas.drawString(left, y, text)
