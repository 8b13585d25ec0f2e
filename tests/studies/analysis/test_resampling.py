"""Bootstrap, permutation tests and rank correlation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.errors import ConfigError
from studies.analysis.bootstrap import bootstrap_difference
from studies.analysis.correlation import correlate_ranks
from studies.analysis.permutation import permute_variants
from tests.studies.analysis.test_mixed_model import simulate


def test_the_bootstrap_is_of_the_mean_difference_of_faces() -> None:
    answers = simulate(30, 20, 0.8, seed=2)
    estimate = bootstrap_difference(answers)
    by_face = [
        [answers.correct[(answers.faces == face) & (answers.second == place)].mean() for face in range(20)]
        for place in (0, 1)
    ]
    assert estimate.value == pytest.approx(np.mean(by_face[1]) - np.mean(by_face[0]))
    assert estimate.low < estimate.value < estimate.high
    assert bootstrap_difference(answers) == estimate
    with pytest.raises(ConfigError):
        bootstrap_difference(answers, resamples=10)


def test_permutations_find_an_effect_and_are_uniform_without_one() -> None:
    assert permute_variants(simulate(30, 20, 1.5, seed=2), permutations=500) < 0.01
    generator = np.random.default_rng(1)
    answers = simulate(10, 8, 0.0, seed=0)
    drawn = []
    for _ in range(40):
        object.__setattr__(answers, "correct", generator.integers(0, 2, answers.correct.size).astype(np.float64))
        drawn.append(permute_variants(answers, permutations=199))
    assert stats.kstest(drawn, "uniform").pvalue > 0.01
    with pytest.raises(ConfigError):
        permute_variants(answers, permutations=10)


def test_rank_correlation_is_spearmans() -> None:
    generator = np.random.default_rng(0)
    first = generator.integers(0, 6, 40).astype(float)
    second = first + generator.normal(0, 3, 40)
    correlation = correlate_ranks(first.tolist(), second.tolist())
    expected = stats.spearmanr(first, second)
    assert correlation is not None
    assert correlation.value == pytest.approx(expected.statistic)
    assert correlation.p == pytest.approx(expected.pvalue, abs=0.02)
    assert correlate_ranks([1, 1, 1, 1], [1, 2, 3, 4]) is None
    with pytest.raises(ConfigError):
        correlate_ranks([1, 2], [1, 2, 3])
