"""Solver for the most probable head and pose of given landmarks, many faces at a time.

The camera is far away (weak perspective). The prior of head and pose is that of `faces.heads.priors`; errors of the
landmarks are normally distributed, and their size is estimated from each face by maximum evidence (MacKay 1992). The
parameters are written as mean + factor @ u with independent standard normal u. A Gauss-Newton step then solves one
system of 136 equations, one for each coordinate of a landmark, however many parameters there are.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from faces.heads.head_model import AXES, PHENOTYPE, HeadModel, phenotype_weights
from faces.heads.priors import HeadParameters, HeadPrior

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_STEPS: Final = 8
_STEPS_FROM_EACH_START: Final = 3
_STARTS: Final = (0.05, 0.35, 0.7)
"""Ages of the model from which a fit starts where the age is unknown; the most probable fit goes on."""

_POSE_SD: Final = np.array([0.2, 0.2, 0.1, 0.5, 0.3, 0.3])
"""Prior of yaw, pitch and roll in radians, of the logarithm of the scale, and of the shift in eye distances."""

_SMALLEST_ERROR, _USUAL_ERROR, _LARGEST_ERROR = 0.005, 0.03, 0.12
"""Standard deviations of a coordinate of a landmark, in eye distances."""

_USUAL_WEIGHT: Final = 10.0
"""Number of coordinates that the usual error counts like, where the error of a face is estimated."""

_RELATIVE_ERROR: Final = np.repeat(np.repeat([2.0, 1.4, 1.0], (17, 10, 41)), 2)
"""Errors of the jaw and brows are larger than those of the eyes, nose and mouth: their places are less definite."""

_FARTHEST_STEP: Final = 2.0
"""In standard deviations of the prior."""

_POSE: Final = slice(0, 6)
_PHENOTYPE: Final = slice(6, 6 + len(PHENOTYPE))


class HeadSolver:
    """Fits the model to n faces.

    Args:
        model: the head model.
        landmarks: (n, 68, 2) in eye distances from the point between the eyes, which are level.
        ages: (n,) in years, NaN where unknown.
        females: (n,) 1 for female, 0 for male, NaN where unknown.
    """

    def __init__(self, model: HeadModel, landmarks: Floats, ages: Floats, females: Floats) -> None:
        self._model = model.at_landmarks
        self._target = landmarks.reshape(len(landmarks), -1)
        self._unknown_age = np.isnan(ages)
        prior = HeadPrior(model)
        changes, actions = len(model.change_names), len(model.action_names)
        self._changes = slice(_PHENOTYPE.stop, _PHENOTYPE.stop + changes)
        self._actions = slice(self._changes.stop, self._changes.stop + actions)
        self._factor = prior.change_factor
        phenotype, phenotype_sd = prior.phenotype(ages, females)
        heads = prior.mean_heads(ages, females)
        size = (len(landmarks), self._actions.stop)
        self._mean, self._sd = np.zeros(size), np.ones(size)
        self._mean[:, _PHENOTYPE] = phenotype
        self._mean[:, 3] = -np.log(model.eye_distances(heads))
        self._mean[:, 4:6] = -(model.eye_centres(heads).mean(axis=1)[:, :2] * np.exp(self._mean[:, 3:4]))
        self._sd[:, _POSE], self._sd[:, _PHENOTYPE], self._sd[:, self._actions] = (
            _POSE_SD,
            phenotype_sd,
            prior.action_sd,
        )
        self._low, self._high = np.full(size[1], -np.inf), np.full(size[1], np.inf)
        for index, name in enumerate(PHENOTYPE, _PHENOTYPE.start):
            if name in AXES:
                self._low[index], self._high[index] = AXES[name].nodes[0], AXES[name].nodes[-1]
        self._low[self._actions], self._high[self._actions] = 0, 1
        self._u = np.zeros(size)
        self._free = np.ones(size, dtype=bool)
        self._variance = np.full(len(landmarks), _USUAL_ERROR**2)

    def solve(self) -> tuple[HeadParameters, Floats]:
        """Find the heads, and yaw, pitch and roll (n, 3) in radians."""
        self._choose_starts()
        everybody = np.arange(len(self._u))
        for step in range(_STEPS):
            self._improve(everybody, estimate_error=step > 0)
        theta = self._parameters(everybody)
        return HeadParameters(theta[:, _PHENOTYPE], theta[:, self._changes], theta[:, self._actions]), theta[:, :3]

    def residual(self) -> Floats:
        """Compute the mean distance (n,) between fitted and given landmarks, in eye distances."""
        rows = np.arange(len(self._u))
        away = (self._target - self._project(rows)).reshape(len(rows), -1, 2)
        return np.asarray(np.linalg.norm(away, axis=2).mean(axis=1))

    def _choose_starts(self) -> None:
        """Start faces of unknown age from several ages, and keep the most probable of the fits."""
        rows = np.flatnonzero(self._unknown_age)
        best = np.full(len(rows), np.inf)
        kept, kept_free = self._u[rows], self._free[rows]
        for start in _STARTS if len(rows) else ():
            self._u[rows], self._free[rows] = 0, True
            age = _PHENOTYPE.start
            self._u[rows, age] = (start - self._mean[rows, age]) / self._sd[rows, age]
            for _ in range(_STEPS_FROM_EACH_START):
                self._improve(rows)
            misfit = (self._target[rows] - self._project(rows)) / (_USUAL_ERROR * _RELATIVE_ERROR)
            cost = (misfit**2).sum(axis=1) + (self._u[rows] ** 2).sum(axis=1)
            better = cost < best
            best[better] = cost[better]
            kept[better], kept_free[better] = self._u[rows[better]], self._free[rows[better]]
        self._u[rows], self._free[rows] = kept, kept_free

    def _improve(self, rows: npt.NDArray[np.int64], estimate_error: bool = False) -> None:
        """Make one Gauss-Newton step for some faces.

        Parameters at a bound that are pulled beyond it are left where they are, until they are pulled back.
        """
        u, free = self._u[rows], self._free[rows]
        jacobian = self._jacobian(rows)
        movable = jacobian * free[:, :, None]
        goal = self._target[rows] - self._project(rows) + np.einsum("npk,np->nk", movable, u)
        noise = self._variance[rows, None] * _RELATIVE_ERROR**2
        system = movable.transpose(0, 2, 1) @ movable
        system[:, range(noise.shape[1]), range(noise.shape[1])] += noise
        inverse = np.linalg.inv(system)
        force = np.einsum("nkl,nl->nk", inverse, goal)
        pull = np.einsum("npk,nk->np", jacobian, force)
        moved = np.where(free, u + np.clip(pull - u, -_FARTHEST_STEP, _FARTHEST_STEP), u)
        mean, sd = self._mean[rows], self._sd[rows]
        low, high = (self._low - mean) / sd, (self._high - mean) / sd
        self._u[rows] = np.clip(moved, low, high)
        self._free[rows] = ((moved > low) | (pull > low)) & ((moved < high) | (pull < high))
        if estimate_error:
            squares = (noise**2 * force**2 / _RELATIVE_ERROR**2).sum(axis=1) + _USUAL_WEIGHT * _USUAL_ERROR**2
            freedom = np.einsum("nk,nkk->n", noise, inverse) + _USUAL_WEIGHT
            self._variance[rows] = np.clip(squares / freedom, _SMALLEST_ERROR**2, _LARGEST_ERROR**2)

    def _parameters(self, rows: npt.NDArray[np.int64]) -> Floats:
        theta = self._mean[rows] + self._sd[rows] * self._u[rows]
        theta[:, self._changes] = self._u[rows, self._changes] @ self._factor.T
        return np.asarray(theta)

    def _head(self, theta: Floats) -> Floats:
        return self._model.points(theta[:, _PHENOTYPE], theta[:, self._changes], theta[:, self._actions])

    def _project(self, rows: npt.NDArray[np.int64]) -> Floats:
        """Compute the landmarks (n, 136) of the present heads."""
        theta = self._parameters(rows)
        rotation, _ = _rotations(theta)
        points = self._head(theta) @ rotation[:, :2].transpose(0, 2, 1)
        placed = points * np.exp(theta[:, 3])[:, None, None] + theta[:, None, 4:6]
        return np.asarray(placed.reshape(len(theta), -1))

    def _jacobian(self, rows: npt.NDArray[np.int64]) -> Floats:
        """Compute the derivatives (n, parameters, 136) of the landmarks by u."""
        theta = self._parameters(rows)
        model, count = self._model, len(theta)
        rotation, slopes = _rotations(theta)
        scale = np.exp(theta[:, 3])[:, None, None]
        head = self._head(theta)
        changes = theta[:, self._changes, None, None]
        # At 0 a change has two slopes, one to each side; the mean is taken.
        more, less = (changes >= 0) / (1.0 + (changes == 0)), (changes <= 0) / (1.0 + (changes == 0))
        slopes_of_phenotype = np.stack([phenotype_weights(theta[:, _PHENOTYPE], name) for name in PHENOTYPE], axis=1)
        shapes = np.concatenate(
            [
                np.tensordot(slopes_of_phenotype, model.phenotype, 1),
                more * model.changes[:, 0] - less * model.changes[:, 1],
                np.broadcast_to(model.actions, (count, *model.actions.shape)),
            ],
            axis=1,
        )
        seen = (scale * rotation[:, :2]).transpose(0, 2, 1)
        result = np.empty((count, theta.shape[1], head.shape[1], 2))
        result[:, :3] = scale[:, None] * (head[:, None] @ slopes[:, :, :2].transpose(0, 1, 3, 2))
        result[:, 3] = head @ seen
        result[:, 4:6] = np.eye(2)[:, None]
        result[:, 6:] = (shapes.reshape(count, -1, 3) @ seen).reshape(count, shapes.shape[1], -1, 2)
        flat = result.reshape(count, theta.shape[1], -1) * self._sd[rows][:, :, None]
        flat[:, self._changes] = self._factor.T @ flat[:, self._changes]
        return np.asarray(flat)


def _rotations(theta: Floats) -> tuple[Floats, Floats]:
    """Compute the rotations (n, 3, 3) of heads and their derivatives (n, 3, 3, 3) by yaw, pitch and roll."""
    (a, da), (b, db), (c, dc) = (_rotation(theta[:, k], axis) for k, axis in enumerate((1, 0, 2)))
    return c @ b @ a, np.stack([c @ b @ da, c @ db @ a, dc @ b @ a], axis=1)


def _rotation(angle: Floats, axis: int) -> tuple[Floats, Floats]:
    """Compute rotations (n, 3, 3) about an axis, and their derivatives by the angle."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    rotation, slope = np.zeros((2, len(angle), 3, 3))
    rotation[:, axis, axis] = 1
    for matrix, cosine, sine in ((rotation, np.cos(angle), np.sin(angle)), (slope, -np.sin(angle), np.cos(angle))):
        matrix[:, first, first] = matrix[:, second, second] = cosine
        matrix[:, first, second], matrix[:, second, first] = -sine, sine
    return rotation, slope
