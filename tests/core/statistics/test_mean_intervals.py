from __future__ import annotations

import math

import pytest
from scipy import stats

from core.statistics.mean_intervals import bound_mean


def test_the_interval_is_students() -> None:
    values = [1.0, 2.5, 4.0, 3.0]
    expected = stats.t.interval(0.9, 3, sum(values) / 4, stats.sem(values))
    assert bound_mean(values, 0.9) == pytest.approx((2.625, *expected))


def test_one_value_has_no_interval() -> None:
    mean, low, high = bound_mean([2.0])
    assert mean == 2
    assert math.isnan(low)
    assert math.isnan(high)
