from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, hypergeom, mannwhitneyu

from core.errors import ConfigError
from core.statistics.detection import compute_precedence_p, measure_area, measure_detection
from core.statistics.shares import bound_share_exactly


def test_area_and_p_are_those_of_mann_and_whitney_with_ties() -> None:
    rng = np.random.default_rng(0)
    positives, negatives = rng.integers(2, 12, 40).astype(float), rng.integers(0, 10, 60).astype(float)
    other = mannwhitneyu(positives, negatives, alternative="greater", method="asymptotic", use_continuity=False)
    area = measure_area(positives, negatives)
    assert area.area == pytest.approx(other.statistic / (40 * 60))
    assert area.p == pytest.approx(other.pvalue)
    assert measure_area(np.ones(5), np.ones(5)).p == 1


def test_the_interval_of_the_area_covers_the_truth_as_often_as_it_says() -> None:
    """Normal scores one deviation apart have an area of 0.76."""
    rng, covered = np.random.default_rng(1), 0
    for _ in range(400):
        area = measure_area(rng.normal(1, 1, 60), rng.normal(0, 1, 90))
        covered += area.low <= 0.76025 <= area.high
    assert 0.92 <= covered / 400 <= 0.98


def test_complete_separation_has_an_interval_with_width() -> None:
    above, below = np.arange(10.0) + 20, np.arange(50.0) - 40
    area = measure_area(above, below)
    assert (area.area, area.high) == (1, 1)
    assert area.low == pytest.approx(bound_share_exactly(10, 10)[0])
    assert measure_area(below, above).high == pytest.approx(1 - area.low)


def test_the_rate_counts_positives_above_what_few_negatives_exceed() -> None:
    negatives = np.arange(1000.0)
    rate = measure_detection(np.array([998.5, 500.0, 2000.0, 989.5]), negatives, 0.01)
    assert (rate.false_found, rate.negatives, rate.rate, rate.positives) == (10, 1000, 0.75, 4)
    assert (rate.low, rate.high) == bound_share_exactly(3, 4)
    assert measure_detection(negatives, negatives, 0.001).false_found == 1
    assert measure_detection(np.ones(3), np.ones(50), 0.1).rate == 0  # ties are not above


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (3, 7), (41, 41)])
def test_exact_bounds_are_those_of_clopper_and_pearson(hits: int, count: int) -> None:
    interval = binomtest(hits, count).proportion_ci(method="exact")
    assert bound_share_exactly(hits, count) == pytest.approx((interval.low, interval.high))


def test_the_test_of_precedence_holds_its_level_and_sees_copies() -> None:
    rng = np.random.default_rng(2)
    p = np.array([compute_precedence_p(rng.normal(size=80), rng.normal(size=120), 6) for _ in range(500)])
    for level in (p[p < 0.1].max(), np.median(p)):  # the numbers that p can take
        assert (p <= level).mean() == pytest.approx(level, abs=0.06)
    sought, reference = np.array([1.0, 2, 3, 9]), np.array([2.5, 4, 5, 6, 7])  # two of four before the first of five
    assert compute_precedence_p(sought, reference, 1) == pytest.approx(hypergeom.cdf(0, 9, 5, 2))
    assert compute_precedence_p(rng.normal(-3, 1, 80), rng.normal(size=120), 6) < 1e-9


def test_scores_that_cannot_be_measured_are_refused() -> None:
    for positives, negatives in ((np.ones(1), np.ones(5)), (np.array([1, np.nan]), np.ones(5))):
        with pytest.raises(ConfigError):
            measure_area(positives, negatives)
    with pytest.raises(ConfigError):
        measure_detection(np.ones(3), np.ones(3), 1.0)
