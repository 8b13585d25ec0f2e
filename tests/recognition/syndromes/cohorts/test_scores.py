from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from core.errors import DatasetError
from recognition.statistics import Interval
from recognition.syndromes.cohorts.scores import (
    bound_auc,
    compute_auc,
    measure_scores,
    summarise_intervals,
    summarise_runs,
    trace_roc,
)

LABELS = np.array([1, 1, 0, 0, 1, 0, 0])
PROBABILITIES = np.array([0.9, 0.5, 0.5, 0.1, 0.4, 0.4, 0.6])


def test_area_and_curve_agree_with_scikit_learn() -> None:
    assert compute_auc(LABELS, PROBABILITIES) == pytest.approx(roc_auc_score(LABELS, PROBABILITIES))
    curve = trace_roc(LABELS, PROBABILITIES)
    false, true, thresholds = roc_curve(LABELS, PROBABILITIES, drop_intermediate=False)
    assert curve.false_positives == pytest.approx(false)
    assert curve.true_positives == pytest.approx(true)
    assert curve.thresholds == pytest.approx(thresholds)


def test_shares_are_counted_on_either_side_of_the_threshold() -> None:
    scores = measure_scores(LABELS, PROBABILITIES)
    assert (scores.patients, scores.controls) == (3, 4)
    assert scores.sensitivity.value == pytest.approx(1 / 3)
    assert scores.specificity.value == pytest.approx(3 / 4)
    assert scores.specificity.low < 0.5 < scores.specificity.high < 1


@pytest.mark.parametrize("paired", [False, True])
def test_the_interval_of_an_area_holds_the_true_one_as_often_as_stated(paired: bool) -> None:
    """Patients score one deviation higher; the two of a pair have half of their variance in common."""
    generator, n = np.random.default_rng(0), 15
    labels, pairs = np.repeat([1, 0], n), np.tile(np.arange(n), 2)
    truth = float(norm.cdf(1 / math.sqrt(2)))
    inside, widths = 0, []
    for _ in range(400):
        common = np.tile(generator.normal(size=n), 2) if paired else generator.normal(size=2 * n)
        values = labels + common * math.sqrt(0.5) + generator.normal(size=2 * n) * math.sqrt(0.5)
        interval = bound_auc(labels, values, pairs if paired else None)
        inside += interval.low <= truth <= interval.high
        widths.append(interval.high - interval.low)
    assert 0.92 <= inside / 400 <= 0.985
    assert np.mean(widths) < 0.42


def test_a_perfect_area_has_an_interval_with_a_width() -> None:
    labels = np.array([1, 1, 1, 0, 0, 0])
    assert bound_auc(labels, labels.astype(float)).low == pytest.approx(0.025 ** (1 / 3))
    assert bound_auc(labels, 1.0 - labels).high == pytest.approx(1 - 0.025 ** (1 / 3))
    assert bound_auc(np.array([1, 0, 0]), np.array([0.5, 0.6, 0.4])).low == 0


def test_an_area_without_variance_has_an_interval_with_a_width() -> None:
    labels, pairs = np.repeat([1, 0], 4), np.tile(np.arange(4), 2)
    equal = bound_auc(labels, np.full(8, 0.3), pairs)
    assert equal.low < 0.2 < 0.8 < equal.high
    balanced = bound_auc(labels, np.array([2.0, 1, 1, 2, 1, 0, 0, 1]), pairs)  # the deviations of each pair cancel
    assert balanced.value == 0.875
    assert balanced.low < 0.6 < balanced.high


def test_the_interval_over_runs_is_that_of_a_run() -> None:
    spread = summarise_intervals([Interval(0.6, 0.5, 0.7), Interval(0.8, 0.7, 0.9)])
    assert (spread.mean, spread.low, spread.high) == pytest.approx((0.7, 0.6, 0.8))


def test_spread_and_bad_input() -> None:
    assert summarise_runs([0.5, 0.7]) == pytest.approx(summarise_runs([0.7, 0.5]))
    assert summarise_runs([0.5, 0.7]).deviation == pytest.approx(math.sqrt(0.02))
    assert math.isnan(summarise_runs([0.5]).deviation)
    with pytest.raises(DatasetError):
        measure_scores(np.ones(3, dtype=np.int64), np.ones(3))
