"""Support vector machines for many small problems, and the calibration of their decision values.

A comparison of a few dozen people needs thousands of fits: folds, limits and permutations. scikit-learn needs
milliseconds to check the arguments of each, and its probabilities depend on a random division.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TOLERANCE: Final = 1e-3  # of the optimality conditions, as in LIBSVM
_MOST_STEPS: Final = 100_000
_LEAST_CURVATURE: Final = 1e-12
_NEWTON_STEPS: Final = 50
_STEEPEST: Final = 1e-6  # gradient of the mean loss at which a calibration is found
_LEAST_SLOPE: Final = 0.01  # of a calibration, for decision values of mean square 1


def fit_support_vectors(
    kernels: Floats, problems: npt.NDArray[np.intp], signs: Floats, limits: Floats
) -> tuple[Floats, Floats]:
    """Fit support vector machines by sequential minimal optimisation with second-order working sets.

    Fan, Chen and Lin 2005 (JMLR 6:1889), working set selection 2.

    Args:
        kernels: (k, n, n) kernel matrices.
        problems: (b,) the kernel of each problem.
        signs: (n,) 1 for patients, -1 for controls.
        limits: (b, n) largest coefficient of each person (C times its weight); 0 leaves the person out of the problem.

    Returns:
        weights (b, n) and intercepts (b,): the decision value of a person with kernel values k is weights · k +
        intercept, positive for patients.
    """
    weights, intercepts = np.zeros(limits.shape), np.zeros(len(limits))
    lowest, highest = np.where(signs > 0, 0.0, -limits), np.where(signs > 0, limits, 0.0)
    optimise = _compile_optimisation()
    for row, kernel in enumerate(problems):
        intercepts[row] = optimise(kernels[kernel], signs, lowest[row], highest[row], weights[row])
    return weights, intercepts


@cache
def _compile_optimisation() -> Callable[..., float]:
    """Compile the optimisation (seconds, kept on disk for later processes)."""
    import numba

    try:
        compiled: Callable[..., float] = numba.njit(cache=True)(_optimise)
    except RuntimeError:  # there is nowhere to keep what is compiled
        compiled = numba.njit()(_optimise)
    return compiled


def _optimise(kernel: Floats, signs: Floats, lowest: Floats, highest: Floats, weights: Floats) -> float:
    """Find the weights of one problem, within their bounds and with the sum 0, and return the intercept."""
    slack = signs.copy()  # minus the decision values without intercept
    for _ in range(_MOST_STEPS):
        first, top, bottom = -1, -np.inf, np.inf
        for i in range(len(signs)):
            if weights[i] < highest[i] and slack[i] > top:
                first, top = i, slack[i]
            if weights[i] > lowest[i] and slack[i] < bottom:
                bottom = slack[i]
        if top - bottom < _TOLERANCE:
            break
        second, largest, move = -1, -1.0, 0.0
        for i in range(len(signs)):
            gain = top - slack[i]
            if weights[i] > lowest[i] and gain > 0:
                curvature = max(kernel[first, first] + kernel[i, i] - 2 * kernel[first, i], _LEAST_CURVATURE)
                if gain * gain / curvature > largest:
                    second, largest, move = i, gain * gain / curvature, gain / curvature
        rise, fall = highest[first] - weights[first], weights[second] - lowest[second]
        move = min(move, rise, fall)
        weights[first] = weights[first] + move if move < rise else highest[first]
        weights[second] = weights[second] - move if move < fall else lowest[second]
        for i in range(len(signs)):
            slack[i] -= move * (kernel[first, i] - kernel[second, i])
    return (top + bottom) / 2


def fit_calibrations(decisions: Floats, affected: npt.NDArray[np.bool_], shares: Floats) -> tuple[Floats, Floats]:
    """Fit the probabilities 1 / (1 + exp(-(slope · decision + intercept))) of several machines (Platt 2000).

    The targets are smoothed as Platt's are. A slope is never negative: decision values that predict the contrary of
    the truth, as happens by chance with few people, give probabilities near one half instead of a reversed answer.

    Args:
        decisions: (b, n) decision values of people whom the machine did not see.
        affected: (n,) whether they are patients.
        shares: (n,) weights of the people.

    Returns:
        slopes (b,) and intercepts (b,).
    """
    scales = np.sqrt((decisions**2).mean(axis=1)) + _LEAST_CURVATURE
    design = np.stack([decisions / scales[:, None], np.ones(decisions.shape)], axis=2)
    patients, controls = affected.sum(), (~affected).sum()
    targets = np.where(affected, (patients + 1) / (patients + 2), 1 / (controls + 2))
    found = np.zeros((len(decisions), 2))
    losses = _measure_loss(found, design, targets, shares)
    damping = np.full(len(decisions), 1e-6)
    for _ in range(_NEWTON_STEPS):
        probabilities = logistic((design @ found[:, :, None])[:, :, 0])
        gradient = ((shares * (probabilities - targets))[:, None, :] @ design)[:, 0]
        if abs(gradient).max() < _STEEPEST * shares.sum():
            break
        curvature = shares * probabilities * (1 - probabilities)
        hessian = (design * curvature[:, :, None]).transpose(0, 2, 1) @ design
        hessian += damping[:, None, None] * shares.sum() * np.eye(2)
        trial = found - np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        trial_losses = _measure_loss(trial, design, targets, shares)
        better = trial_losses < losses
        found, losses = np.where(better[:, None], trial, found), np.where(better, trial_losses, losses)
        damping = np.where(better, damping / 10, damping * 100)
    found[found[:, 0] < _LEAST_SLOPE] = _LEAST_SLOPE, 0.0
    return found[:, 0] / scales, found[:, 1]


def _measure_loss(parameters: Floats, design: Floats, targets: Floats, shares: Floats) -> Floats:
    values = (design @ parameters[:, :, None])[:, :, 0]
    return np.asarray((shares * (np.logaddexp(0.0, values) - targets * values)).sum(axis=1))


def logistic(values: Floats) -> Floats:
    """Return 1 / (1 + exp(-values)), without overflow."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * values))
