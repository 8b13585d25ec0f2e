"""How a smile moves the landmarks of a face and shades its cheeks: averages over many portraits, in one small file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from core import tensor_files
from core.errors import CheckpointError
from faces.align import Points
from faces.detect import LANDMARKS
from faces.expression import CALIBRATED, MEASURES, Floats, measures

Picture: TypeAlias = npt.NDArray[np.float32]

SHADING_SIDE: Final = 128
"""Side of the map of the shading, in pixels."""

_KIND: Final = "expression model"
_EYE_DISTANCE: Final = 0.235
_BETWEEN_EYES: Final = np.array([0.5, 0.42])
"""Distance between the eyes, and the point between them, in the map of the shading, as shares of its side."""

_OPENING: Final = MEASURES.index("mouth_opening")

OPENING_WEIGHT: Final = CALIBRATED.weights[_OPENING]
"""Smile for one unit of the opening."""


@dataclass(frozen=True)
class ExpressionModel:
    """Movement and shading of an average face. Lengths are in distances between the eyes, axes as of `FaceAxes`.

    A smile has two parts: the opening of the mouth, and the *lift*, which is all that `faces.expression.CALIBRATED`
    measures but the opening.

    Attributes:
        lift: (68, 2) displacement of the landmarks for one unit of the lift, with the opening unchanged.
        opening: (68, 2) displacement for one unit of the opening, with the lift unchanged.
        rest: (68, 2) landmarks of the average face at rest.
        shading: (SHADING_SIDE, SHADING_SIDE) change of the logarithm of the luminance for one unit of the lift, at the
            places of the average face at rest; see `place_in_map`.
    """

    lift: Points
    opening: Points
    rest: Points
    shading: Floats


@dataclass(frozen=True)
class FaceAxes:
    """Axes of a face in a picture: from one eye to the other, and downwards at a right angle to it.

    Attributes:
        origin: (2,) point between the eyes, in pixels.
        axes: (2, 2), both as long as the distance between the eyes, in pixels.
    """

    origin: Floats
    axes: Floats

    @classmethod
    def of(cls, landmarks: Points) -> FaceAxes:
        """Return the axes of a face with landmarks (68, 2) in pixels."""
        right, left = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
        along = left - right
        return cls((right + left) / 2, np.array([along, [-along[1], along[0]]]))

    def to_face(self, points: Points) -> Points:
        """Convert points (n, 2) from pixels to distances between the eyes."""
        return np.asarray((points - self.origin) @ np.linalg.inv(self.axes))

    def to_pixels(self, points: Points) -> Points:
        """Convert points (n, 2) from distances between the eyes to pixels."""
        return np.asarray(points @ self.axes + self.origin)


def place_in_map(points: Points, side: int = SHADING_SIDE) -> Points:
    """Convert points (n, 2) in distances between the eyes to pixels of a map with this side."""
    return np.asarray((points * _EYE_DISTANCE + _BETWEEN_EYES) * side - 0.5)


def measure_lift(landmarks: Points) -> tuple[float, float]:
    """Return the lift and the opening of a face with landmarks (68, 2); see ExpressionModel."""
    opening = float(measures(landmarks)[0, _OPENING])
    return float(CALIBRATED.raw(landmarks)[0]) - OPENING_WEIGHT * opening, opening


def save(path: Path, model: ExpressionModel, origin: str) -> None:
    """Write a model; the file appears whole or not at all.

    Args:
        origin: the portraits that it was measured on, in words.
    """
    tensors = {name: torch.from_numpy(np.asarray(getattr(model, name), dtype=np.float32)) for name in _SHAPES}
    tensor_files.write(path, tensors, {"network": _KIND, "origin": origin})


def load(path: Path) -> ExpressionModel:
    """Read a model.

    Raises:
        CheckpointError: no such file, a damaged one, or one of another kind.
    """
    arrays, header = tensor_files.read_arrays(path)
    if header.get("network") != _KIND or {name: array.shape for name, array in arrays.items()} != _SHAPES:
        raise CheckpointError(
            f"{path} is no expression model; `python -m experiments.expression_model` makes one of aligned portraits"
        )
    return ExpressionModel(**{name: array.astype(np.float64) for name, array in arrays.items()})


_SHAPES: Final = {
    "lift": (LANDMARKS, 2),
    "opening": (LANDMARKS, 2),
    "rest": (LANDMARKS, 2),
    "shading": (SHADING_SIDE, SHADING_SIDE),
}
