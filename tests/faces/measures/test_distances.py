"""Distances between sets of features, against closed forms and slow references."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import ConfigError
from faces.measures.distances import Moments, coverage, frechet, kernel, moments, nearest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def gaussian(mean: list[float], covariance: list[list[float]]) -> Moments:
    return Moments(np.array(mean), np.array(covariance), 100)


def test_moments_are_those_of_numpy(rng: np.random.Generator) -> None:
    x = rng.standard_normal((50, 4)) + 3
    found = moments(x)
    np.testing.assert_allclose(found.mean, x.mean(axis=0))
    np.testing.assert_allclose(found.covariance, np.cov(x.T), atol=1e-12)
    assert found.count == 50


def test_frechet_of_axis_aligned_gaussians() -> None:
    a, b = gaussian([0, 0], [[4, 0], [0, 9]]), gaussian([3, 4], [[1, 0], [0, 16]])
    assert frechet(a, b) == pytest.approx(25 + (2 - 1) ** 2 + (3 - 4) ** 2)


def test_frechet_of_gaussians_whose_covariances_do_not_commute() -> None:
    """In two dimensions tr (AB)^½ = (tr AB + 2 (det A det B)^½)^½."""
    a, b = np.array([[2.0, 0.9], [0.9, 1.0]]), np.array([[1.0, -0.5], [-0.5, 3.0]])
    assert np.abs(a @ b - b @ a).max() > 0.5
    overlap = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a) * np.linalg.det(b)))
    expected = np.trace(a) + np.trace(b) - 2 * overlap
    assert frechet(Moments(np.zeros(2), a, 9), Moments(np.zeros(2), b, 9)) == pytest.approx(expected)


def test_frechet_is_symmetric_turns_with_the_axes_and_vanishes_for_equals(rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((80, 6)), rng.standard_normal((70, 6)) @ rng.standard_normal((6, 6)) + 1
    a, b = moments(x), moments(y)
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    assert frechet(a, b) == pytest.approx(frechet(b, a))
    assert frechet(moments(x @ turn + 5), moments(y @ turn + 5)) == pytest.approx(frechet(a, b))
    assert frechet(moments(3 * x), moments(3 * y)) == pytest.approx(9 * frechet(a, b))
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_of_fewer_pictures_than_numbers(rng: np.random.Generator) -> None:
    """Singular covariances: two sets that differ by a shift are the square of it apart."""
    x = rng.standard_normal((5, 20))
    assert frechet(moments(x), moments(x + 0.5)) == pytest.approx(20 * 0.25, rel=1e-6)


def test_kernel_is_the_unbiased_estimate_by_the_definition(rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((9, 3)) + 1

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 3 + 1) ** 3)

    within_x = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    within_y = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    between = np.mean([k(a, b) for a in x for b in y])
    found = kernel(x, y)
    assert found.value == pytest.approx(within_x + within_y - 2 * between)
    assert np.isnan(found.standard_error)  # too few for two subsets


def test_kernel_does_not_lean_to_one_side_and_its_error_is_of_the_right_size() -> None:
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        found.append(kernel(rng.standard_normal((200, 4)), rng.standard_normal((200, 4)), seed=seed))
    values = np.array([f.value for f in found])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(30)
    assert 0.5 < np.mean([f.standard_error for f in found]) / values.std() < 4
    rng = np.random.default_rng(99)
    apart = kernel(rng.standard_normal((200, 4)), rng.standard_normal((200, 4)) + 1)
    assert apart.value > 5 * apart.standard_error


def test_nearest_is_that_of_all_pairs(rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((40, 5)), rng.standard_normal((30, 5))
    gaps = np.linalg.norm(x[:, None] - y[None], axis=2)
    distance, place = nearest(x, y)
    np.testing.assert_allclose(distance, gaps.min(axis=1))
    np.testing.assert_array_equal(place, gaps.argmin(axis=1))
    own = np.linalg.norm(y[:, None] - y[None], axis=2) + np.diag(np.full(30, np.inf))
    np.testing.assert_allclose(nearest(y, y, leave_out_self=True)[0], own.min(axis=1))
    assert nearest(y, y)[0].max() == 0


def test_nearest_beyond_one_block_leaves_out_the_right_one(rng: np.random.Generator) -> None:
    y = np.arange(5_000, dtype=np.float32)[:, None]
    distance, place = nearest(y, y, leave_out_self=True)
    assert set(distance) == {1.0}
    assert (np.abs(place - np.arange(5_000)) == 1).all()


def test_coverage_tells_invention_from_collapse(rng: np.random.Generator) -> None:
    two = np.concatenate([rng.standard_normal((60, 3)), rng.standard_normal((60, 3)) + 50])
    again = np.concatenate([rng.standard_normal((60, 3)), rng.standard_normal((60, 3)) + 50])
    both = coverage(two, again)
    assert both.precision > 0.8
    assert both.recall > 0.8
    one = coverage(two, rng.standard_normal((120, 3)))
    assert one.precision > 0.8
    assert one.recall == pytest.approx(0.5, abs=0.1)
    invented = coverage(rng.standard_normal((120, 3)), again)
    assert invented.precision == pytest.approx(0.5, abs=0.1)
    assert invented.recall > 0.8


def test_what_is_no_features_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"features are \(1, 4\); expected \(n, d\) with n of 2 or more"):
        moments(np.zeros((1, 4)))
    with pytest.raises(ConfigError, match="not finite"):
        moments(np.array([[1.0], [np.nan]]))
    with pytest.raises(ConfigError, match="features of 2 and 3 numbers"):
        kernel(np.zeros((4, 2)), np.zeros((4, 3)))
    with pytest.raises(ConfigError, match="features of 2 and 3 numbers"):
        frechet(moments(np.zeros((4, 2))), moments(np.zeros((4, 3))))
