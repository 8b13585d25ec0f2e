"""Canvas and colours of a phantom: a canvas in face coordinates, and the person's colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import numpy.typing as npt

from faces.phantoms.anatomy import Growth, Points

if TYPE_CHECKING:
    from faces.phantoms.person import Looks, Phantom

Floats = npt.NDArray[np.float32]

_SHIFT: Final = 4  # OpenCV's fixed-point coordinates: 1/16 pixel


def rgb(red: float, green: float, blue: float) -> Floats:
    """Make a colour with values in [0, 255]."""
    return np.array([red, green, blue], np.float32)


def mix(first: Floats, second: Floats, share: float) -> Floats:
    """Mix two colours; `share` is the share of the second."""
    return first + np.float32(share) * (second - first)


WHITE: Final = rgb(238, 234, 230)
GREY_HAIR: Final = rgb(200, 198, 196)
_FAIR_HAIR: Final = rgb(240, 218, 160)
_PALE_SKIN: Final = rgb(255, 236, 230)
_PALE_IRIS: Final = rgb(206, 222, 232)
_RED_HAIR: Final = rgb(158, 78, 38)
_RED_LIPS: Final = rgb(176, 70, 74)
_SKIN: Final = (
    rgb(246, 214, 194),
    rgb(236, 194, 166),
    rgb(216, 164, 128),
    rgb(178, 124, 88),
    rgb(132, 88, 62),
    rgb(88, 58, 44),
)
_HAIR: Final = (rgb(30, 25, 24), rgb(58, 41, 31), rgb(98, 69, 47), rgb(146, 108, 70), rgb(206, 172, 116))
_IRIS: Final = (rgb(64, 40, 26), rgb(104, 70, 38), rgb(112, 112, 66), rgb(92, 124, 108), rgb(96, 138, 176))


class Canvas:
    """A float picture that is painted in face coordinates, turned and shifted by the pose."""

    def __init__(self, side: int, looks: Looks) -> None:
        self.side = side
        self.pixels: Floats = np.empty((side, side, 3), np.float32)
        angle = np.deg2rad(looks.roll_degrees)
        self._turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        self._pivot = np.array([0.0, 0.5])
        self._shift = np.array([0.5 + looks.offset_x, 0.5 + looks.offset_y])

    def place(self, points: Points) -> Points:
        """Convert face coordinates to pixels of the canvas."""
        placed: Points = ((points - self._pivot) @ self._turn + self._shift) * self.side
        return placed

    def spread(self, grid: Floats) -> Floats:
        """Stretch a map on the relief's grid over the canvas, turned like the face."""
        scale = self.side / grid.shape[0]
        linear = self._turn.T * scale
        centre = np.array([0.5, self._pivot[1]]) * grid.shape[0]
        offset = self._shift * self.side - linear @ centre
        matrix = np.concatenate([linear, offset[:, None]], axis=1)
        whole = (self.side, self.side)
        turned = cv2.warpAffine(grid, matrix, whole, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(turned, np.float32)

    def mask(self, outline: Points) -> Floats:
        """Compute the coverage in [0, 1] of a closed outline, over the whole canvas."""
        cover = np.zeros((self.side, self.side), np.uint8)
        cv2.fillPoly(cover, [_fixed_point(self.place(outline))], 255, cv2.LINE_AA, _SHIFT)
        return cover.astype(np.float32) / np.float32(255)

    def cover(self, colours: Floats, alpha: Floats) -> None:
        """Paint a picture (side, side, 3) over the whole canvas, at an opacity (side, side) in [0, 1]."""
        _blend(self.pixels, colours, alpha)

    def fill(
        self,
        outline: Points,
        colour: Floats,
        opacity: float = 1.0,
        blur: float = 0.0,
        within: Floats | None = None,
    ) -> None:
        """Paint a closed outline, its edge softened by `blur` sides."""
        self._paint([outline], colour, opacity, blur, within, width=None)

    def stroke(
        self,
        lines: Sequence[Points],
        colour: Floats,
        opacity: float = 1.0,
        *,
        width: float,
        blur: float = 0.0,
        within: Floats | None = None,
    ) -> None:
        """Paint open lines of one width."""
        if lines:
            self._paint(lines, colour, opacity, blur, within, width)

    def image(self, size: int) -> npt.NDArray[np.uint8]:
        """Return the finished picture, reduced to its size."""
        full: npt.NDArray[np.uint8] = np.clip(self.pixels + 0.5, 0, 255).astype(np.uint8)
        if size != self.side:
            full = np.asarray(cv2.resize(full, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
        return full

    def _paint(
        self,
        lines: Sequence[Points],
        colour: Floats,
        opacity: float,
        blur: float,
        within: Floats | None,
        width: float | None,
    ) -> None:
        """Paint lines of a width, or fill them if the width is None. It works on their bounding box only."""
        if opacity <= 0:
            return
        sigma = blur * self.side
        placed = self.place(np.concatenate(lines))
        margin = 2 + 2.5 * sigma + (0 if width is None else width * self.side)
        left, top = (int(max(0, v)) for v in np.floor(placed.min(0) - margin))
        right, bottom = (int(min(self.side, v)) for v in np.ceil(placed.max(0) + margin))
        if left >= right or top >= bottom:
            return
        cover = np.zeros((bottom - top, right - left), np.uint8)
        ends = np.cumsum([len(line) for line in lines])
        points = _fixed_point(placed - [left, top])
        fixed = [points[end - len(line) : end] for line, end in zip(lines, ends, strict=True)]
        if width is None:
            cv2.fillPoly(cover, fixed, 255, cv2.LINE_AA, _SHIFT)
        else:
            pixels = width * self.side
            cv2.polylines(cover, fixed, False, 255, max(1, round(pixels)), cv2.LINE_AA, _SHIFT)
            opacity *= min(1.0, pixels)  # a line thinner than a pixel is a fainter one
        if sigma > 0.3:
            cv2.GaussianBlur(cover, (0, 0), sigma, dst=cover, borderType=cv2.BORDER_CONSTANT)
        alpha = cover.astype(np.float32) * np.float32(opacity / 255)
        window = (slice(top, bottom), slice(left, right))
        if within is not None:
            alpha *= within[window]
        _blend(
            self.pixels[window], np.array([*colour, 0.0], np.float64), alpha
        )  # four doubles are one colour to OpenCV


def _blend(region: Floats, colours: npt.NDArray[np.floating], alpha: Floats) -> None:
    """Mix colours into a region in place; OpenCV does so five times as fast as NumPy, to the same bits."""
    difference = cv2.subtract(region, colours)
    cv2.multiply(difference, cv2.merge((alpha, alpha, alpha)), dst=difference)
    cv2.subtract(region, difference, dst=region)


def _fixed_point(pixels: Points) -> npt.NDArray[np.int32]:
    """Convert coordinates with pixel edges at whole numbers to OpenCV's fixed point, with pixel centres at whole
    numbers."""
    return np.asarray(np.round((pixels - 0.5) * (1 << _SHIFT)), np.int32)


@dataclass(frozen=True)
class Palette:
    """The person's colours, RGB in [0, 255]."""

    skin: Floats
    skin_light: Floats
    skin_shadow: Floats
    fold: Floats
    lips: Floats
    hair: Floats
    hair_light: Floats
    hair_dark: Floats
    grey: float
    brow: Floats
    iris: Floats
    lash: Floats


def _ramp(stops: Sequence[Floats], at: float) -> Floats:
    """Compute a colour between stops that are evenly spaced over [0, 1]."""
    where = np.clip(at, 0, 1) * (len(stops) - 1)
    return np.array([np.interp(where, np.arange(len(stops)), c) for c in np.transpose(stops)], np.float32)


def choose_palette(phantom: Phantom, growth: Growth) -> Palette:
    """Choose the colours of a person at an age."""
    looks, signs = phantom.looks, phantom.signs
    skin = _ramp(_SKIN, looks.skin_tone) + (looks.skin_warmth - 0.5) * rgb(10, -2, -12)
    skin = mix(skin, _PALE_SKIN, signs.skin_pallor)
    shadow = skin * rgb(0.55, 0.43, 0.40)
    grey = float(np.clip((phantom.age_years - looks.greying_years + 6) / 22, 0, 0.95))
    young = mix(_ramp(_HAIR, looks.hair_shade), _RED_HAIR, looks.hair_red)
    hair = mix(mix(young, GREY_HAIR, 0.85 * grey), _FAIR_HAIR, signs.hair_fairness)
    lips = mix(skin, _RED_LIPS, 0.48 - 0.12 * growth.sag) * np.float32(0.92)
    brow = mix(young * np.float32(0.45 + 0.35 * looks.brow_shade), GREY_HAIR, 0.45 * grey)
    return Palette(
        skin=skin,
        skin_light=mix(skin, rgb(255, 248, 240), 0.42 - 0.12 * looks.skin_tone),
        skin_shadow=shadow,
        fold=shadow * np.float32(0.85),
        lips=lips,
        hair=hair,
        hair_light=mix(hair, rgb(255, 240, 215), 0.30),
        hair_dark=hair * np.float32(0.55),
        grey=grey,
        brow=brow * np.float32(min(1.0, 0.6 * float(skin.mean() / brow.mean()))),  # darker than skin
        iris=mix(_ramp(_IRIS, looks.iris_hue), _PALE_IRIS, signs.iris_pallor),
        lash=rgb(34, 22, 20),
    )
