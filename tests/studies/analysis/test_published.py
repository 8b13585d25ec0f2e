from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.errors import ConfigError
from studies.analysis.published import compute_paired_p, compute_student_p, published_t_test

TABLES = [
    (357, 425, 126, 160, 0.13621),
    (77, 111, 288, 346, 0.00148),
    (180, 226, 25, 39, 0.03226),
    (230, 276, 228, 247, 0.00185),
    (136, 224, 112, 224, 0.02254),
    (92, 223, 80, 224, 0.22953),
    (135, 224, 120, 224, 0.15307),
    (147, 224, 118, 224, 0.00524),
]
"""Correct and all answers, and p, of Tables 2 and 4 of Patel et al. 2024."""


@pytest.mark.parametrize(("correct_a", "n_a", "correct_b", "n_b", "p"), TABLES)
def test_the_published_p_values_are_repeated(correct_a: int, n_a: int, correct_b: int, n_b: int, p: float) -> None:
    assert published_t_test(correct_a, n_a, correct_b, n_b) == pytest.approx(p, abs=6e-6)


def test_counts_and_rows_give_the_same_p() -> None:
    first, second = [1.0] * 7 + [0.0] * 5, [1.0] * 3 + [0.0] * 8
    expected = stats.ttest_ind(first, second).pvalue
    assert compute_student_p(first, second) == pytest.approx(expected)
    assert published_t_test(7, 12, 3, 11) == pytest.approx(expected)


def test_paired_p_is_that_of_scipy() -> None:
    values = np.random.default_rng(5).normal(0.7, 0.1, 30).tolist()
    assert compute_paired_p(values, 0.75) == pytest.approx(stats.ttest_1samp(values, 0.75).pvalue)
    assert compute_paired_p(values, values[::-1]) == pytest.approx(stats.ttest_rel(values, values[::-1]).pvalue)


def test_answers_without_variation_have_a_p() -> None:
    assert published_t_test(4, 4, 5, 5) == 1
    assert published_t_test(4, 4, 0, 5) == 0


@pytest.mark.parametrize("counts", [(5, 4, 1, 2), (-1, 4, 1, 2), (0, 0, 1, 2), (1, 1, 0, 1)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ConfigError):
        published_t_test(*counts)
