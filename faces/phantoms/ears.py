"""Painting of a phantom's ears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from faces.phantoms.anatomy import Points, curve, move, smooth
from faces.phantoms.paint import Canvas, mix
from faces.phantoms.sitter import BLUSH, LEFT, RIGHT, Sitter

if TYPE_CHECKING:
    from faces.phantoms.anatomy import Anatomy
    from faces.phantoms.signs import Signs

_EAR: Final = np.array(
    [[-20, -75], [12, -105], [40, -85], [44, -35], [30, 30], [16, 85], [-12, 85]]
) / 1000  # fmt: skip
_FOLDED: Final = np.array([[0, 18], [0, 40], [4, 34], [8, 10], [0, 0], [0, 0], [0, 0]]) / 1000
_WITHOUT_LOBE: Final = np.array([[0, 0], [0, 0], [0, 0], [0, -4], [-10, -14], [-24, -52], [0, -54]]) / 1000


def paint_ears(canvas: Canvas, sitter: Sitter) -> None:
    """Paint both ears."""
    body, palette, signs = sitter.body, sitter.palette, sitter.phantom.signs
    ear = _ear(signs)
    for flip in (LEFT, RIGHT):
        outer = smooth((ear * body.ear_size + body.ear) * flip)
        inner = smooth(move(ear * [0.5, 0.62] * body.ear_size + body.ear, 0.008, -0.006) * flip)
        canvas.fill(outer, mix(palette.skin, palette.skin_shadow, 0.16) + BLUSH * np.float32(0.4))
        canvas.fill(inner, palette.skin_shadow, 0.55, blur=0.006)
        canvas.stroke([outer], palette.fold, 0.4, width=0.004, blur=0.002)
        _paint_helix(canvas, sitter, ear * body.ear_size + body.ear, flip)


def ear_outline(body: Anatomy, signs: Signs) -> Points:
    """Compute the outline of the right ear, (n, 2)."""
    return smooth(_ear(signs) * body.ear_size + body.ear)


def _ear(signs: Signs) -> Points:
    """Compute the corners of the right ear, relative to its centre."""
    ear = _EAR + signs.helix_folding * _FOLDED + signs.earlobe_smallness * _WITHOUT_LOBE
    ear *= [1 + signs.ear_protrusion, 1.0]
    ear[:, 0] -= signs.ear_rotation * np.minimum(ear[:, 1], 0.03)
    return ear


def _paint_helix(canvas: Canvas, sitter: Sitter, ear: Points, flip: Points) -> None:
    """Paint a thick or folded rim from the front of the ear over its top and down its outer edge."""
    palette, signs, scale = sitter.palette, sitter.phantom.signs, sitter.body.ear_size
    if signs.helix_thickness <= 0 and signs.helix_folding <= 0:
        return
    light = mix(palette.skin, palette.skin_light, 0.45) + BLUSH * np.float32(0.3)
    inside = canvas.mask(smooth(ear * flip))
    if signs.helix_thickness > 0:
        rim = curve(ear[:6]) * flip
        thick = 0.016 * signs.helix_thickness * scale
        canvas.stroke([rim], palette.fold * np.float32(0.8), 0.9, width=2.6 * thick, blur=0.002, within=inside)
        canvas.stroke([rim], light, width=1.8 * thick, blur=0.001, within=inside)
    if signs.helix_folding > 0:
        top = curve(ear[:4]) * flip
        canvas.stroke([top], palette.fold * np.float32(0.7), 0.95, width=0.062 * scale, blur=0.002, within=inside)
        canvas.stroke([top], light, width=0.046 * scale, blur=0.002, within=inside)
