"""Painting of a phantom's eyes: the open eye, lids, iris and brow."""

from __future__ import annotations

from typing import Final

import numpy as np

from faces.phantoms.anatomy import EYE_Y, Points, curve, move, smooth
from faces.phantoms.paint import WHITE, Canvas, Floats, Palette, mix, rgb
from faces.phantoms.sitter import Sitter

_CONJUNCTIVA: Final = rgb(206, 92, 92)


def paint_eye(canvas: Canvas, sitter: Sitter, side: Points) -> None:
    """Paint one eye, from the right one's points; `side` mirrors them or not."""
    phantom, body, palette, signs = sitter.phantom, sitter.body, sitter.palette, sitter.phantom.signs
    eye = body.landmarks[42:48]
    upper, lower = curve(eye[0:4]), curve(eye[[3, 4, 5, 0]])
    opening = np.concatenate([upper, lower]) * side
    within = canvas.mask(opening)
    canvas.fill(opening, WHITE * np.float32(0.95))
    turned_in = signs.squint if (phantom.identity % 2 == 0) == (side[0] > 0) else 0.0
    centre = np.array([eye[:, 0].mean() - 0.3 * signs.telecanthus - turned_in, EYE_Y - 0.001]) * side
    _paint_iris(canvas, centre, body.growth.iris, palette, within, phantom.looks.light_side)
    shadow = palette.fold * np.float32(0.6)
    canvas.stroke([move(upper, 0, 0.003) * side], shadow, 0.5, width=0.010, blur=0.004, within=within)
    lash_line = np.concatenate([upper, move(eye[3:4], 0.005, -0.0005)])
    lashes = 0.0052 + 0.002 * (1 - phantom.looks.masculinity)
    canvas.stroke([lash_line * side], palette.lash, 0.85, width=lashes, blur=0.001)
    _paint_lashes(canvas, upper, signs.lash_length, palette, side)
    canvas.stroke([lower * side], palette.fold, 0.50, width=0.0035, blur=0.0012)
    if signs.lid_eversion > 0:
        turned_out = move(eye[[3, 4]], 0, 0.004)
        canvas.stroke([turned_out * side], _CONJUNCTIVA, 0.9 * min(1.0, signs.lid_eversion), width=0.010, blur=0.0015)
    corner = eye[0] + np.array([[-0.003, 0.001], [0.003, -0.002], [0.003, 0.003]])
    canvas.fill(smooth(corner * side), palette.lips, 0.7)
    _paint_lids(canvas, sitter, side)
    if signs.epicanthus > 0:
        _paint_epicanthus(canvas, eye[0], signs.epicanthus, palette, side)


def _paint_lashes(canvas: Canvas, upper: Points, length: float, palette: Palette, side: Points) -> None:
    """Paint the lashes of the upper lid; short ones are part of the line of the lid."""
    if length <= 0:
        return
    roots = upper[2::2]
    lean = np.linspace(-0.25, 0.9, len(roots))[:, None]
    long = length * np.linspace(0.55, 1.0, len(roots))[:, None]
    bend = roots + long * np.concatenate([0.75 * lean, 0 * lean - 0.45], axis=1)
    tips = roots + long * np.concatenate([lean, 0 * lean - 0.95], axis=1)
    lashes = np.stack([roots, bend, tips], axis=1) * side
    canvas.stroke(list(lashes), palette.lash, 0.85, width=0.0032)


def _paint_epicanthus(canvas: Canvas, corner: Points, strength: float, palette: Palette, side: Points) -> None:
    """Paint a fold of skin that runs from the upper lid over the inner corner of the eye."""
    edge = np.array([[0.016, -0.019], [0.017, -0.006], [0.013, 0.006], [0.004, 0.013]])
    edge = curve(corner + edge * [strength, 1.0])
    back = corner + np.array([[-0.010, 0.012], [-0.014, -0.002], [-0.006, -0.016]])
    canvas.fill(np.concatenate([edge, back]) * side, mix(palette.skin, palette.skin_light, 0.25), blur=0.003)
    canvas.stroke([edge[:-4] * side], palette.fold, 0.85, width=0.0050, blur=0.0020)


def _paint_lids(canvas: Canvas, sitter: Sitter, side: Points) -> None:
    """Paint the crease above the eye, or the fold that hangs over it, and the puff below."""
    eye, palette = sitter.body.landmarks[42:48], sitter.palette
    hood = float(np.clip(sitter.phantom.traits["lid_hooding"], 0, 0.7)) + 0.25 * sitter.body.growth.sag
    puffy = float(np.clip(0.2 + sitter.phantom.traits["periorbital_fullness"], 0, 1.5))
    lift = 0.014 * (1 - min(1.0, 2.2 * hood)) + 0.002
    rise = np.array([[-0.002, -0.004], [0, -lift], [0, -lift], [0.010, -0.004 + 0.012 * hood]])
    crease = curve(eye[0:4] + rise)
    canvas.stroke([crease * side], palette.fold, 0.55 + 0.3 * hood, width=0.005 + 0.004 * hood, blur=0.0022)
    above = np.concatenate([crease, move(crease[::-1], 0, -0.016)])
    canvas.fill(above * side, palette.skin_light, 0.35 * hood + 0.22 * puffy, blur=0.007)
    puff = curve(eye[[0, 5, 4, 3]] + np.array([[0.006, 0.010], [0, 0.017], [0, 0.017], [-0.002, 0.014]]))
    canvas.stroke([puff * side], palette.skin_light, 0.40 * puffy, width=0.012, blur=0.005)
    canvas.stroke([move(puff, 0, 0.016) * side], palette.fold, 0.42 * puffy, width=0.007, blur=0.004)


def _paint_iris(
    canvas: Canvas, centre: Points, radius: float, palette: Palette, within: Floats, light_side: float
) -> None:
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius

    def disc(share: float, at: Points, colour: Floats, opacity: float, blur: float) -> None:
        canvas.fill(circle * share + at, colour, opacity, blur, within)

    disc(1.0, centre, palette.iris * np.float32(0.45), 1, 0.001)
    disc(0.84, centre, palette.iris, 1, 0.002)
    disc(0.5, move(centre, 0, 0.4 * radius), mix(palette.iris, WHITE, 0.3), 0.6, 0.004)
    disc(0.42, centre, palette.lash * np.float32(0.5), 1, 0.001)
    light = move(centre, 0.35 * radius * np.sign(light_side), -0.38 * radius)
    disc(0.24, light, rgb(255, 255, 255), 0.95, 0.0007)


def paint_brow(canvas: Canvas, sitter: Sitter, side: Points) -> None:
    looks, growth, palette = sitter.phantom.looks, sitter.body.growth, sitter.palette
    line = move(curve(sitter.body.landmarks[22:27], per_span=5), 0, 0.004)
    along = np.linspace(0, 1, len(line))
    thick = max(0.35, 1 + sitter.phantom.traits["brow_thickness"])
    thick *= 0.8 + 0.35 * looks.masculinity * growth.adult
    half = np.zeros_like(line)
    half[:, 1] = 0.0105 * thick * np.interp(along, [0, 0.15, 0.6, 1], [0.75, 1.0, 0.85, 0.2])
    ahead = line[np.minimum(np.arange(len(line)) + 2, len(line) - 1)] - line
    hairs = np.stack([line + 0.8 * half, line - 0.5 * half + ahead], axis=1) * side
    loss = sitter.phantom.signs.lateral_brow_loss
    middle = len(line) // 2
    parts = ((slice(None), 1.0),) if loss <= 0 else ((slice(middle + 1), 1.0), (slice(middle, None), 1 - loss))
    for part, density in parts:
        outline = np.concatenate([(line - half)[part], (line + half)[part][::-1]])
        canvas.fill(outline * side, palette.brow, 0.62 * density * growth.brow, blur=0.0035)
        opacity = 0.55 * density * growth.brow
        canvas.stroke(list(hairs[part]), palette.brow * np.float32(0.8), opacity, width=0.003, blur=0.0008)
