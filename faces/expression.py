"""Intensity of a smile, measured on its landmarks: action units 6 and 12 of FACS (Ekman and Friesen 1978).

Action unit 12 pulls the corners of the lips outwards and up. Action unit 6 raises the cheeks, which raises the lower
lids. Distances are in units of the distance between the eyes, along and across the line through them: neither size nor
rotation in the picture matters. A turned head changes the measures: measure faces that look at the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import ImageError

Floats = npt.NDArray[np.float64]

MEASURES: Final = ("lip_width", "corner_lift", "corner_rise", "mouth_opening", "lower_lid")
"""Names of the measures of a face; see `measures`."""

_RIGHT_EYE: Final = slice(36, 42)
_LEFT_EYE: Final = slice(42, 48)
_UPPER_LIP: Final = (51, 62)
_LOWER_LIP: Final = (57, 66)
_CORNERS: Final = (48, 54)
_NOSE_BASE: Final = 33
_LOWER_LIDS: Final = (40, 41, 46, 47)
_EYE_CORNERS: Final = (36, 39, 42, 45)


def measures(landmarks: npt.NDArray[np.floating]) -> Floats:
    """Compute the measures of a smile, (n, 5) in the order of MEASURES, in units of the distance between the eyes.

    - lip_width: from corner to corner of the lips (action unit 12);
    - corner_lift: of the corners above the middle of the lips (12);
    - corner_rise: of the corners against the base of the nose, negative below it (12);
    - mouth_opening: between the inner edges of the lips (25, which comes with broad smiles);
    - lower_lid: how far the lower lids hang below the corners of the eyes (6 makes it less).

    Args:
        landmarks: (n, 68, 2) or (68, 2), x then y in pixels, iBUG order.

    Raises:
        ImageError: another shape, or eyes in one place.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    points = points[None] if points.ndim == 2 else points
    if points.ndim != 3 or points.shape[1:] != (68, 2):
        raise ImageError(f"landmarks are {points.shape}; expected (n, 68, 2) in iBUG order")
    x, y = _in_eye_distances(points)
    corners = y[:, _CORNERS].mean(axis=1)
    return np.stack(
        [
            np.hypot(x[:, 54] - x[:, 48], y[:, 54] - y[:, 48]),
            y[:, _UPPER_LIP + _LOWER_LIP].mean(axis=1) - corners,
            y[:, _NOSE_BASE] - corners,
            y[:, 66] - y[:, 62],
            y[:, _LOWER_LIDS].mean(axis=1) - y[:, _EYE_CORNERS].mean(axis=1),
        ],
        axis=1,
    )


def _in_eye_distances(points: Floats) -> tuple[Floats, Floats]:
    """Convert points to coordinates (n, 68) along and across the line through the eyes, in eye distances."""
    right, left = points[:, _RIGHT_EYE].mean(axis=1), points[:, _LEFT_EYE].mean(axis=1)
    between = left - right
    distance = np.linalg.norm(between, axis=1)
    if (distance < 1e-6).any():
        raise ImageError("both eyes are in one place; expected the landmarks of a face")
    along = between / distance[:, None]
    down = np.stack([-along[:, 1], along[:, 0]], axis=1)
    moved = (points - ((right + left) / 2)[:, None]) / distance[:, None, None]
    return np.einsum("nkd,nd->nk", moved, along), np.einsum("nkd,nd->nk", moved, down)


@dataclass(frozen=True)
class Smile:
    """The intensity of a smile as a weighted sum of its measures.

    Attributes:
        weights: weight of each of MEASURES.
        constant: constant term.
    """

    weights: tuple[float, ...]
    constant: float

    def __call__(self, landmarks: npt.NDArray[np.floating]) -> Floats:
        """Compute intensities (n,) in [0, 1] of faces (n, 68, 2): 0 at rest, 1 for a broad smile."""
        return np.clip(self.raw(landmarks), 0, 1)

    def raw(self, landmarks: npt.NDArray[np.floating]) -> Floats:
        """Compute the weighted sum, (n,), without limiting it to [0, 1]."""
        return np.asarray(measures(landmarks) @ np.array(self.weights) + self.constant)

    @classmethod
    def fit(cls, groups: Sequence[tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]]) -> Smile:
        """Fit the weights by least squares on groups of faces; all groups have the same weight, whatever their size.

        Args:
            groups: landmarks (n, 68, 2) and smiles (n,) in [0, 1]; phantoms, whose smile is known, and photographs
                that were labelled 0 and 1, for example.
        """
        parts = [(measures(landmarks), np.asarray(smiles, dtype=np.float64)) for landmarks, smiles in groups]
        scale = np.concatenate([x for x, _ in parts]).std(axis=0)
        size = len(MEASURES) + 1
        squares, products = np.diag([_RIDGE] * (size - 1) + [0.0]), np.zeros(size)
        for x, smiles in parts:
            rows = np.column_stack([x / scale, np.ones(len(x))])
            squares += rows.T @ rows / len(rows)
            products += rows.T @ smiles / len(rows)
        solved = np.linalg.solve(squares, products)
        return cls(tuple((solved[:-1] / scale).tolist()), float(solved[-1]))


_RIDGE: Final = 0.003
"""Ridge penalty for measures in standard deviations, against large weights that cancel each other."""

CALIBRATED: Final = Smile((0.044, 3.059, 0.844, 1.412, -7.855), 0.654)
"""Smile for phantoms and photographs. `python -m benchmarks smile` fits it again and prints its error."""
