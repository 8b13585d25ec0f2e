"""Measurement of how a smile moves and shades faces, on aligned portraits: `portraits128-expression.safetensors`.

    gestaltgen dataset prepare portraits/images portraits/portraits.csv --out portraits.zip --exclude HELD_OUT.txt
    python -m experiments.expression_model portraits.zip weights/portraits128-expression.safetensors

The landmarks of all portraits that look at the camera are regressed on the lift and the opening of the mouth. The
shading is the difference between two average faces, smiling and at rest, after both were warped to the shape of the one
at rest. Name no portraits on which edits are to be tested.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from editing.warp.expression_model import (
    SHADING_SIDE,
    ExpressionModel,
    FaceAxes,
    measure_lift,
    place_in_map,
    save,
)
from editing.warp.thin_plate import map_backwards
from faces.align import Points
from faces.datasets.dataset import Dataset
from faces.detect import MIRRORED
from faces.expression import CALIBRATED, Floats

_MOST_TURNED: Final = 0.09
"""Largest distance of the nose from the middle between the eyes, in eye distances, of a face that looks ahead."""

_REST, _SMILING, _OPEN = 0.25, 0.7, 0.1
"""Smile of faces at rest at most and of smiling faces at least, and the opening of those at least."""

_MOST_AVERAGED: Final = 200
_STILL: Final = (*range(17, 40), *range(42, 46))
"""Brows, nose and upper lids: they stay, whatever else differs between the portraits that smile and those that rest."""

_LUMINANCE: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_FINE_PX, _COARSE_PX = 1.25, 12.5
"""Widths in pixels of the map between which shading is kept: finer differences are noise, coarser ones light."""


def mirror(points: Points) -> Points:
    """Mirror faces (..., 68, 2) in their own axes."""
    return np.asarray(points[..., list(MIRRORED), :] * (-1, 1))


def measure_movement(shapes: Points, lifts: Floats, openings: Floats) -> tuple[Points, Points]:
    """Regress shapes (n, 68, 2) on the lift and the opening; return the displacements of one unit of each, (68, 2)."""
    causes = np.column_stack([np.ones(len(shapes)), lifts, openings])
    both = np.concatenate([shapes, mirror(shapes)]).reshape(2 * len(shapes), -1)
    _, lift, opening = np.linalg.lstsq(np.concatenate([causes, causes]), both, rcond=None)[0].reshape(3, 68, 2)
    lift[list(_STILL)] = 0
    opening[[*_STILL, *range(36, 48)]] = 0
    return lift, opening


def average_faces(pictures: list[npt.NDArray[np.uint8]], landmarks: Points, rest: Points) -> Floats:
    """Average faces warped to the shape at rest; return the luminance (SHADING_SIDE, SHADING_SIDE)."""
    total = np.zeros((SHADING_SIDE, SHADING_SIDE))
    for picture, points in zip(pictures, landmarks, strict=True):
        places = map_backwards(points, place_in_map(rest), SHADING_SIDE, smoothing=1.0, border=False)
        x, y = cv2.split(places.astype(np.float32))
        warped = cv2.remap(picture.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        total += warped @ _LUMINANCE
    return np.asarray(total / len(pictures))


def compare_shading(smiling: Floats, resting: Floats, rest: Points) -> Floats:
    """Return the change of the logarithm of the luminance between two average faces, on cheeks and chin alone."""
    points = place_in_map(rest)
    change = np.log(_blur(smiling, _FINE_PX)) - np.log(_blur(resting, _FINE_PX))
    lips = _draw(points[48:60], 1.15)
    face = _draw(np.concatenate([points[1:16], points[36:48]]), 1.0) * (1 - lips)
    change -= _blur(change * face, _COARSE_PX) / np.maximum(_blur(face, _COARSE_PX), 0.02)
    eyes = _draw(points[36:42], 1.5) + _draw(points[42:48], 1.5)
    change *= _blur(face, 3.0) * np.clip(1 - _blur(eyes, 1.5), 0, 1) * (1 - _blur(lips, 1.5))
    return np.asarray((change + change[:, ::-1]) / 2)


def _blur(picture: Floats, width: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), width))


def _draw(points: Points, larger: float) -> Floats:
    mask = np.zeros((SHADING_SIDE, SHADING_SIDE))
    centre = points.mean(axis=0)
    outline = cv2.convexHull((centre + larger * (points - centre)).astype(np.float32))
    cv2.fillConvexPoly(mask, np.rint(outline).astype(np.int32), 1.0)
    return mask


def measure_model(dataset: Dataset) -> ExpressionModel:
    """Measure the model on the portraits of a data set with landmarks that look at the camera."""
    given = dataset.landmarks()
    if given is None:
        sys.exit("the data set has no landmarks; `gestaltgen dataset prepare` stores them")
    landmarks = given.astype(np.float64)
    shapes = np.array([FaceAxes.of(face).to_face(face) for face in landmarks])
    ahead = np.flatnonzero(np.abs(shapes[:, 30, 0]) < _MOST_TURNED)
    shapes, landmarks = shapes[ahead], landmarks[ahead]
    lifts, openings = np.array([measure_lift(face) for face in landmarks]).T
    smiles = CALIBRATED.raw(landmarks)
    rests, smiling = np.abs(smiles) < _REST, (smiles > _SMILING) & (openings > _OPEN)
    resting_shapes = np.concatenate([shapes[rests], mirror(shapes[rests])])
    rest = resting_shapes.mean(axis=0)
    groups = [np.flatnonzero(group)[:_MOST_AVERAGED] for group in (smiling, rests)]
    averages = [average_faces([dataset.image(ahead[one]) for one in group], landmarks[group], rest) for group in groups]
    gained = lifts[groups[0]].mean() - lifts[groups[1]].mean()
    print(f"{len(ahead)} faces look ahead; averages of {len(groups[0])} smiling and {len(groups[1])} at rest")
    lift, opening = measure_movement(shapes, lifts, openings)
    return ExpressionModel(lift, opening, rest, compare_shading(averages[0], averages[1], rest) / gained)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("python -m experiments.expression_model DATA.zip MODEL.safetensors")
    with Dataset.open(sys.argv[1]) as dataset:
        save(Path(sys.argv[2]), measure_model(dataset), f"measured on the portraits of {Path(sys.argv[1]).name}")


if __name__ == "__main__":
    main()
