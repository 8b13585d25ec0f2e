"""Painting of a phantom: backdrop, body, skin in soft light, folds, features and hair, back to front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from faces.phantoms.anatomy import EYE_Y, Points, anatomy, curve, mirror, move, smooth
from faces.phantoms.ears import paint_ears
from faces.phantoms.eyes import paint_brow, paint_eye
from faces.phantoms.hair import hair_shape, paint_hair, paint_hanging_hair
from faces.phantoms.mouth import paint_mouth
from faces.phantoms.paint import Canvas, Floats, Palette, choose_palette, mix
from faces.phantoms.relief import bumps, light, relief
from faces.phantoms.sitter import BLUSH, LEFT, RIGHT, Sitter

if TYPE_CHECKING:
    from faces.phantoms.person import Looks, Phantom

_FRECKLE_STREAM: Final = (2, 1)  # random streams of its own, beside those of faces.phantoms.person


@dataclass(frozen=True)
class RenderedPhantom:
    """A drawn phantom.

    Attributes:
        image: (size, size, 3) uint8 RGB.
        landmarks: (68, 2) float64, x then y in pixels, in the iBUG order (dlib's); the centre of the first
            pixel is (0, 0).
    """

    image: npt.NDArray[np.uint8]
    landmarks: npt.NDArray[np.float64]


def draw_phantom(phantom: Phantom, size: int) -> RenderedPhantom:
    """Paint a phantom.

    Args:
        size: side of the picture in pixels; the same picture at any size.
    """
    canvas = Canvas(size * (2 if size <= 256 else 1), phantom.looks)
    body = anatomy(phantom)
    sitter = Sitter(phantom, body, choose_palette(phantom, body.growth))
    hair = hair_shape(phantom, body)
    _paint_backdrop(canvas, phantom.looks)
    paint_hanging_hair(canvas, hair, sitter.palette)
    _paint_neck(canvas, sitter)
    paint_ears(canvas, sitter)
    _paint_skin(canvas, sitter)
    _paint_freckles(canvas, sitter)
    _paint_beard(canvas, sitter)
    _paint_folds(canvas, sitter)
    _paint_pointed_chin(canvas, sitter)
    _paint_bridge(canvas, sitter)
    _paint_nostrils(canvas, sitter)
    paint_mouth(canvas, sitter)
    for side in (LEFT, RIGHT):
        paint_eye(canvas, sitter, side)
        paint_brow(canvas, sitter, side)
    paint_hair(canvas, phantom, body, hair, sitter.palette)
    return RenderedPhantom(canvas.image(size), canvas.place(body.landmarks) * (size / canvas.side) - 0.5)


def locate_landmarks(phantom: Phantom, size: int) -> npt.NDArray[np.float64]:
    """Compute the landmarks that `draw_phantom` returns, without the picture."""
    return Canvas(size, phantom.looks).place(anatomy(phantom).landmarks) - 0.5


def _paint_backdrop(canvas: Canvas, looks: Looks) -> None:
    rows = np.linspace(1.08, 0.82, canvas.side, dtype=np.float32)[:, None]
    columns = 1 + 0.10 * looks.light_side * np.linspace(-1, 1, canvas.side, dtype=np.float32)[None, :]
    canvas.pixels[:] = (rows * columns)[..., None] * (255 * np.array(looks.backdrop, np.float32))


def _paint_neck(canvas: Canvas, sitter: Sitter) -> None:
    phantom, body, palette = sitter.phantom, sitter.body, sitter.palette
    growth, chin = body.growth, body.landmarks[8, 1]
    wide = (0.150 + 0.045 * growth.adult * phantom.looks.masculinity) * (0.85 + 0.15 * growth.lower_face)
    neck = np.array([[wide, 0.6], [wide, chin + 0.02], [wide * 1.25, 1.0], [wide * 1.4, 1.2]])
    outline = np.concatenate([neck, mirror(neck[::-1])])
    if phantom.signs.neck_web > 0:
        _paint_neck_web(canvas, sitter, wide)
    canvas.fill(outline, mix(palette.skin, palette.skin_shadow, 0.25), blur=0.004)
    shadow = move(body.landmarks[0:17] * [0.92, 1.0], 0, 0.035)
    canvas.fill(smooth(shadow), palette.skin_shadow, 0.6, blur=0.022, within=canvas.mask(outline))
    cloth = 255 * np.array(phantom.looks.cloth, np.float32)
    collar = max(0.93, chin + 0.035 - 0.014 * phantom.signs.chin_point)
    top = np.array([[0.0, collar + 0.05], [wide * 0.8, collar + 0.02], [wide * 1.25, collar - 0.02]])
    shoulder = np.concatenate([top, [[0.40, collar + 0.02], [0.62, collar + 0.09], [0.62, 1.3], [0, 1.3]]])
    for half in (shoulder, mirror(shoulder)):
        canvas.fill(half, cloth, blur=0.003)
        canvas.stroke([half[:3]], cloth * np.float32(0.7), 0.7, width=0.012, blur=0.004)


def _paint_neck_web(canvas: Canvas, sitter: Sitter, neck: float) -> None:
    """Paint folds of skin from below the ears to the shoulders."""
    palette, strength = sitter.palette, sitter.phantom.signs.neck_web
    ear, out = sitter.body.landmarks[15], neck + 0.17 * strength
    bend = [0.2 * out + 0.8 * ear[0] - 0.02, 0.4 * ear[1] + 0.6 * 0.985]
    edge = curve(np.array([[ear[0] - 0.02, ear[1]], [ear[0] - 0.032, ear[1] + 0.12], bend, [out, 0.985]]))
    web = np.concatenate([edge, [[neck, 1.1], [neck * 0.9, 0.6]]])
    for flip in (LEFT, RIGHT):
        canvas.fill(web * flip, mix(palette.skin, palette.skin_shadow, 0.30), blur=0.003)
        canvas.stroke([move(edge, -0.012, 0) * flip], palette.skin, 0.5, width=0.012, blur=0.005)
        canvas.stroke([move(edge, -0.034, 0.01) * flip], palette.fold, 0.5, width=0.012, blur=0.007)


def _paint_skin(canvas: Canvas, sitter: Sitter) -> None:
    phantom, body, palette = sitter.phantom, sitter.body, sitter.palette
    lit = canvas.spread(light(relief(phantom, body), phantom.looks))
    stops = np.stack([palette.skin_shadow, palette.skin, palette.skin_light])
    table = np.stack([np.interp(np.linspace(0, 1, 256), [0.05, 0.66, 1.0], c) for c in stops.T], axis=1)
    shade = (lit * 255).astype(np.uint8)
    skin = table.astype(np.float32)[shade]
    points, rosy = body.landmarks, body.growth.rosy
    blush = bumps(
        [
            (0.145, points[33, 1] - 0.025, 0.055, 0.045, 0.22 + 0.6 * rosy + 0.2 * phantom.smile),
            (0.0, points[30, 1], 0.035, 0.03, 0.2 + 0.3 * rosy),
            (0.0, points[8, 1] - 0.03, 0.05, 0.03, 0.2),
            (0.119, EYE_Y + 0.03, 0.04, 0.018, 0.25 * body.growth.adult + 0.5 * body.growth.sag),
        ]
    )
    skin += canvas.spread(blush)[..., None] * (BLUSH * palette.skin[0] / 235)
    canvas.cover(skin, canvas.mask(body.skull))


def _paint_freckles(canvas: Canvas, sitter: Sitter) -> None:
    phantom, body, palette = sitter.phantom, sitter.body, sitter.palette
    if phantom.looks.freckles == 0 or phantom.age_years < 2:
        return
    rng = np.random.Generator(np.random.PCG64([phantom.identity, *_FRECKLE_STREAM]))
    at = np.clip(rng.normal(0, 1, (60, 2)), -2, 2) * [0.09, 0.032]
    at = move(at, 0, body.landmarks[29, 1] + 0.02)
    dots = [np.stack([p, p + 0.001]) for p in at]
    colour = mix(palette.skin, palette.skin_shadow, 0.7)
    canvas.stroke(dots, colour, 0.3 + 0.4 * phantom.looks.freckles, width=0.0048)


def _paint_beard(canvas: Canvas, sitter: Sitter) -> None:
    phantom, body, palette = sitter.phantom, sitter.body, sitter.palette
    strength = phantom.looks.beard * max(0.0, (body.growth.adult - 0.3) / 0.7)
    if strength <= 0:
        return
    points = body.landmarks
    corner = move(points[54:55] * [1.5, 1], 0, -0.01)
    lip = move(points[[49, 51, 53]] * [1.25, 1.0], 0, -0.012)
    above = [points[3:4] * [0.97, 1], mirror(corner), lip, corner, points[13:14] * [0.97, 1]]
    outline = np.concatenate([*above, move(points[12:3:-1] * [0.98, 1.0], 0, 0.004)])
    canvas.fill(outline, palette.brow, 0.55 * strength, blur=0.014, within=canvas.mask(body.skull))


def _paint_folds(canvas: Canvas, sitter: Sitter) -> None:
    """Paint the creases of age and of smiling."""
    growth, points, smile = sitter.body.growth, sitter.body.landmarks, sitter.phantom.smile
    coarse = sitter.phantom.signs.coarseness
    fold = sitter.palette.fold
    wing, corner, eye = points[35], points[54], points[42:48]
    cheek = [move(wing, 0.008, -0.012), move((wing + corner) / 2, 0.040, -0.012), move(corner, 0.026, 0)]
    jowl = corner + np.array([[0.012, 0.020], [0.020, 0.045], [0.016, 0.075]])
    bag = eye[[0, 5, 4, 3]] + np.array([[0.002, 0.018], [0.005, 0.026], [0, 0.026], [0, 0.018]])
    feet = [eye[3] + np.array([[0.012, y], [0.045, 2.2 * y - 0.004]]) for y in (-0.010, 0.003, 0.016)]
    smiling = 0.40 * smile * (1 - 0.4 * growth.chubby)
    cheeks = min(0.72, 0.03 + 0.12 * growth.adult + smiling + 0.55 * growth.wrinkles + 0.45 * coarse)
    bags = 0.25 * growth.adult + 0.40 * growth.wrinkles + 0.35 * coarse
    crow = 0.25 * smile * growth.adult + 0.60 * growth.wrinkles
    for flip in (RIGHT, LEFT):
        canvas.stroke([curve(np.array(cheek) * flip)], fold, cheeks, width=0.009, blur=0.006)
        canvas.stroke([curve(jowl * flip)], fold, 0.42 * growth.sag, width=0.008, blur=0.005)
        canvas.stroke([curve(bag * flip)], fold, bags, width=0.008, blur=0.004)
        canvas.stroke([foot * flip for foot in feet], fold, crow, width=0.004, blur=0.0015)
    brow_y = float(points[17:27, 1].min())
    _paint_forehead_lines(canvas, brow_y, fold, growth.wrinkles)
    under_lip = move(np.array([[-0.03, 0.0], [0.0, 0.004], [0.03, 0.0]]), 0, points[57, 1] + 0.014)
    canvas.stroke([under_lip], fold, 0.25, width=0.010, blur=0.006)


def _paint_forehead_lines(canvas: Canvas, brow_y: float, fold: Floats, wrinkles: float) -> None:
    across = np.linspace(-0.15, 0.15, 9)
    arch = brow_y - 0.05 - 0.010 * np.cos(across * 11)
    lines = [np.stack([across * (1 - 0.12 * i), arch - 0.040 * i], axis=1) for i in range(3)]
    canvas.stroke(lines, fold, 0.62 * wrinkles, width=0.005, blur=0.002)
    frown = np.array([[0.016, brow_y + 0.015], [0.013, brow_y + 0.055]])
    canvas.stroke([frown, mirror(frown)], fold, 0.35 * wrinkles, width=0.005, blur=0.002)


def _paint_pointed_chin(canvas: Canvas, sitter: Sitter) -> None:
    """Paint the shadow under a pointed chin and the light on its tip."""
    palette, points, strength = sitter.palette, sitter.body.landmarks, sitter.phantom.signs.chin_point
    if strength > 0:
        canvas.stroke([curve(move(points[6:11], 0, 0.004))], palette.fold, 0.6 * strength, width=0.010, blur=0.004)
        tip = move(points[7:10] * [0.45, 1.0], 0, -0.018)
        canvas.stroke([curve(tip)], palette.skin_light, 0.55 * strength, width=0.026, blur=0.012)


def _paint_bridge(canvas: Canvas, sitter: Sitter) -> None:
    """Paint the edges of a wide or prominent nasal bridge, the light on it, and a round tip."""
    palette, signs, points = sitter.palette, sitter.phantom.signs, sitter.body.landmarks
    if signs.bridge_edges > 0 or signs.bridge_height > 0:
        top, low = EYE_Y - 0.014, points[30, 1] - 0.012
        wide = 0.015 + signs.bridge_edges
        edge = curve(np.array([[wide + 0.006, top], [wide, 0.5 * (top + low)], [wide + 0.004, low]]))
        shown = min(1.0, signs.bridge_height + 40 * signs.bridge_edges)
        for flip in (LEFT, RIGHT):
            canvas.stroke([edge * flip], palette.fold, 0.75 * shown, width=0.010, blur=0.005)
        crest = np.array([[0.0, top - 0.006], [0.0, low]])
        light = 0.55 * signs.bridge_height + 0.30 * (shown - signs.bridge_height)
        canvas.stroke([crest], palette.skin_light, light, width=0.010 + 1.2 * signs.bridge_edges, blur=0.006)
    if signs.tip_roundness > 0:
        _paint_round_tip(canvas, palette, points, signs.tip_roundness)


def _paint_round_tip(canvas: Canvas, palette: Palette, points: Points, strength: float) -> None:
    """Paint a ball on the tip of the nose, lit from above."""
    turn = np.linspace(-0.25 * np.pi, 1.25 * np.pi, 15)
    around = np.stack([np.cos(turn), 0.9 * np.sin(turn)], axis=1)
    middle = np.array([0.0, points[30, 1] + 0.008])
    radius = 0.62 * points[35, 0]
    canvas.stroke([middle + 1.05 * radius * around], palette.fold, 0.55 * strength, width=0.008, blur=0.005)
    canvas.fill(middle + 0.55 * radius * around, palette.skin_light, 0.75 * strength, blur=0.010)


def _paint_nostrils(canvas: Canvas, sitter: Sitter) -> None:
    phantom, body, palette = sitter.phantom, sitter.body, sitter.palette
    points, scale = body.landmarks, body.growth.lower_face
    upturn = float(np.clip(0.35 + phantom.traits["nose_upturn"], 0.05, 1.4))
    wing, base = points[35], points[33]
    turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    hole = np.stack([np.cos(turn) * 0.30 * wing[0], np.sin(turn) * (0.004 + 0.007 * upturn) * scale], axis=1)
    hole[:, 1] -= hole[:, 0] * 0.25
    hole += [0.52 * wing[0], (wing[1] + base[1]) / 2 - 0.001 - 0.006 * upturn]
    curl = np.array([[-0.002, -0.004 - 0.026 * scale], [0.007, -0.004 - 0.012 * scale], [0.004, -0.004]])
    wing_fold = wing + np.concatenate([curl, [[-0.010, -0.004 + 0.010 * scale]]])
    under = np.array([[wing[0] * 0.75, wing[1] + 0.006], [wing[0] * 0.4, base[1] - 0.001], [0, base[1] + 0.002]])
    for flip in (RIGHT, LEFT):
        canvas.stroke([curve(wing_fold * flip)], palette.fold, 0.50, width=0.006, blur=0.004)
        canvas.stroke([curve(under * flip)], palette.fold, 0.55, width=0.006, blur=0.004)
        canvas.fill(hole * flip, palette.fold * np.float32(0.55), 0.8, blur=0.0025)
