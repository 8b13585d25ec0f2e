from __future__ import annotations

import numpy as np
import pytest

from core.errors import ConfigError, DatasetError
from studies.gaze.maps.map_similarity import (
    compare_with_saliency,
    compute_iou,
    compute_symmetric_kl,
)

FIRST = np.array([[4, 3], [2, 1]], dtype=np.float32)


def test_iou_compares_the_highest_cells() -> None:
    assert compute_iou(FIRST, FIRST, 0.5) == 1
    assert compute_iou(FIRST, FIRST[::-1], 0.5) == 0
    assert compute_iou(FIRST, FIRST.T, 0.5) == pytest.approx(1 / 3)
    assert compute_iou(FIRST, np.zeros_like(FIRST), 0.5) == 0


def test_symmetric_kl_is_the_sum_of_both_directions() -> None:
    one, other = FIRST / FIRST.sum(), FIRST[::-1] / FIRST.sum()
    expected = (one * np.log(one / other)).sum() + (other * np.log(other / one)).sum()
    assert compute_symmetric_kl(7 * FIRST, FIRST[::-1]) == pytest.approx(float(expected), rel=1e-4)
    assert compute_symmetric_kl(FIRST, FIRST) == 0
    assert np.isfinite(compute_symmetric_kl(FIRST, np.eye(2, dtype=np.float32)))


def test_maps_of_the_same_image_are_told_from_those_of_others() -> None:
    generator = np.random.default_rng(0)
    heat = {f"A_{n}": generator.random((8, 8), dtype=np.float32) for n in range(12)}
    own = {name: np.kron(array, np.ones((4, 4), dtype=np.float32)) for name, array in heat.items()}
    rows = compare_with_saliency(heat, own, seed=1, permutations=199)
    assert [row.mean for row in rows] == pytest.approx([1, 1, 1, 0], abs=1e-5)
    assert all(row.p == 1 / 200 for row in rows)
    one, other = heat["A_0"], heat["A_1"]
    pair = compare_with_saliency({"a": one, "b": other, "c": one}, {"a": other, "b": one, "c": other}, 1, (0.2,), 9)
    assert pair[0].mean == pytest.approx(compute_iou(one, other, 0.2))
    assert pair[1].mean == pytest.approx(compute_symmetric_kl(one, other))
    unrelated = {name: generator.random((8, 8), dtype=np.float32) for name in heat}
    assert min(row.p for row in compare_with_saliency(heat, unrelated, seed=1, permutations=199)) > 0.01


def test_too_few_images_or_odd_shares_are_refused() -> None:
    maps = {f"A_{n}": FIRST for n in range(4)}
    with pytest.raises(DatasetError):
        compare_with_saliency(maps, {"A_1": FIRST}, seed=0)
    with pytest.raises(ConfigError):
        compare_with_saliency(maps, maps, seed=0, shares=(1.0,))
