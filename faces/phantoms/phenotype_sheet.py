"""Sheet of HPO terms: an average face, and the same face with each term alone, with id, label and region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from faces.conditions.terms import find_term
from faces.contact_sheets import contact_sheet
from faces.images import Pixels
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.drawn_terms import DRAWN_TERMS
from faces.phantoms.phenotype import average_phantom

_PAPER: Final = (252, 251, 249)
_INK: Final = (38, 38, 42)
_CALM: Final = 0.1
_SMILING: Final = 0.9


def draw_sheet(
    term_ids: Sequence[str],
    *,
    title: str,
    notes: Sequence[str] | None = None,
    age_years: float = 8.0,
    size: int = 192,
    columns: int = 6,
) -> Pixels:
    """Draw an average face, and the same face with each of these drawn terms alone.

    Terms of the teeth are shown on a smiling face, and an average one stands before the first of them.

    Args:
        notes: a line below each term, such as its frequency.
        size: side of each face in pixels.

    Returns:
        uint8 (h, w, 3) RGB.
    """
    lines = dict(zip(term_ids, notes or [""] * len(term_ids), strict=True))
    tiles = []
    for smile in (_CALM, _SMILING):
        terms = [term for term in term_ids if DRAWN_TERMS[term].with_teeth == (smile == _SMILING)]
        if terms or smile == _CALM:
            average = draw_phantom(average_phantom([], age_years, smile), size).image
            tiles.append(_caption(average, ("average", "" if smile == _CALM else "smiling", "")))
        for term in terms:
            face = draw_phantom(average_phantom([term], age_years, smile), size).image
            text = (term, find_term(term).term.label, " · ".join(filter(None, (DRAWN_TERMS[term].region, lines[term]))))
            tiles.append(_caption(face, text))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    footer = "Drawings by a program (phantoms), not patients. Each face shows one term at its typical strength."
    return contact_sheet(rows, title=title, footer=footer)


def _caption(face: Pixels, lines: tuple[str, str, str]) -> Pixels:
    """Add three lines of text below a square picture; the result is square too."""
    side, line = len(face), max(11, len(face) // 13)
    height = side + 4 * line
    tile = Image.new("RGB", (height, height), _PAPER)
    tile.paste(Image.fromarray(face), ((height - side) // 2, 0))
    draw = ImageDraw.Draw(tile)
    for number, text in enumerate(lines):
        font = ImageFont.load_default(size=line)
        if (wide := draw.textlength(text, font=font)) > height:
            font = ImageFont.load_default(size=line * height / wide)
        draw.text((height // 2, side + 4 + int(1.25 * number * line)), text, fill=_INK, font=font, anchor="ma")
    return np.array(tile)
