from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.statistics.sign_flips import flip_signs


def test_all_signs_of_few_units_are_tried() -> None:
    assert flip_signs(np.array([1.0, 2, 3]), seed=0) == 2 / 8
    assert flip_signs(np.array([1.0, 2, -3]), seed=0) == 1
    assert flip_signs([1.0, -1.0]) == 1
    assert flip_signs([0.1, 0.2, -0.3]) == flip_signs([-0.3, 0.2, 0.1]) == 1  # their sums differ by rounding
    assert np.isnan(flip_signs(np.array([1.0]), seed=0))


def test_many_units_agree_with_the_t_test() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 40)
    assert flip_signs(values, seed=1) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)
