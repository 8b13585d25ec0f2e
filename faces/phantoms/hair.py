"""Hair of a phantom: a band over the head that runs down its sides, and strands along it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from faces.phantoms.anatomy import Anatomy, Points, curve, mirror, move
from faces.phantoms.paint import GREY_HAIR, Canvas, Palette, mix

if TYPE_CHECKING:
    from faces.phantoms.person import Looks, Phantom

_HAIR_STREAM: Final = 2  # a random stream of its own, beside those of faces.phantoms.person


@dataclass(frozen=True)
class HairStyle:
    """A cut: how far hair stands off the skull, how low it hangs, how it runs, whether it is combed behind the ears."""

    volume: float
    hangs_to: float = 0.0
    fringe: float = 0.0
    flow: str = "swept"
    behind_ears: bool = False


HAIR_STYLES: Final = (
    HairStyle(0.045),
    HairStyle(0.035, flow="up"),
    HairStyle(0.075, flow="curls"),
    HairStyle(0.008, flow="up"),
    HairStyle(0.045, hangs_to=1.05),
    HairStyle(0.060, hangs_to=1.00, flow="waves"),
    HairStyle(0.050, hangs_to=0.80, fringe=0.10, flow="fringe"),
    HairStyle(0.040, fringe=0.08, flow="fringe"),
    HairStyle(0.020),
    HairStyle(0.045, hangs_to=1.05, behind_ears=True),
    HairStyle(0.060, hangs_to=1.00, flow="waves", behind_ears=True),
)
"""Cuts by number. People of the default conditions have the first nine."""

UNCOVERING_STYLES: Final = {4: 9, 5: 10, 6: 9, 7: 8}
"""Cuts that leave ears and forehead free, by the number of the cut that covers them."""


@dataclass(frozen=True)
class HairShape:
    """A band of hair; its outer and inner edge run from the left end over the top to the right.

    Attributes:
        cover: how dense hair is; 0 (none) to 1.
        behind: outline of the hair that hangs behind the neck; None if none does.
    """

    style: HairStyle
    outer: Points
    inner: Points
    cover: float
    behind: Points | None


def hair_shape(phantom: Phantom, body: Anatomy) -> HairShape:
    """Compute the shape of a person's hair at an age: flat on an infant's skull, receding in some old men."""
    style = HAIR_STYLES[phantom.looks.hair_style]
    if style.behind_ears:
        loose = _hair_band(replace(style, behind_ears=False), phantom, body)
        return replace(_hair_band(replace(style, hangs_to=0.0), phantom, body), behind=loose.behind)
    hair = _hair_band(style, phantom, body)
    return replace(hair, behind=hair.outer) if phantom.signs.cranium_smallness > 0 else hair


def _hair_band(style: HairStyle, phantom: Phantom, body: Anatomy) -> HairShape:
    """Compute the band of hair in front of the head."""
    looks, growth = phantom.looks, body.growth
    long_enough = min(1.0, max(0.0, (growth.hair - 0.5) / 0.35))
    volume = 0.006 + style.volume * (0.7 + 0.6 * looks.hair_volume) * long_enough
    recede = 0.055 * looks.balding * growth.sag**0.5 * growth.adult
    side, broad = body.landmarks[16, 0], phantom.signs.forehead_breadth
    temple = float(body.skull[:, 0].max())
    top = float(body.skull[:, 1].min())
    line_y = body.hairline_y + style.fringe * long_enough - recede
    burn_y = (0.46 if looks.masculinity > 0.5 else 0.42) - 0.05 * (1 - growth.hair)
    hang = burn_y + (style.hangs_to - burn_y) * long_enough if style.hangs_to else burn_y
    inner = np.array(
        [
            [side, hang],
            [temple * 0.965, 0.37],
            [temple * (0.82 + 0.13 * broad) - 0.4 * recede, line_y + 0.080 - 0.03 * broad - recede],
            [temple * (0.48 + 0.20 * broad), line_y + 0.016 - 0.010 * broad - 0.8 * recede],
            [0.0, line_y],
        ]
    )
    wide = temple + volume
    outer = np.array(
        [
            [wide - 0.01, hang + 0.01] if style.hangs_to else [side + 0.3 * volume, hang],
            [wide, 0.35],
            [wide * 0.92, 0.22 - 0.5 * volume],
            [wide * 0.58, top + 0.030 - 0.75 * volume],
            [0.0, top - volume],
        ]
    )
    if style.hangs_to:  # a lock needs a point half way down
        half_way = 0.5 * (hang + burn_y)
        inner = np.insert(inner, 1, [side * 0.985, half_way], axis=0)
        outer = np.insert(outer, 1, [wide + 0.02, half_way], axis=0)
    edge = _over_the_top(outer)
    behind = edge if style.hangs_to and growth.hair > 0.5 else None
    return HairShape(style, edge, _over_the_top(inner), growth.hair, behind)


def _over_the_top(right: Points) -> Points:
    """Complete a right half that ends on the midline to a smooth whole, from left to right."""
    return curve(np.concatenate([mirror(right), right[-2::-1]]))


def paint_hanging_hair(canvas: Canvas, hair: HairShape, palette: Palette) -> None:
    """Paint the hair behind the neck."""
    if hair.behind is not None:
        canvas.fill(hair.behind, palette.hair_dark, blur=0.004)


def paint_hair(canvas: Canvas, phantom: Phantom, body: Anatomy, hair: HairShape, palette: Palette) -> None:
    """Paint all hair in front of the face."""
    rng = np.random.Generator(np.random.PCG64([phantom.identity, _HAIR_STREAM]))
    outline = np.concatenate([hair.outer, hair.inner[::-1]])
    standing = np.float32(np.clip((hair.cover - 0.5) / 0.1, 0, 1))  # an infant's hair lies on the skull
    head = np.maximum(canvas.mask(body.skull), standing * canvas.mask(hair.outer))
    cover = head * canvas.mask(outline)
    soft = 0.005 + 0.015 * (1 - hair.cover)
    canvas.stroke([move(hair.inner, 0, 0.008)], palette.fold, 0.35 * hair.cover, width=0.018, blur=0.012)
    canvas.fill(outline, palette.hair, min(1.0, 0.25 + 0.75 * hair.cover), blur=soft, within=head)
    canvas.stroke([hair.outer], palette.hair_dark, 0.55 * hair.cover, width=0.03, blur=0.02, within=cover)
    dark, light, third = (_strands(hair, phantom.looks, rng, count) for count in (70, 70, 40))
    canvas.stroke(dark, palette.hair_dark, 0.45 * hair.cover, width=0.0045, blur=0.001, within=cover)
    canvas.stroke(light, palette.hair_light, 0.40 * hair.cover, width=0.004, blur=0.001, within=cover)
    pale = mix(palette.hair_light, GREY_HAIR, min(1.0, 1.5 * palette.grey))
    canvas.stroke(third, pale, (0.3 + 0.4 * palette.grey) * hair.cover, width=0.004, blur=0.001, within=cover)
    crown = 0.55 * hair.outer + 0.45 * hair.inner
    middle = crown[len(crown) // 3 : -len(crown) // 3]
    canvas.stroke([middle], palette.hair_light, 0.35 * hair.cover, width=0.03, blur=0.018, within=cover)


def _strands(hair: HairShape, looks: Looks, rng: np.random.Generator, count: int) -> list[Points]:
    """Draw random strands that follow the cut, inside the band between the hair's edges."""
    start, depth, length, wave = rng.uniform(size=(4, count, 1))
    steps = np.linspace(0, 1, 8)
    if hair.style.flow == "curls":
        turn = 2 * np.pi * (steps * 0.5 + wave)
        along = start + (0.004 + 0.012 * length) * np.cos(turn)
        across = depth + 0.13 * length * np.sin(turn)
    elif hair.style.flow == "up":
        along = start + 0.03 * (wave - 0.5 + looks.hair_part) * steps
        across = steps * (0.5 + 0.5 * length)
    elif hair.style.flow == "fringe":
        along = start + 0.03 * (wave - 0.5 + looks.hair_part) * steps
        across = 1 - steps * (0.5 + 0.5 * length)
    else:
        parting = 0.5 + 0.16 * looks.hair_part + 0.05 * (wave - 0.5)
        end = np.where(start < parting, 0.0, 1.0)
        along = parting + (end - parting) * steps * (0.4 + 0.6 * length)
        across = depth + 0.15 * (wave - 0.5) * steps
        if hair.style.flow == "waves":
            across = across + 0.10 * (0.5 + looks.curl) * np.sin(9 * along * np.pi + 2 * wave)
    return list(_in_band(hair, np.clip(along, 0, 1), np.clip(across, 0, 1)))


def _in_band(hair: HairShape, along: Points, across: Points) -> Points:
    """Compute points at fractions along the band and across it, from the inner (0) to the outer edge (1)."""
    index = np.arange(len(hair.outer))
    at = along * (len(hair.outer) - 1)
    inner = np.stack([np.interp(at, index, hair.inner[:, i]) for i in (0, 1)], axis=-1)
    outer = np.stack([np.interp(at, index, hair.outer[:, i]) for i in (0, 1)], axis=-1)
    band: Points = inner + across[..., None] * (outer - inner)
    return band
