"""Support vector machines and calibrations against scikit-learn and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.svm import SVC

from recognition.syndromes.models.support_vectors import fit_calibrations, fit_support_vectors, logistic


@pytest.mark.parametrize("limit", [1e-3, 1.0, 1e4])
def test_decision_values_are_those_of_libsvm_for_the_people_of_the_problem(limit: float) -> None:
    rng = np.random.default_rng(2)
    affected = np.arange(30) % 3 == 0
    points = rng.normal(size=(30, 6)) + affected[:, None]
    kernel = np.exp(-((points[:, None] - points[None]) ** 2).sum(axis=2) / 8)
    inside = np.arange(30) % 5 != 1
    bounds = limit * np.where(affected, 2.0, 1.0) * inside
    weights, intercepts = fit_support_vectors(kernel[None], np.array([0]), np.where(affected, 1.0, -1.0), bounds[None])
    reference = SVC(C=limit, kernel="precomputed", class_weight={True: 2.0, False: 1.0}, tol=1e-5)
    reference.fit(kernel[np.ix_(inside, inside)], affected[inside])
    expected = reference.decision_function(kernel[:, inside])
    assert (weights[0, ~inside] == 0).all()
    np.testing.assert_allclose(kernel @ weights[0] + intercepts[0], expected, atol=5e-3 * max(1, abs(expected).max()))


def test_a_calibration_is_the_weighted_maximum_of_likelihood_with_smoothed_targets() -> None:
    rng = np.random.default_rng(3)
    affected = np.arange(40) % 4 == 0
    shares = np.where(affected, 2.0, 2 / 3)
    decisions = np.stack([rng.normal(size=40) + affected, 1e-5 * (rng.normal(size=40) + 9 * affected)])
    targets = np.where(affected, 11 / 12, 1 / 32)
    slopes, intercepts = fit_calibrations(decisions, affected, shares)
    for row, scale in enumerate((1.0, 1e-5)):

        def loss(parameters: np.ndarray, row: int = row, scale: float = scale) -> float:
            values = parameters[0] * decisions[row] / scale + parameters[1]
            return float((shares * (np.logaddexp(0, values) - targets * values)).sum())

        expected = minimize(loss, [0.0, 0.0], tol=1e-10).x
        np.testing.assert_allclose([slopes[row] * scale, intercepts[row]], expected, rtol=1e-3)


def test_decision_values_against_the_truth_give_about_one_half_in_their_own_order() -> None:
    affected = np.arange(40) % 2 == 0
    decisions = np.where(affected, -1.0, 1.0)[None] + np.linspace(0, 0.1, 40)
    slopes, intercepts = fit_calibrations(decisions, affected, np.ones(40))
    probabilities = logistic(slopes[:, None] * decisions + intercepts[:, None])[0]
    assert abs(probabilities - 0.5).max() < 0.01
    assert (probabilities.argsort() == decisions[0].argsort()).all()
