"""Regions of a phantom's face: true masks of eyes, nose, mouth, brows, forehead, cheeks, chin, ears and hair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from faces.phantoms.anatomy import Anatomy, Points, anatomy, curve, mirror, move
from faces.phantoms.ears import ear_outline
from faces.phantoms.hair import hair_shape
from faces.phantoms.paint import Canvas

if TYPE_CHECKING:
    from faces.phantoms.person import Phantom

REGIONS: Final = ("hair", "ears", "forehead", "cheeks", "chin", "nose", "mouth", "eyes", "brows")
"""Names of the regions, back to front: where two overlap, the later one counts."""

Masks: TypeAlias = dict[str, npt.NDArray[np.bool_]]


def locate_regions(phantom: Phantom, size: int) -> Masks:
    """Compute the regions of a phantom as `draw_phantom` draws it.

    Returns:
        Name of each region -> (size, size) bool. No pixel belongs to two regions, and some belong to none: backdrop,
        neck and clothes.
    """
    canvas = Canvas(size, phantom.looks)
    body = anatomy(phantom)
    numbers = np.zeros((size, size), np.uint8)
    for region, outline in _outlines(phantom, body):
        numbers[canvas.mask(outline) >= 0.5] = REGIONS.index(region) + 1
    return {region: numbers == number for number, region in enumerate(REGIONS, 1)}


def _outlines(phantom: Phantom, body: Anatomy) -> Iterator[tuple[str, Points]]:
    """Yield the parts of all regions in the order of `REGIONS`."""
    points = body.landmarks
    hair = hair_shape(phantom, body)
    if hair.behind is not None:
        yield "hair", hair.behind
    yield "hair", np.concatenate([hair.outer, hair.inner[::-1]])
    yield from _both("ears", _grow(ear_outline(body, phantom.signs), 0.012))
    brow = points[22:27]
    temples = hair.inner[hair.inner[:, 1] < 0.42]
    yield "forehead", np.concatenate([temples, [[temples[-1, 0], 0.44], [temples[0, 0], 0.44]]])
    yield from _both("cheeks", np.concatenate([points[11:17] * [0.99, 1.0], [[0.0, 0.44], [0.0, points[8, 1]]]]))
    yield "chin", _chin(points)
    yield "nose", _nose(points)
    yield "mouth", _mouth(points)
    yield from _both("eyes", _eye(points[42:48]))
    yield from _both("brows", np.concatenate([curve(move(brow, 0, -0.022)), curve(move(brow, 0, 0.024))[::-1]]))


def _both(region: str, outline: Points) -> Iterator[tuple[str, Points]]:
    yield region, outline
    yield region, mirror(outline)


def _grow(outline: Points, margin: float) -> Points:
    """Move the points of an outline away from its middle by a margin."""
    out = outline - outline.mean(axis=0)
    grown: Points = outline + margin * out / np.linalg.norm(out, axis=1, keepdims=True)
    return grown


def _ellipse(centre: Points, half_width: float, half_height: float) -> Points:
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return centre + np.stack([half_width * np.cos(turn), half_height * np.sin(turn)], axis=1)


def _eye(eye: Points) -> Points:
    """Compute the surroundings of an eye, with lids, lashes and inner corner."""
    half_width = 0.5 * float(np.ptp(eye[:, 0])) + 0.028
    half_height = 0.5 * float(np.ptp(eye[:, 1])) + 0.032
    return _ellipse(0.5 * (eye.min(axis=0) + eye.max(axis=0)), half_width, half_height)


def _nose(points: Points) -> Points:
    """Compute the nose from between the eyes to half way to the lip."""
    top, wing, base = points[27], points[35], points[33]
    low = 0.5 * (max(base[1], wing[1]) + points[51, 1])
    half = np.array([[0.044, top[1] - 0.016], [0.046, 0.5 * (top[1] + wing[1])], [wing[0] + 0.020, wing[1] - 0.025]])
    half = np.concatenate([half, [[wing[0] + 0.020, wing[1] + 0.004], [0.6 * wing[0], low]]])
    return np.concatenate([half, mirror(half[::-1])])


def _mouth(points: Points) -> Points:
    """Compute the mouth with philtrum and the shadow under the lower lip."""
    corner, top, low = points[54], 0.5 * (points[33, 1] + points[51, 1]), points[57, 1] + 0.026
    half = np.array([[0.045, top], [corner[0] + 0.012, corner[1] - 0.022], [corner[0] + 0.020, corner[1] + 0.010]])
    half = np.concatenate([half, [[0.7 * corner[0], low - 0.008], [0.35 * corner[0], low]]])
    return np.concatenate([half, mirror(half[::-1])])


def _chin(points: Points) -> Points:
    """Compute the chin from the lower lip to its shadow on the neck."""
    jaw = move(points[5:12] * [1.08, 1.0], 0, 0.030)
    return np.concatenate([jaw, [[points[54, 0], points[57, 1] + 0.005], [points[48, 0], points[57, 1] + 0.005]]])
