from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from core.errors import DatasetError
from recognition.explanation.questions.age_groups import (
    Maps,
    compare_ages,
    compute_occlusion_maps,
    permutation_values,
    permute_groups,
    resample_groups,
)
from tests.recognition.explanation.questions.faces import AGES, make_ensemble, make_stack


def embed_pixels(maps: Maps) -> np.ndarray:
    return maps.reshape(len(maps), -1).astype(np.float64)


def permute(difference: float, seed: int, permutations: int = 199) -> float:
    """The p-value of two groups of 10 simulated maps of 8 pixels, whose means differ in each pixel."""
    generator = np.random.default_rng(seed)
    some, others = generator.normal(size=(2, 10, 2, 4)).astype(np.float32)
    return permutation_values(*permute_groups(some, others + difference, embed_pixels, permutations, generator))[0]


def test_p_values_are_uniform_where_nothing_differs() -> None:
    values = [permute(0, seed) for seed in range(200)]
    # p takes the values k / 200; a random part of a step makes it continuous
    steps = np.random.default_rng(0).uniform(0, 1 / 200, 200)
    assert kstest(np.array(values) - steps, "uniform").pvalue > 0.01


def test_a_large_difference_is_found() -> None:
    assert max(permute(1.0, seed) for seed in range(5)) < 0.02


def test_the_interval_of_a_distance_holds_the_true_one() -> None:
    held = []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        some, others = generator.normal(size=(2, 20, 2, 4)).astype(np.float32)
        embedded = [embed_pixels(maps.mean(axis=0)[None])[0] for maps in (some, others + 1.0)]
        distance = float(np.linalg.norm(embedded[0] - embedded[1]))
        low, high = resample_groups(some, others + 1.0, distance, embed_pixels, generator)
        held.append(low < 8**0.5 < high)
    assert np.mean(held) > 0.8


def test_the_published_value_counts_smaller_distances() -> None:
    assert permutation_values(2.0, np.array([1.0, 2.0, 3.0, 0.5])) == (3 / 5, 0.5)


def test_the_group_whose_maps_differ_comes_first_and_persons_are_averaged() -> None:
    stack = make_stack(persons=8, images=2)
    generator = np.random.default_rng(0)
    maps = generator.normal(size=(len(stack), 2, 4)).astype(np.float32)
    for row, sample in enumerate(stack.samples):
        if (sample.condition, sample.age_group) == ("WS", AGES[1]):
            maps[row] += 3
    pairs = compare_ages(maps, stack, AGES, embed_pixels, permutations=199)
    assert [(pair.condition, pair.first_persons) for pair in pairs] == [("WS", 8), ("unaffected", 8)]
    assert pairs[0].p == 1 / 200
    assert pairs[0].published == 1.0
    assert pairs[0].holm == pairs[0].bonferroni == 2 / 200


def test_small_groups_are_refused() -> None:
    stack = make_stack(persons=4, images=3)
    with pytest.raises(DatasetError):
        compare_ages(np.zeros((len(stack), 2, 2), np.float32), stack, AGES, embed_pixels)


def test_occlusion_maps_are_the_mean_over_the_folds() -> None:
    stack = make_stack(persons=1, images=1)
    both, first, second = (
        compute_occlusion_maps(make_ensemble(*seeds), stack, window=16, stride=16) for seeds in ((1, 2), (1,), (2,))
    )
    assert both.shape == (len(stack), 32, 32)
    np.testing.assert_allclose(both, (first + second) / 2, atol=1e-6)
    assert (first < 0).any()
