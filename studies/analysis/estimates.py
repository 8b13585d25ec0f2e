"""Shares of right answers with intervals that hold for other participants and other faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.statistics.shares import bound_share
from studies.analysis.crossed_answers import Floats, number_names
from studies.answers.table import Answer


@dataclass(frozen=True)
class Estimate:
    """A value with the bounds of its interval."""

    value: float
    low: float
    high: float


def estimate_share(answers: Sequence[Answer]) -> Estimate:
    """Estimate the share of right answers, over all participants and all faces, with its interval of 95 %.

    The variance counts participants and faces as random (two-way clusters, Cameron, Gelbach and Miller 2011). The
    interval is Wilson's for the number of independent answers with this variance, with Student's quantile for the
    smaller number of the two.
    """
    from scipy.special import stdtrit

    correct = np.array([answer.correct for answer in answers], dtype=np.float64)
    share, count = float(correct.mean()), correct.size
    groups = [number_names([one.participant for one in answers]), number_names([one.face for one in answers])]
    sizes = [size for size in (int(group.max()) + 1 for group in groups) if size > 1]
    fewest = min(sizes, default=1)
    if share in (0, 1):
        effective = float(fewest)
    else:
        variances = [_sum_squares(correct - share, group) / count**2 for group in groups if group.max()]
        single = share * (1 - share) / count
        total = sum(variances) - single if len(variances) == 2 else max(variances, default=single)
        effective = share * (1 - share) / max(total, single)
    return Estimate(share, *bound_share(share, effective, float(stdtrit(max(1, fewest - 1), 0.975))))


def _sum_squares(deviations: Floats, group: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    """Sum the squared sums of groups, corrected for their number."""
    sums = np.bincount(group, deviations)
    return float((sums**2).sum() * sums.size / (sums.size - 1))
