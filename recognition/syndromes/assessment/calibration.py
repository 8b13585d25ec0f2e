"""Calibration of a model's answers: what probability goes with an answer, and the interval of that probability.

Patients and controls weigh the same, so that the probability is that of a group of which half are patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from recognition.syndromes.assessment.answer import Estimate

Floats = npt.NDArray[np.float64]

LEAST_FOR_ISOTONIC: Final = 200
"""Number of people from which the calibration is isotonic. Of fewer people, its steps follow single persons."""

_GRID: Final = np.linspace(0, 1, 101)
_RESAMPLES: Final = 300
_FOLDS: Final = 5
_CLIP: Final = 0.01  # three nearest neighbours answer 0 or 1, whose log-odds are infinite
_STEPS: Final = 25
_LEAST_STEP: Final = 1e-6
_RIDGE: Final = 1e-3  # of the slope: answers that separate the groups have none that is finite


@dataclass(frozen=True)
class Calibration:
    """Probability and its 95 % interval for answers 0, 0.01, ... 1; values between them are interpolated.

    Attributes:
        method: "Platt" or "isotonic".
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


def calibrate(answers: Floats, labels: npt.NDArray[np.int64], seed: int = 0) -> Calibration:
    """Fit a calibration to answers for people whom the model did not see.

    For fewer people than `LEAST_FOR_ISOTONIC` it is Platt's logistic function of the log-odds, with his targets, and
    a slope that is not negative: answers no better than chance become 0.5. For more it is isotonic. The interval is
    that of a bootstrap over the people, patients and controls apart. It leaves out that other people would have given
    another model.

    Args:
        answers: (n,) in [0, 1].
        labels: (n,) 1 for patients, 0 for controls.
        seed: of the bootstrap.
    """
    isotonic = len(labels) >= LEAST_FOR_ISOTONIC
    fit = _fit_isotonic if isotonic else _fit_platt
    counts = _count_resamples(labels, seed)
    resampled = np.stack([fit(answers, labels, row) for row in counts])
    low, high = np.quantile(resampled, (0.025, 0.975), axis=0)
    fitted = fit(answers, labels, np.ones(len(labels)))
    method = "isotonic" if isotonic else "Platt"
    return Calibration(method, fitted, np.minimum(low, fitted), np.maximum(high, fitted))


def calibrate_unseen(answers: Floats, labels: npt.NDArray[np.int64], seed: int = 0) -> Floats:
    """Return calibrated probabilities (n,), each by a calibration that was fitted without the person."""
    fit = _fit_isotonic if len(labels) >= LEAST_FOR_ISOTONIC else _fit_platt
    folds = np.empty(len(labels), np.int64)
    generator = np.random.default_rng(seed)
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        folds[generator.permutation(rows)] = np.arange(len(rows)) % _FOLDS
    probabilities = np.empty(len(labels))
    for fold in range(_FOLDS):
        table = fit(answers, labels, (folds != fold).astype(float))
        probabilities[folds == fold] = np.interp(answers[folds == fold], _GRID, table)
    return probabilities


def shift_prior(probability: float, prior: float) -> float:
    """Convert a probability for a group of which half are patients to a group with another share, by Bayes' rule."""
    for_it, against = probability * prior, (1 - probability) * (1 - prior)
    return for_it / (for_it + against)


def _count_resamples(labels: npt.NDArray[np.int64], seed: int) -> Floats:
    """Draw how often each person is in each bootstrap sample, (resamples, n)."""
    generator = np.random.default_rng(seed)
    counts = np.empty((_RESAMPLES, len(labels)))
    for label in (0, 1):
        rows = labels == label
        counts[:, rows] = generator.multinomial(rows.sum(), np.full(rows.sum(), 1 / rows.sum()), _RESAMPLES)
    return counts


def _weigh(labels: npt.NDArray[np.int64], counts: Floats) -> Floats:
    """Return weights (n,) whose sum is the same for patients and for controls."""
    weights = np.empty(len(labels))
    for label in (0, 1):
        rows = labels == label
        weights[rows] = counts[rows] * counts.sum() / (2 * max(counts[rows].sum(), 1))
    return weights


def _fit_platt(answers: Floats, labels: npt.NDArray[np.int64], counts: Floats) -> Floats:
    """Fit Platt's logistic function by Newton's method with halved steps, and return its values on the grid."""
    patients, controls = (counts[labels == label].sum() for label in (1, 0))
    targets = np.where(labels == 1, (patients + 1) / (patients + 2), 1 / (controls + 2))
    weights = _weigh(labels, counts)
    inputs = np.column_stack([_log_odds(answers), np.ones(len(answers))])
    ridge = np.diag([_RIDGE, 0.0])

    def measure_loss(coefficients: Floats) -> float:
        values = inputs @ coefficients
        return float(weights @ (np.logaddexp(0, values) - targets * values) + coefficients @ ridge @ coefficients / 2)

    coefficients = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        fitted = 1 / (1 + np.exp(-inputs @ coefficients))
        gradient = inputs.T @ (weights * (fitted - targets)) + ridge @ coefficients
        curvature = (inputs * (weights * fitted * (1 - fitted))[:, None]).T @ inputs + ridge + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while measure_loss(coefficients - step) > measure_loss(coefficients) and np.abs(step).max() > _LEAST_STEP:
            step = step / 2
        coefficients = coefficients - step
        if np.abs(step).max() < _LEAST_STEP:
            break
    if coefficients[0] < 0:
        return np.full(len(_GRID), 0.5)
    return np.asarray(1 / (1 + np.exp(-(coefficients[0] * _log_odds(_GRID) + coefficients[1]))))


def _fit_isotonic(answers: Floats, labels: npt.NDArray[np.int64], counts: Floats) -> Floats:
    """Fit a function that does not fall, and return its values on the grid, which leave out 0 and 1."""
    from sklearn.isotonic import IsotonicRegression

    rows = counts > 0
    weights = _weigh(labels, counts)[rows]
    fitted = IsotonicRegression(out_of_bounds="clip").fit(answers[rows], labels[rows], weights).predict(_GRID)
    least = 1 / (counts.sum() + 2)
    return np.asarray(np.clip(fitted, least, 1 - least))


def _log_odds(answers: Floats) -> Floats:
    clipped = np.clip(answers, _CLIP, 1 - _CLIP)
    return np.asarray(np.log(clipped / (1 - clipped)))
