"""Fit of the head model to the 68 landmarks of photographs, many faces at a time.

The fit is the most probable head and pose for the landmarks; see `faces.heads.solver`.

A photograph shows no depth. That of a fit follows from the model alone: from the shapes that go with the landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import ImageError
from faces.heads.head_model import LEFT_EYE, POINTS, RIGHT_EYE, load_head_model, years_of_age
from faces.heads.solver import HeadSolver

Floats = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]

LARGEST_RESIDUAL: Final = 0.12
"""Mean distance between fitted and given landmarks, in eye distances, beyond which a fit counts as failed."""

_SMALLEST_EYE_DISTANCE: Final = 4.0
"""In pixels."""

_BATCH: Final = 64
_RESIDUAL, _POSE = 3, slice(4, 7)
_SEXES: Final = {"female": 1.0, "male": 0.0}


@dataclass(frozen=True)
class HeadFits:
    """Heads fitted to n faces; all values of faces whose fit failed are NaN.

    Points are in units of the eye distance (between the means of the six landmarks of each eye) from the point between
    the eyes, without pose: x to the right of the picture, y down, z away from the viewer.

    Attributes:
        points: (n, 510, 3) float32.
        resting: (n, 510, 3) float32, the same heads with all facial actions left out.
        smile: (n,) intensity in [0, 1].
        age: (n,) in years.
        female: (n,) from 0 for male to 1 for female.
        residual: (n,) mean distance between fitted and given landmarks, in eye distances.
        pose: (n, 3) yaw, pitch and roll in degrees; positive yaw turns the nose to the right of the picture, positive
            pitch turns it down, positive roll turns the head clockwise in the picture.
        failures: reason for each face whose fit failed, by index.
    """

    points: Float32s
    resting: Float32s
    smile: Floats
    age: Floats
    female: Floats
    residual: Floats
    pose: Floats
    failures: dict[int, str]


def fit_heads(
    landmarks: npt.NDArray[np.floating],
    ages: Sequence[float | None] | None = None,
    sexes: Sequence[str | None] | None = None,
) -> HeadFits:
    """Fit heads to faces; the result for a face does not depend on the others.

    Args:
        landmarks: (n, 68, 2), x then y in pixels, y down, iBUG order.
        ages: n ages in years, None or NaN where unknown.
        sexes: n of "female" and "male", None where unknown.

    Raises:
        ImageError: landmarks of another shape, or a wrong number of ages or sexes.
    """
    given = np.asarray(landmarks, dtype=np.float64)
    if given.ndim != 3 or given.shape[1:] != (68, 2):
        raise ImageError(f"landmarks are {given.shape}; expected (n, 68, 2) in iBUG order")
    count = len(given)
    known_ages = np.full(count, np.nan) if ages is None else np.array([_number(age) for age in ages])
    females = np.array([_SEXES.get(sex or "", np.nan) for sex in ([None] * count if sexes is None else sexes)])
    for name, values in (("ages", known_ages), ("sexes", females)):
        if len(values) != count:
            raise ImageError(f"there are {len(values)} {name} for {count} faces; expected one for each, or None")
    failures = {index: reason for index, face in enumerate(given) if (reason := _unusable(face))}
    usable = np.array([index for index in range(count) if index not in failures], dtype=np.int64)
    values = np.full((count, _POSE.stop), np.nan)
    points, resting = np.full((2, count, POINTS, 3), np.nan, dtype=np.float32)
    for start in range(0, len(usable), _BATCH):
        rows = usable[start : start + _BATCH]
        points[rows], resting[rows], values[rows] = _fit_batch(given[rows], known_ages[rows], females[rows])
    for row in np.flatnonzero(values[:, _RESIDUAL] >= LARGEST_RESIDUAL).tolist():
        failures[row] = (
            f"the fitted head is {values[row, _RESIDUAL]:.0%} of the eye distance from the landmarks; "
            f"expected less than {LARGEST_RESIDUAL:.0%}"
        )
        points[row] = resting[row] = values[row] = np.nan
    smile, age, female, residual = values[:, : _POSE.start].T
    return HeadFits(points, resting, smile, age, female, residual, values[:, _POSE], failures)


def _number(age: float | None) -> float:
    return np.nan if age is None else float(age)


def _unusable(landmarks: Floats) -> str | None:
    """Return why a face (68, 2) cannot be fitted; None if it can."""
    if not np.isfinite(landmarks).all():
        return "landmarks are missing or not finite; expected 68 points"
    right, left = landmarks[RIGHT_EYE].mean(axis=0), landmarks[LEFT_EYE].mean(axis=0)
    distance = np.linalg.norm(left - right)
    if distance < _SMALLEST_EYE_DISTANCE:
        return f"the eyes are {distance:.1f} pixels apart; expected at least {_SMALLEST_EYE_DISTANCE:.0f}"
    spread = np.linalg.norm(landmarks - landmarks.mean(axis=0), axis=1).mean() / distance
    if not 0.4 < spread < 3:
        return f"landmarks lie {spread:.2g} eye distances from their centre; expected 0.4 to 3, as in a face"
    return None


def _fit_batch(landmarks: Floats, ages: Floats, females: Floats) -> tuple[Floats, Floats, Floats]:
    """Fit some faces: points and points at rest (n, 510, 3), and smile, age, female, residual and pose (n, 7)."""
    model = load_head_model()
    upright, roll = _upright(landmarks)
    solver = HeadSolver(model, upright, ages, females)
    heads, pose = solver.solve()
    pose[:, 2] += roll
    ones = (heads.smile(model), years_of_age(heads.phenotype[:, 0]), heads.phenotype[:, 1], solver.residual())
    points, resting = (model.in_eye_distances(heads.points(model, at_rest=rest)) for rest in (False, True))
    return points, resting, np.column_stack([*ones, np.degrees(pose)])


def _upright(landmarks: Floats) -> tuple[Floats, Floats]:
    """Turn faces so that the eyes are level, in eye distances from the point between them; and their roll (n,)."""
    right, left = landmarks[:, RIGHT_EYE].mean(axis=1), landmarks[:, LEFT_EYE].mean(axis=1)
    across = left - right
    distance = np.linalg.norm(across, axis=1)
    x = across / distance[:, None]
    axes = np.stack([x, np.stack([-x[:, 1], x[:, 0]], axis=1)], axis=2)
    moved = (landmarks - (left + right)[:, None] / 2) / distance[:, None, None]
    return moved @ axes, np.arctan2(x[:, 1], x[:, 0])
