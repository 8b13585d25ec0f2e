"""Calibration of a model's answers: what probability goes with an answer, and the interval of that probability.

Patients and controls weigh the same, so that the probability is that of a group of which half are patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core.statistics.shares import NORMAL_QUANTILE
from recognition.syndromes.assessment.answer import Estimate

Floats = npt.NDArray[np.float64]

_GRID: Final = np.linspace(0, 1, 101)
_FOLDS: Final = 5
_CLIPS: Final = (1e-5, 1e-3, 0.01, 0.03, 0.1, 0.2)
"""Limits of answers, of which the best is taken: three nearest faces answer 0 or 1, whose log-odds are infinite."""

_STEPS: Final = 25
_LEAST_STEP: Final = 1e-6
_RIDGE: Final = 1e-3  # of the slope: answers that separate the groups have none that is finite


@dataclass(frozen=True)
class Calibration:
    """Probability and its 95 % interval for answers 0, 0.01, ... 1; values between them are interpolated.

    Attributes:
        method: "Platt".
        probability, low, high: (101,), not falling.
    """

    method: str
    probability: Floats
    low: Floats
    high: Floats

    def estimate(self, answer: float, prior: float = 0.5) -> Estimate:
        """Return the probability that goes with an answer.

        Args:
            prior: share of patients among the people who are asked about.
        """
        values = (self.probability, self.low, self.high)
        return Estimate(*(shift_prior(float(np.interp(answer, _GRID, one)), prior) for one in values))


def calibrate(answers: Floats, labels: npt.NDArray[np.int64]) -> Calibration:
    """Fit a calibration to answers for people whom the model did not see.

    It is Platt's logistic function of the log-odds, with his targets, and a slope that is not negative: answers no
    better than chance become 0.5. The interval is Wald's on the scale of log-odds. It leaves out that other people
    would have given another model.

    Args:
        answers: (n,) in [0, 1].
        labels: (n,) 1 for patients, 0 for controls.
    """
    return Calibration("Platt", *_fit_platt(answers, labels, np.ones(len(labels))))


def calibrate_unseen(answers: Floats, labels: npt.NDArray[np.int64], seed: int = 0) -> Floats:
    """Return calibrated probabilities (n,), each by a calibration that was fitted without the person."""
    folds = np.empty(len(labels), np.int64)
    generator = np.random.default_rng(seed)
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        folds[generator.permutation(rows)] = np.arange(len(rows)) % _FOLDS
    probabilities = np.empty(len(labels))
    for fold in range(_FOLDS):
        table, *_ = _fit_platt(answers, labels, (folds != fold).astype(float))
        probabilities[folds == fold] = np.interp(answers[folds == fold], _GRID, table)
    return probabilities


def shift_prior(probability: float, prior: float) -> float:
    """Convert a probability for a group of which half are patients to a group with another share, by Bayes' rule."""
    for_it, against = probability * prior, (1 - probability) * (1 - prior)
    return for_it / (for_it + against)


def _weigh(labels: npt.NDArray[np.int64], counts: Floats) -> Floats:
    """Return weights (n,) whose sum is the same for patients and for controls."""
    weights = np.empty(len(labels))
    for label in (0, 1):
        rows = labels == label
        weights[rows] = counts[rows] * counts.sum() / (2 * max(counts[rows].sum(), 1))
    return weights


def _fit_platt(answers: Floats, labels: npt.NDArray[np.int64], counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Fit Platt's logistic function, with the limits of log-odds that fit best.

    Returns:
        its values on the grid, and the ends of their 95 % intervals. These take the groups for drawn by chance, not of
        a given size, and so are somewhat too wide in the middle.
    """
    patients, controls = (counts[labels == label].sum() for label in (1, 0))
    targets = np.where(labels == 1, (patients + 1) / (patients + 2), 1 / (controls + 2))
    weights = _weigh(labels, counts)
    fits = [(_fit_logistic(_expand(answers, clip), targets, weights), clip) for clip in _CLIPS]
    (_, coefficients, covariance), clip = min(fits, key=lambda fit: fit[0][0])
    grid = _expand(_GRID, clip)
    middle, error = grid @ coefficients, np.sqrt(np.einsum("ij,jk,ik->i", grid, covariance, grid))
    values, low, high = (1 / (1 + np.exp(-(middle + side * NORMAL_QUANTILE * error))) for side in (0, -1, 1))
    return values, np.minimum.accumulate(low[::-1])[::-1], np.maximum.accumulate(high)


def _fit_logistic(inputs: Floats, targets: Floats, weights: Floats) -> tuple[float, Floats, Floats]:
    """Fit a logistic function whose slope is not negative by Newton's method with halved steps.

    Returns:
        the loss, slope and intercept (2,), and their covariances (2, 2).
    """
    ridge = np.diag([_RIDGE, 0.0])

    def measure_loss(coefficients: Floats) -> float:
        values = inputs @ coefficients
        return float(weights @ (np.logaddexp(0, values) - targets * values) + coefficients @ ridge @ coefficients / 2)

    def measure_curvature(coefficients: Floats, weights: Floats) -> Floats:
        fitted = 1 / (1 + np.exp(-inputs @ coefficients))
        return np.asarray((inputs * (weights * fitted * (1 - fitted))[:, None]).T @ inputs)

    coefficients = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        fitted = 1 / (1 + np.exp(-inputs @ coefficients))
        gradient = inputs.T @ (weights * (fitted - targets)) + ridge @ coefficients
        step = np.linalg.solve(measure_curvature(coefficients, weights) + ridge + 1e-9 * np.eye(2), gradient)
        while measure_loss(coefficients - step) > measure_loss(coefficients) and np.abs(step).max() > _LEAST_STEP:
            step = step / 2
        coefficients = coefficients - step
        if np.abs(step).max() < _LEAST_STEP:
            break
    if coefficients[0] < 0:
        coefficients = np.zeros(2)
    inverse = np.linalg.inv(measure_curvature(coefficients, weights) + ridge + 1e-9 * np.eye(2))
    return measure_loss(coefficients), coefficients, inverse @ measure_curvature(coefficients, weights**2) @ inverse


def _expand(answers: Floats, clip: float) -> Floats:
    """Return the log-odds of answers, limited to clip and 1 - clip, and a constant, (n, 2)."""
    clipped = np.clip(answers, clip, 1 - clip)
    return np.column_stack([np.log(clipped / (1 - clipped)), np.ones(len(answers))])
