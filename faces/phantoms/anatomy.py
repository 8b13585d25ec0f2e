"""Outlines of a phantom's face, and the effect of growth, traits, looks and a smile on them.

Lengths are in sides of the picture. The midline is x = 0, y runs down from the top of the picture, and the
eyes lie as FFHQ's alignment puts them: a quarter of a side apart, a little above the middle.
Left and right are the picture's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from faces.phantoms.person import Phantom

Points = npt.NDArray[np.float64]

EYE_Y: Final = 0.474
NOSE_BASE: Final = 0.185
"""Below the eyes, in an adult; so are the next."""
CHIN: Final = 0.432
PHILTRUM: Final = 0.052

# Half of a mean adult face: points 8..16, 22..26 and 42..47 of the iBUG order, right half of the picture.
_JAW_X: Final = np.array([0.0, 0.0657, 0.1235, 0.1744, 0.2145, 0.2409, 0.2555, 0.2645, 0.2671])
_JAW_DOWN: Final = np.array([1.0, 0.977, 0.892, 0.781, 0.649, 0.496, 0.334, 0.167, 0.0])
_JAW_TOP: Final = 0.460
_CHEEK_WEIGHT: Final = np.array([0, 0.1, 0.4, 0.85, 1.0, 0.85, 0.5, 0.2, 0])
_CHIN_WEIGHT: Final = np.array([1.0, 1.0, 0.9, 0.4, 0.1, 0, 0, 0, 0])
_POINTED_CHIN: Final = np.array(
    [[0.0, 0.014], [-0.85, 0.008], [-0.42, 0.004], [-0.04, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0]]
)
"""Effect of a pointed chin: relative on widths, and on heights in sides."""
_BROW: Final = np.array([[0.0360, 0.3960], [0.0825, 0.3800], [0.1320, 0.3730], [0.1790, 0.3775], [0.2130, 0.4025]])
_BROW_ARCH: Final = np.array([0.0, 0.5, 1.0, 0.9, 0.2])
_EYE_X: Final = 0.119
_EYE: Final = np.array(
    [
        [-0.0484, 0.0045],
        [-0.0174, -0.0182],
        [0.0175, -0.0182],
        [0.0450, 0.0005],
        [0.0195, 0.0142],
        [-0.015, 0.0146],
    ]
)

_GROWTH_YEARS: Final = (0, 1.2, 2.8, 8.5, 11.5, 18, 22, 33, 37, 60, 90)
_GROWTH: Final = {
    # steepest across the borders of the default age groups, so that these can be told apart
    "lower_face": (0.76, 0.79, 0.86, 0.895, 0.945, 0.96, 1.0, 1.0, 1.005, 1.01, 1.02),
    "eye": (1.25, 1.22, 1.14, 1.12, 1.05, 1.035, 0.985, 0.985, 0.96, 0.91, 0.84),
    "iris": (0.0300, 0.0295, 0.0275, 0.0266, 0.0254, 0.0250, 0.0240, 0.0240, 0.0238, 0.0235, 0.0230),
    "nose": (0.80, 0.82, 0.86, 0.88, 0.93, 0.95, 1.0, 1.0, 1.01, 1.07, 1.13),
    "mouth": (0.78, 0.80, 0.87, 0.90, 0.95, 0.97, 1.0, 1.0, 1.0, 1.0, 0.98),
    "lips": (0.92, 0.94, 1.0, 1.0, 1.03, 1.05, 1.04, 1.0, 0.93, 0.78, 0.60),
    "chubby": (1.0, 0.92, 0.68, 0.52, 0.28, 0.22, 0.0, 0.0, 0.0, 0.0, 0.0),
    "cranium": (1.0, 0.93, 0.70, 0.52, 0.32, 0.22, 0.02, 0.0, 0.0, 0.0, 0.0),
    "relief": (0.45, 0.48, 0.60, 0.64, 0.78, 0.82, 1.0, 1.02, 1.12, 1.24, 1.36),
    "rosy": (1.0, 0.95, 0.70, 0.60, 0.40, 0.34, 0.12, 0.10, 0.10, 0.15, 0.2),
    "wrinkles": (0, 0, 0, 0, 0, 0, 0.03, 0.09, 0.36, 0.72, 1.0),
    "sag": (0, 0, 0, 0, 0, 0, 0, 0.02, 0.10, 0.5, 1.0),
    "hair": (0.10, 0.28, 0.85, 1, 1, 1, 1, 1, 1, 0.97, 0.85),
    "brow": (0.32, 0.38, 0.60, 0.66, 0.82, 0.86, 1.0, 1.0, 1.0, 0.95, 0.80),
    "adult": (0, 0, 0, 0, 0, 0.1, 0.9, 1, 1, 1, 1),
}


@dataclass(frozen=True)
class Growth:
    """Effects of age alone; relative to a young adult, or 0 to 1."""

    lower_face: float
    eye: float
    iris: float
    nose: float
    mouth: float
    lips: float
    chubby: float
    cranium: float
    relief: float
    rosy: float
    wrinkles: float
    sag: float
    hair: float
    brow: float
    adult: float


@dataclass(frozen=True)
class Anatomy:
    """The outlines a face is painted from.

    Attributes:
        landmarks: (68, 2) in the iBUG order.
        skull: (n, 2) closed outline of the skin, jaw included.
        ear: (2,) centre of the right ear; the left one mirrors it.
        ear_size: relative to a usual adult ear.
        hairline_y: where hair begins above the middle of the forehead.
        mouth_opening: height of the gap between the lips.
    """

    growth: Growth
    landmarks: Points
    skull: Points
    ear: Points
    ear_size: float
    hairline_y: float
    mouth_opening: float


def growth_at(age_years: float) -> Growth:
    """Compute growth at an age; the curves are linear between knots."""
    return Growth(**{name: float(np.interp(age_years, _GROWTH_YEARS, v)) for name, v in _GROWTH.items()})


def mirror(points: Points) -> Points:
    """Mirror points at the midline."""
    flipped: Points = points * np.array([-1.0, 1.0])
    return flipped


def move(points: Points, x: float, y: float) -> Points:
    """Shift points (n, 2) or a point (2,)."""
    elsewhere: Points = points + np.array([x, y])
    return elsewhere


def smooth(outline: Points, per_span: int = 6) -> Points:
    """Compute the closed Catmull-Rom spline through points (n, 2), with `per_span` samples for each span."""
    return _catmull_rom(np.concatenate([outline[-1:], outline, outline[:2]]), per_span)


def curve(line: Points, per_span: int = 6) -> Points:
    """Compute the open Catmull-Rom spline through points (n, 2), both ends included."""
    ends = 2 * line[[0, -1]] - line[[1, -2]]
    spline = _catmull_rom(np.concatenate([ends[:1], line, ends[1:]]), per_span)
    return np.concatenate([spline, line[-1:]])


def _catmull_rom(points: Points, per_span: int) -> Points:
    p0, p1, p2, p3 = (points[i : len(points) - 3 + i, None] for i in range(4))
    t = np.arange(per_span)[None, :, None] / per_span
    spline = p1 + 0.5 * t * ((p2 - p0) + t * ((2 * p0 - 5 * p1 + 4 * p2 - p3) + t * (3 * (p1 - p2) + p3 - p0)))
    flat: Points = spline.reshape(-1, 2)
    return flat


def anatomy(of: Phantom) -> Anatomy:
    """Compute all outlines of a phantom."""
    growth = _grow(of)
    scale = growth.lower_face
    nose_base = EYE_Y + scale * (NOSE_BASE - of.traits["nose_shortness"])
    lip_top = nose_base + scale * max(PHILTRUM + of.traits["philtrum_length"], 0.02)
    mouth, opening = _mouth(of, growth, lip_top)
    jaw = _jaw(of, growth, lowest_lip=float(mouth[:, 1].max()), opening=opening)
    brow, eye = _brow(of, growth), _eye(of, growth)
    landmarks = np.concatenate(
        [
            mirror(jaw[:0:-1]),
            jaw,
            mirror(brow[::-1]),
            brow,
            _nose(of, growth, nose_base),
            mirror(eye[[3, 2, 1, 0, 5, 4]]),
            eye,
            mouth,
        ]
    )
    return Anatomy(
        growth=growth,
        landmarks=landmarks,
        skull=_skull(of, growth, jaw),
        ear=np.array([jaw[-1, 0] - 0.004, 0.515 + of.traits["ear_lowness"] - 0.01 * growth.cranium]),
        ear_size=max(0.55, (1 + of.traits["ear_size"]) * (0.92 + 0.1 * growth.sag)),
        hairline_y=0.168 + 0.012 * of.looks.hairline - 0.025 * growth.cranium - of.signs.forehead_height,
        mouth_opening=opening,
    )


def _grow(of: Phantom) -> Growth:
    """Compute growth at the phantom's age, with what its signs change of the size of the head's parts."""
    growth, signs = growth_at(of.age_years), of.signs
    return replace(
        growth,
        lower_face=growth.lower_face * (1 + signs.face_length),
        cranium=growth.cranium - signs.cranium_smallness,
    )


def _jaw(of: Phantom, growth: Growth, lowest_lip: float, opening: float) -> Points:
    """Compute points 8 (chin) to 16 (right ear)."""
    traits, looks, signs = of.traits, of.looks, of.signs
    chin = EYE_Y + growth.lower_face * CHIN + 0.35 * opening + traits["face_narrowness"]
    chin += 0.5 * growth.lower_face * (traits["philtrum_length"] - traits["nose_shortness"])
    chin += growth.lower_face * signs.chin_drop
    chin = max(chin - traits["chin_smallness"], lowest_lip + 0.045)
    manly = growth.adult * (looks.masculinity - 0.5)
    sides = 1.035 + 0.02 * looks.face_width - 3.2 * traits["face_narrowness"]
    cheeks = 0.11 * growth.chubby + 0.025 * looks.jaw_width + 0.09 * manly + 0.03 * growth.sag
    cheeks += 4.5 * traits["cheek_fullness"] + 0.02 * of.smile
    tip = 0.04 * looks.chin_width + 0.14 * manly - 7.0 * traits["chin_smallness"]
    narrower, lower = signs.chin_point * _POINTED_CHIN.T
    x = _JAW_X * (sides + _CHEEK_WEIGHT * cheeks + _CHIN_WEIGHT * tip + narrower)
    return np.stack([x, _JAW_TOP + _JAW_DOWN * (chin - _JAW_TOP) + lower], axis=1)


def _skull(of: Phantom, growth: Growth, jaw: Points) -> Points:
    temple = 0.262 * (1 + 0.015 * of.looks.face_width) + of.traits["forehead_width"]
    temple += 0.022 * growth.cranium - 0.7 * of.traits["face_narrowness"]
    top = 0.070 - 0.050 * growth.cranium
    sides = np.array([[1.0, 0.345], [0.965, 0.255], [0.82, 0.165], [0.48, top + 0.033]])
    half = np.concatenate([jaw, sides * [temple, 1.0], [[0.0, top]]])
    return smooth(np.concatenate([half, mirror(half[-2:0:-1])]), per_span=5)


def _brow(of: Phantom, growth: Growth) -> Points:
    """Compute points 22 (inner) to 26 (outer)."""
    looks = of.looks
    brow = move(_BROW, 0.7 * of.traits["eye_spacing"] + of.signs.brow_shift, 0)
    rise = 0.006 * looks.brow_height + 0.010 * growth.chubby - 0.005 * growth.adult * looks.masculinity
    brow[:, 1] -= rise + of.traits["brow_arch"] * _BROW_ARCH + 0.003 * of.smile
    brow[3:, 1] += 0.010 * growth.sag
    return brow


def _eye(of: Phantom, growth: Growth) -> Points:
    """Compute points 42 (inner corner) to 47; the upper edge is where the lid's fold ends."""
    traits, signs = of.traits, of.signs
    width = (0.55 + 0.45 * growth.eye) * (1 + 0.025 * of.looks.eye_size)
    width *= 1 - 0.30 * signs.fissure_smallness + 0.06 * signs.proptosis
    height = growth.eye**1.4 * (1 + 0.06 * of.looks.eye_size)
    height *= 1 - 0.45 * signs.fissure_smallness + 0.45 * signs.proptosis
    eye = _EYE * [width, height]
    hood = np.clip(traits["lid_hooding"], -0.3, 0.7) + 0.25 * growth.sag
    eye[1:3, 1] += hood * np.array([0.013, 0.019]) * height
    eye[1:3, 1] += 0.0135 * signs.ptosis * height
    eye[3:5, 1] += signs.lid_eversion * np.array([0.003, 0.012]) * height
    eye[[0, 1, 5], 0] += signs.telecanthus * np.array([1.0, 0.4, 0.4])
    eye[4:6, 1] -= (0.004 * of.smile + 0.0018 * traits["periorbital_fullness"]) * height
    eye[:, 1] += traits["fissure_slant"] * eye[:, 0] / 0.075 + 0.003 * growth.sag * (eye[:, 0] > 0.03)
    return move(eye, _EYE_X + traits["eye_spacing"], EYE_Y)


def _nose(of: Phantom, growth: Growth, base: float) -> Points:
    """Compute points 27 to 35."""
    traits, scale = of.traits, growth.lower_face
    middle = base - scale * of.signs.columella_shortness
    width = growth.nose * (1 + 0.05 * of.looks.nose_width) * (1 + 0.6 * traits["nose_tip"])
    width *= 1 + 0.1 * of.smile
    tip = base - scale * (0.052 + 0.012 * traits["nose_upturn"])
    bridge = np.stack([np.zeros(4), np.linspace(EYE_Y - 0.008, tip, 4)], axis=1)
    side = np.array([0.0500, 0.0265]) * width
    wing = np.array([[side[0], base - 0.0165 * scale], [side[1], base - 0.0077 * scale]])
    return np.concatenate([bridge, mirror(wing), [[0.0, middle]], wing[::-1]])


def _mouth(of: Phantom, growth: Growth, lip_top: float) -> tuple[Points, float]:
    """Compute points 48 to 67, and the distance between the lips."""
    smile, looks = of.smile, of.looks
    fullness = growth.lips * max(0.4, 1 + of.traits["lip_fullness"]) * (1.06 - 0.12 * looks.masculinity)
    upper, lower = fullness * (1 - 0.22 * smile), fullness * (1 - 0.15 * smile)
    lower *= 1 + of.signs.lower_lip_fullness + 0.45 * of.signs.lower_lip_eversion
    opening = 0.034 * growth.lower_face * max(0.0, smile - 0.25) / 0.75 + 0.0015
    opening = max(opening, 0.024 * growth.lower_face * of.signs.tongue)
    half = growth.mouth * 0.091 + of.traits["mouth_width"] + 0.024 * smile
    seam = lip_top + 0.026 * upper
    corner = seam - 0.0035 + 0.003 * growth.sag + 0.25 * opening - 0.021 * smile
    bow = 0.006 + 0.002 * looks.lip_bow

    def lip(x: float, height: float = 0.0, sag: float = 0.0) -> list[float]:
        """Compute a point at x half widths, `height` below the seam, which is lower by `sag` in the middle."""
        return [x * half, corner + (1 - x * x) * (seam - corner) + (1 - x**4) * sag + height]

    side, peak, middle = -0.021 * upper, -0.026 * upper - bow, -0.026 * upper
    heights = (0, side, peak, middle, peak, side, 0)
    over = [lip(x, y) for x, y in zip((-1, -0.633, -0.263, 0, 0.263, 0.633, 1), heights, strict=True)]
    depths = (0.027 * lower, 0.0415 * lower, 0.044 * lower, 0.0415 * lower, 0.027 * lower)
    under = [lip(x, y, opening) for x, y in zip((0.633, 0.288, 0, -0.288, -0.633), depths, strict=True)]
    ends = ((-0.836, 0.05), (-0.27, 0), (0, 0), (0.27, 0), (0.836, 0.05))
    above_gap = [lip(x, sag=share * opening) for x, share in ends]
    below_gap = [lip(x, sag=opening) for x in (0.27, 0, -0.27)]
    return np.array(over + under + above_gap + below_gap), opening
