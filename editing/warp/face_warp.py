"""Warp of one face to another expression: its own pixels are moved, its cheeks are shaded, nothing is generated."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from editing.warp.expression_model import ExpressionModel, FaceAxes, Picture, measure_lift, place_in_map
from editing.warp.thin_plate import map_backwards
from faces.align import Points
from faces.expression import Floats

_UPPER_INNER, _LOWER_INNER = [61, 62, 63], [67, 66, 65]
_UPPER_OUTER, _LOWER_OUTER = [50, 51, 52], [58, 57, 56]
_INNER_CORNERS, _OUTER_CORNERS = [60, 64], [48, 54]

_CLOSED: Final = 0.05
"""Opening of a mouth, in distances between the eyes, below which its lips are taken to touch."""

_OVERSAMPLING: Final = 4
"""The warped picture is computed with this many times its side, and reduced."""

_INTO_LIPS: Final = 0.5
"""Share of the lips beside an open mouth that vanishes when they close: inexact landmarks leave teeth on it."""

_LIP_LINE: Final = 0.35
"""Darkness of the line between lips that have been closed."""

_LIP_LINE_WIDTH: Final = 0.023
"""Standard deviation of that line, in distances between the eyes."""

_SHADING_ADDED, _SHADING_REMOVED = 0.7, 0.3
"""Shares of the average shading. Folds differ between people: one that is removed where there is none shines."""

_MOST_SHADING: Final = 0.25
"""Largest change of the logarithm of the luminance."""

_SHADING_SMOOTHING: Final = 5.0
"""Smoothing of the map from a face to the average face, in square pixels."""


def warp_face(picture: Picture, landmarks: Points, model: ExpressionModel, lift: float, opening: float) -> Picture:
    """Return a face with another expression.

    Args:
        picture: (h, h, 3) in [0, 255].
        landmarks: (68, 2) of it, in pixels.
        model: of the expression.
        lift: to add, in units of the model's lift.
        opening: of the mouth, afterwards, in distances between the eyes; 0 closes it.
    """
    side, face = len(picture), FaceAxes.of(landmarks)
    before = measure_lift(landmarks)[1]
    moved = face.to_face(landmarks) + lift * model.lift + (opening - before) * model.opening
    targets, sources = face.to_pixels(moved), landmarks.copy()
    if opening < _CLOSED:
        closing = min(before / _CLOSED, 1.0)
        _join_lips(sources, targets, closing if before > opening else 0.0)
        line = _LIP_LINE * closing if before >= _CLOSED else 0.0
        large = _warp_lips_apart(picture, sources, targets, line, _LIP_LINE_WIDTH * float(np.hypot(*face.axes[0])))
    else:
        large = _remap(picture, map_backwards(sources, targets, side))
    warped = cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)
    return np.clip(warped * np.exp(_shade(model, targets, side, lift))[..., None], 0, 255).astype(np.float32)


def _join_lips(sources: Points, targets: Points, closing: float) -> None:
    """Bring the inner edges of both lips to one line, in place.

    Args:
        closing: from 0 to 1: how much of the lips next to the opening vanishes.
    """
    middle = (targets[_UPPER_INNER] + targets[_LOWER_INNER]) / 2
    targets[_UPPER_INNER] = targets[_LOWER_INNER] = middle
    lips = (_UPPER_INNER, _UPPER_OUTER), (_LOWER_INNER, _LOWER_OUTER), (_INNER_CORNERS, _OUTER_CORNERS)
    for inner, outer in lips:
        sources[inner] += _INTO_LIPS * closing * (sources[outer] - sources[inner])


def _warp_lips_apart(picture: Picture, sources: Points, targets: Points, line: float, width: float) -> Picture:
    """Warp the face above and below the line between its lips by a map each, so that what was between them vanishes.

    Args:
        line: darkness of the line between the lips, 0 for none.
        width: of that line, in pixels.

    Returns:
        The picture with _OVERSAMPLING times the side.
    """
    side = len(picture)
    above, below = (
        _remap(picture, map_backwards(np.delete(sources, others, axis=0), np.delete(targets, others, axis=0), side))
        for others in (_LOWER_INNER, _UPPER_INNER)
    )
    start, end = targets[_INNER_CORNERS]
    lips = np.array([start, *targets[_UPPER_INNER], end])
    places = (np.arange(side * _OVERSAMPLING) + 0.5) / _OVERSAMPLING - 0.5
    lower = places[:, None] - np.interp(places, lips[:, 0], lips[:, 1])[None]
    share = 1 / (1 + np.exp(np.clip(-lower * _OVERSAMPLING, -50, 50)))[..., None]
    joined = above * (1 - share) + below * share
    within = np.clip(np.minimum(places - start[0], end[0] - places) / (2 * width), 0, 1)
    return np.asarray(joined * (1 - line * within * np.exp(-((lower / width) ** 2)))[..., None], dtype=np.float32)


def _remap(picture: Picture, sources: Floats) -> Picture:
    """Return the picture at the places (h, h, 2) of a map, with _OVERSAMPLING times its side."""
    large = (len(picture) * _OVERSAMPLING,) * 2
    x, y = cv2.split(cv2.resize(sources.astype(np.float32), large, interpolation=cv2.INTER_LINEAR))
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), dtype=np.float32)


def _shade(model: ExpressionModel, landmarks: Points, side: int, lift: float) -> Floats:
    """Return the change of the logarithm of the luminance (side, side) of a face with these landmarks."""
    places = map_backwards(place_in_map(model.rest), landmarks, side, smoothing=_SHADING_SMOOTHING, border=False)
    x, y = cv2.split(places.astype(np.float32))
    shading = cv2.remap(model.shading.astype(np.float32), x, y, cv2.INTER_LINEAR, borderValue=0)
    share = _SHADING_ADDED if lift > 0 else _SHADING_REMOVED
    return np.asarray(np.clip(share * lift * shading, -_MOST_SHADING, _MOST_SHADING), dtype=np.float64)
