from __future__ import annotations

import pytest
from scipy.stats import binomtest

from core.statistics.shares import bound_share


@pytest.mark.parametrize(("right", "count"), [(0, 5), (3, 7), (40, 41), (9, 9)])
def test_bounds_are_those_of_wilson(right: int, count: int) -> None:
    interval = binomtest(right, count).proportion_ci(method="wilson")
    assert bound_share(right / count, count) == pytest.approx((interval.low, interval.high))


def test_nothing_is_known_without_observations() -> None:
    assert bound_share(0.0, 0) == (0, 1)
