"""Painting of a phantom: backdrop, body, skin in soft light, folds, features and hair, back to front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from faces.phantoms.anatomy import EYE_Y, Anatomy, Points, anatomy, curve, mirror, move, smooth
from faces.phantoms.hair import hair_shape, paint_hair, paint_hanging_hair
from faces.phantoms.paint import WHITE, Canvas, Floats, Palette, choose_palette, mix, rgb
from faces.phantoms.relief import bumps, light, relief

if TYPE_CHECKING:
    from faces.phantoms.person import Looks, Phantom

_FRECKLE_STREAM: Final = (2, 1)  # random streams of its own, beside those of faces.phantoms.person
_RIGHT, _LEFT = np.array([1.0, 1.0]), np.array([-1.0, 1.0])

_BLUSH: Final = rgb(6, -26, -20)
_TEETH: Final = rgb(240, 234, 222)
_MOUTH_INSIDE: Final = rgb(70, 26, 26)

_EAR: Final = np.array(
    [[-20, -75], [12, -105], [40, -85], [44, -35], [30, 30], [16, 85], [-12, 85]]
) / 1000  # fmt: skip


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


@dataclass(frozen=True)
class Sitter:
    """Person and settings of a painting."""

    phantom: Phantom
    body: Anatomy
    palette: Palette


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
    _paint_ears(canvas, sitter)
    _paint_skin(canvas, sitter)
    _paint_freckles(canvas, sitter)
    _paint_beard(canvas, sitter)
    _paint_folds(canvas, sitter)
    _paint_nostrils(canvas, sitter)
    _paint_mouth(canvas, sitter)
    for side in (_LEFT, _RIGHT):
        _paint_eye(canvas, sitter, side)
        _paint_brow(canvas, sitter, side)
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
    canvas.fill(outline, mix(palette.skin, palette.skin_shadow, 0.25), blur=0.004)
    shadow = move(body.landmarks[0:17] * [0.92, 1.0], 0, 0.035)
    canvas.fill(smooth(shadow), palette.skin_shadow, 0.6, blur=0.022, within=canvas.mask(outline))
    cloth = 255 * np.array(phantom.looks.cloth, np.float32)
    collar = max(0.93, chin + 0.035)
    top = np.array([[0.0, collar + 0.05], [wide * 0.8, collar + 0.02], [wide * 1.25, collar - 0.02]])
    shoulder = np.concatenate([top, [[0.40, collar + 0.02], [0.62, collar + 0.09], [0.62, 1.3], [0, 1.3]]])
    for half in (shoulder, mirror(shoulder)):
        canvas.fill(half, cloth, blur=0.003)
        canvas.stroke([half[:3]], cloth * np.float32(0.7), 0.7, width=0.012, blur=0.004)


def _paint_ears(canvas: Canvas, sitter: Sitter) -> None:
    body, palette = sitter.body, sitter.palette
    for flip in (_LEFT, _RIGHT):
        outer = smooth((_EAR * body.ear_size + body.ear) * flip)
        inner = smooth(move(_EAR * [0.5, 0.62] * body.ear_size + body.ear, 0.008, -0.006) * flip)
        canvas.fill(outer, mix(palette.skin, palette.skin_shadow, 0.16) + _BLUSH * np.float32(0.4))
        canvas.fill(inner, palette.skin_shadow, 0.55, blur=0.006)
        canvas.stroke([outer], palette.fold, 0.4, width=0.004, blur=0.002)


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
    skin += canvas.spread(blush)[..., None] * (_BLUSH * palette.skin[0] / 235)
    cover = canvas.mask(body.skull)[..., None]
    canvas.pixels += cover * (skin - canvas.pixels)


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
    fold = sitter.palette.fold
    wing, corner, eye = points[35], points[54], points[42:48]
    cheek = [move(wing, 0.008, -0.012), move((wing + corner) / 2, 0.040, -0.012), move(corner, 0.026, 0)]
    jowl = corner + np.array([[0.012, 0.020], [0.020, 0.045], [0.016, 0.075]])
    bag = eye[[0, 5, 4, 3]] + np.array([[0.002, 0.018], [0.005, 0.026], [0, 0.026], [0, 0.018]])
    feet = [eye[3] + np.array([[0.012, y], [0.045, 2.2 * y - 0.004]]) for y in (-0.010, 0.003, 0.016)]
    smiling = 0.40 * smile * (1 - 0.4 * growth.chubby)
    cheeks = min(0.72, 0.03 + 0.12 * growth.adult + smiling + 0.55 * growth.wrinkles)
    bags = 0.25 * growth.adult + 0.40 * growth.wrinkles
    crow = 0.25 * smile * growth.adult + 0.60 * growth.wrinkles
    for flip in (_RIGHT, _LEFT):
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
    for flip in (_RIGHT, _LEFT):
        canvas.stroke([curve(wing_fold * flip)], palette.fold, 0.50, width=0.006, blur=0.004)
        canvas.stroke([curve(under * flip)], palette.fold, 0.55, width=0.006, blur=0.004)
        canvas.fill(hole * flip, palette.fold * np.float32(0.55), 0.8, blur=0.0025)


def _paint_mouth(canvas: Canvas, sitter: Sitter) -> None:
    body, palette = sitter.body, sitter.palette
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
        _paint_teeth(canvas, body, within=canvas.mask(gap))
    else:
        canvas.fill(gap, _MOUTH_INSIDE, 0.8)
    seam = curve(points[[48, 60, 61, 62, 63, 64, 54]])
    canvas.stroke([seam], mix(palette.lips, _MOUTH_INSIDE, 0.75), 0.85, width=0.005, blur=0.0012)
    corner = points[54] + np.array([[-0.006, 0.0], [0.003, 0.002]])
    canvas.stroke([mirror(corner[::-1]), corner], palette.fold, 0.6, width=0.008, blur=0.004)


def _paint_teeth(canvas: Canvas, body: Anatomy, within: Floats) -> None:
    points = body.landmarks
    bottom = points[60:65] + np.array([[0, 0], [0, 0.72], [0, 0.78], [0, 0.72], [0, 0]]) * body.mouth_opening
    row = np.concatenate([curve(points[60:65]), curve(bottom[::-1])])
    canvas.fill(row, _TEETH, 0.95, blur=0.0015, within=within)
    top, low = points[62, 1], points[62, 1] + body.mouth_opening
    gaps = [np.array([[x, top - 0.01], [x, low]]) for x in np.arange(-3, 4) * 0.0165]
    canvas.stroke(gaps, _TEETH * np.float32(0.75), 0.45, width=0.003, within=within)
    canvas.stroke([points[60:65]], _MOUTH_INSIDE, 0.45, width=0.008, blur=0.004, within=within)


def _paint_eye(canvas: Canvas, sitter: Sitter, side: Points) -> None:
    """Paint one eye, from the right one's points; `side` mirrors them or not."""
    phantom, body, palette = sitter.phantom, sitter.body, sitter.palette
    eye = body.landmarks[42:48]
    upper, lower = curve(eye[0:4]), curve(eye[[3, 4, 5, 0]])
    opening = np.concatenate([upper, lower]) * side
    within = canvas.mask(opening)
    canvas.fill(opening, WHITE * np.float32(0.95))
    centre = np.array([eye[:, 0].mean(), EYE_Y - 0.001]) * side
    _paint_iris(canvas, centre, body.growth.iris, palette, within, phantom.looks.light_side)
    shadow = palette.fold * np.float32(0.6)
    canvas.stroke([move(upper, 0, 0.003) * side], shadow, 0.5, width=0.010, blur=0.004, within=within)
    lash_line = np.concatenate([upper, move(eye[3:4], 0.005, -0.0005)])
    lashes = 0.0052 + 0.002 * (1 - phantom.looks.masculinity)
    canvas.stroke([lash_line * side], palette.lash, 0.85, width=lashes, blur=0.001)
    canvas.stroke([lower * side], palette.fold, 0.50, width=0.0035, blur=0.0012)
    corner = eye[0] + np.array([[-0.003, 0.001], [0.003, -0.002], [0.003, 0.003]])
    canvas.fill(smooth(corner * side), palette.lips, 0.7)
    _paint_lids(canvas, sitter, side)


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


def _paint_brow(canvas: Canvas, sitter: Sitter, side: Points) -> None:
    looks, growth, palette = sitter.phantom.looks, sitter.body.growth, sitter.palette
    line = move(curve(sitter.body.landmarks[22:27], per_span=5), 0, 0.004)
    along = np.linspace(0, 1, len(line))
    thick = max(0.35, 1 + sitter.phantom.traits["brow_thickness"])
    thick *= 0.8 + 0.35 * looks.masculinity * growth.adult
    half = np.zeros_like(line)
    half[:, 1] = 0.0105 * thick * np.interp(along, [0, 0.15, 0.6, 1], [0.75, 1.0, 0.85, 0.2])
    outline = np.concatenate([line - half, (line + half)[::-1]])
    canvas.fill(outline * side, palette.brow, 0.62 * growth.brow, blur=0.0035)
    ahead = line[np.minimum(np.arange(len(line)) + 2, len(line) - 1)] - line
    hairs = np.stack([line + 0.8 * half, line - 0.5 * half + ahead], axis=1) * side
    canvas.stroke(list(hairs), palette.brow * np.float32(0.8), 0.55 * growth.brow, width=0.003, blur=0.0008)
