"""Painting of a phantom's mouth: lips, teeth and tongue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from faces.phantoms.anatomy import Points, curve, mirror, move, smooth
from faces.phantoms.paint import WHITE, Canvas, Floats, mix, rgb
from faces.phantoms.sitter import Sitter

if TYPE_CHECKING:
    from faces.phantoms.anatomy import Anatomy
    from faces.phantoms.signs import Signs

_TEETH: Final = rgb(240, 234, 222)
_MOUTH_INSIDE: Final = rgb(70, 26, 26)
_MUCOSA: Final = rgb(206, 96, 104)
_TONGUE: Final = rgb(218, 112, 118)


def paint_mouth(canvas: Canvas, sitter: Sitter) -> None:
    """Paint lips, teeth and tongue."""
    body, palette, signs = sitter.body, sitter.palette, sitter.phantom.signs
    points = body.landmarks
    inner_top, inner_low = points[60:65], points[[64, 65, 66, 67, 60]]
    upper = np.concatenate([curve(points[48:55]), curve(inner_top[::-1])])
    lower = np.concatenate([curve(points[[54, 55, 56, 57, 58, 59, 48]]), curve(inner_low[::-1])])
    rounded = move((inner_low[[0, 3]] + inner_low[[1, 4]]) / 2, 0, 0.2 * body.mouth_opening)
    low_edge = np.stack([inner_low[0], rounded[0], *inner_low[1:4], rounded[1], inner_low[4]])
    gap = np.concatenate([curve(inner_top), curve(low_edge)])
    canvas.fill(upper, palette.lips * np.float32(0.80), 0.92, blur=0.002)
    canvas.fill(lower, palette.lips, 0.92, blur=0.002)
    depth = points[57, 1] - points[66, 1]
    shine = np.stack([np.linspace(-0.028, 0.028, 7), np.full(7, points[66, 1] + 0.45 * depth)], axis=1)
    canvas.stroke([shine], mix(palette.lips, WHITE, 0.45), 0.45, width=0.35 * depth, blur=0.007)
    if body.mouth_opening > 0.004:
        canvas.fill(gap, _MOUTH_INSIDE)
        _paint_teeth(canvas, body, signs, within=canvas.mask(gap))
    else:
        canvas.fill(gap, _MOUTH_INSIDE, 0.8)
    seam = curve(points[[48, 60, 61, 62, 63, 64, 54]])
    canvas.stroke([seam], mix(palette.lips, _MOUTH_INSIDE, 0.75), 0.85, width=0.005, blur=0.0012)
    if signs.lower_lip_eversion > 0:
        _paint_everted_lip(canvas, sitter, signs.lower_lip_eversion)
    if signs.tongue > 0:
        _paint_tongue(canvas, body, signs.tongue)
    corner = points[54] + np.array([[-0.006, 0.0], [0.003, 0.002]])
    canvas.stroke([mirror(corner[::-1]), corner], palette.fold, 0.6, width=0.008, blur=0.004)


def _paint_teeth(canvas: Canvas, body: Anatomy, signs: Signs, within: Floats) -> None:
    points, opening = body.landmarks, body.mouth_opening
    height = (1 - signs.tooth_smallness) * np.array([0, 0.72, 0.78, 0.72, 0])
    height[1:4] -= 0.5 * signs.open_bite * height[1:4]
    upper, top, low = points[60:65], points[62, 1], points[62, 1] + opening
    row = np.concatenate([curve(upper), curve((upper + _down(height * opening))[::-1])])
    canvas.fill(row, _TEETH, 0.95, blur=0.0015, within=within)
    if signs.open_bite > 0:
        edge = np.array([0, 0.45, 0.25, 0.45, 0])
        below = points[[60, 67, 66, 65, 64]]
        lower_row = np.concatenate([curve(below - _down(edge * opening)), curve(below[::-1])])
        canvas.fill(lower_row, _TEETH * np.float32(0.93), 0.95, blur=0.0015, within=within)
    pitch = 0.0165 * (1 - 0.8 * signs.tooth_smallness)
    gaps = [np.array([[x, top - 0.01], [x, low]]) for x in np.arange(-3, 4) * pitch]
    width = 0.003 + 0.0042 * signs.tooth_spacing + 0.004 * signs.tooth_smallness
    apart = min(1.0, signs.tooth_spacing + 2.5 * signs.tooth_smallness)
    canvas.stroke(
        gaps, mix(_TEETH * np.float32(0.75), _MOUTH_INSIDE, apart), 0.45 + 0.5 * apart, width=width, within=within
    )
    canvas.stroke([upper], _MOUTH_INSIDE, 0.45, width=0.008, blur=0.004, within=within)


def _down(distances: Points) -> Points:
    """Make vectors (n, 2) that point down by distances (n,)."""
    return np.stack([np.zeros(len(distances)), distances], axis=1)


def _paint_everted_lip(canvas: Canvas, sitter: Sitter, strength: float) -> None:
    """Paint the moist inner side of a lower lip that is turned out, and the shadow under its edge."""
    points, palette = sitter.body.landmarks, sitter.palette
    edge, seam = points[55:60], points[[64, 65, 66, 67, 60]]
    inside = np.concatenate([curve(seam), curve((0.45 * edge + 0.55 * seam)[::-1])])
    canvas.fill(inside, mix(palette.lips, _MUCOSA, 0.6), 0.9 * strength, blur=0.003)
    canvas.stroke([curve(move(edge, 0, 0.010))], palette.fold, 0.75 * strength, width=0.012, blur=0.004)
    shine = curve(0.55 * edge + 0.45 * seam)[6:-6]
    canvas.stroke([shine], WHITE, 0.6 * strength, width=0.006, blur=0.003)


def _paint_tongue(canvas: Canvas, body: Anatomy, length: float) -> None:
    """Paint a tongue that lies over the lower lip."""
    points = body.landmarks
    top, low = points[66, 1] - 0.6 * body.mouth_opening, points[57, 1] + 0.020 * length
    wide = 0.42 * points[54, 0]
    half = np.array([[0.75 * wide, top], [wide, 0.5 * (top + low)], [0.72 * wide, low - 0.008], [0.0, low]])
    outline = smooth(np.concatenate([half, mirror(half[-2::-1])]))
    canvas.fill(move(outline, 0, 0.006), _MOUTH_INSIDE, 0.5, blur=0.006)
    canvas.fill(outline, _TONGUE, blur=0.002)
    canvas.stroke(
        [np.array([[0.0, top + 0.01], [0.0, low - 0.012]])], _TONGUE * np.float32(0.72), 0.8, width=0.005, blur=0.002
    )
    canvas.stroke(
        [np.array([[0.4 * wide, top + 0.01], [0.4 * wide, low - 0.02]])], WHITE, 0.35, width=0.010, blur=0.005
    )
