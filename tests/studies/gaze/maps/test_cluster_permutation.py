from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from core.errors import ConfigError
from studies.gaze.maps.cluster_permutation import find_clusters


def draw(units: int, generator: np.random.Generator) -> np.ndarray:  # type: ignore[type-arg]
    return gaussian_filter(generator.normal(size=(units, 16, 16)), (0, 2, 2)) * 4


def test_a_difference_is_found_where_it_is() -> None:
    differences = draw(14, np.random.default_rng(0))
    differences[:, 3:7, 3:7] += 2
    test = find_clusters(differences, seed=1, flips=499)
    first = test.clusters[0]
    assert (first.sign, first.p) == (1, 1 / 500)
    assert (first.row, first.column) == (pytest.approx(4.5, abs=1.5), pytest.approx(4.5, abs=1.5))
    assert (test.labels == 1).sum() == first.cells
    assert (test.difference[test.labels == 1] > 0).all()


def test_the_level_holds_over_the_whole_map() -> None:
    generator = np.random.default_rng(1)
    tests = [find_clusters(draw(6, generator), seed=2) for _ in range(60)]
    share = np.mean([any(cluster.p <= 0.05 for cluster in test.clusters) for test in tests])
    assert share < 0.15


def test_maps_without_any_difference_have_no_clusters() -> None:
    assert find_clusters(np.zeros((4, 5, 5)), seed=0).clusters == ()
    with pytest.raises(ConfigError):
        find_clusters(np.zeros((2, 5, 5)), seed=0)
