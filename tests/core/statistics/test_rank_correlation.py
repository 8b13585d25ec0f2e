from __future__ import annotations

import math

import numpy as np

from core.statistics.rank_correlation import compute_spearman


def test_spearman_of_known_orders() -> None:
    x = np.arange(5.0)
    rows = np.array([[1, 2, 3, 4, 9], [9, 4, 3, 2, 1], [1, 1, 1, 1, 1], [2, 1, 3, 4, 5], [1, 2, 2, 2, 3]], dtype=float)
    # one swap: 1 - 6·2/(5·24); a tie of three at mean rank: r = 8/√(10·8)
    np.testing.assert_allclose(compute_spearman(x, rows), [1, -1, math.nan, 0.9, 8 / math.sqrt(80)])
    np.testing.assert_allclose(compute_spearman(x, np.exp(rows)), compute_spearman(x, rows))
