"""A face with known landmarks, and a model that moves it."""

from __future__ import annotations

from functools import cache

import numpy as np

from editing.warp.expression_model import SHADING_SIDE, ExpressionModel, FaceAxes, Picture
from faces.align import Points
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom

SIDE = 64


@cache
def draw_face() -> tuple[Picture, Points]:
    """Return the picture (SIDE, SIDE, 3) of a phantom in [0, 255], and its landmarks."""
    drawn = draw_phantom(nth_phantom(3, 0), SIDE)
    return drawn.image.astype(np.float32), drawn.landmarks.astype(np.float64)


def make_model(shading: float = 0.0) -> ExpressionModel:
    """Return a model in which a smile raises the corners of the mouth, and shades all of the face alike."""
    lift, opening = np.zeros((68, 2)), np.zeros((68, 2))
    lift[[48, 60, 54, 64], 1] = -0.2
    opening[[61, 62, 63], 1], opening[[65, 66, 67], 1] = -0.5, 0.5
    landmarks = draw_face()[1]
    rest = FaceAxes.of(landmarks).to_face(landmarks)
    return ExpressionModel(lift, opening, rest, np.full((SHADING_SIDE, SHADING_SIDE), shading))
