"""Cluster-based permutation test of paired differences of maps (Maris and Oostenveld 2007)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from core.statistics.sign_flips import generate_signs, rank_extremes
from studies.gaze.recordings.delimited_files import Floats

FLIPS: Final = 1999
FORMING_P: Final = 0.05


@dataclass(frozen=True)
class Cluster:
    """Connected cells where the difference has one sign.

    Attributes:
        sign: 1 or -1.
        cells: their number.
        mass: sum of |t| over the cells.
        row, column: their mean place, in cells.
        p: share of assignments of signs whose largest cluster, of either sign, has at least this mass. It speaks of the
            cluster as a whole and not of a single cell or of the exact outline.
    """

    sign: int
    cells: int
    mass: float
    row: float
    column: float
    p: float


@dataclass(frozen=True)
class ClusterTest:
    """Result of the test.

    Attributes:
        difference: (h, w) mean over units.
        labels: (h, w) number of the cluster of each cell from 1, in the order of `clusters`; 0 for none.
        clusters: by their mass, largest first.
        units: number of participants.
    """

    difference: Floats
    labels: npt.NDArray[np.int64]
    clusters: tuple[Cluster, ...]
    units: int


def find_clusters(differences: Floats, seed: int, flips: int = FLIPS) -> ClusterTest:
    """Find clusters in the mean of differences and compute their p by flipping the signs of units.

    Args:
        differences: (units, h, w), of three or more units.
        seed: of the random signs.
        flips: number of random assignments; all are taken where there are few units.

    Raises:
        ConfigError: fewer than three units.
    """
    from scipy import stats

    units, *shape = differences.shape
    if units < 3:
        raise ConfigError(f"a cluster test of {units} participants; expected three or more with both variants")
    threshold = float(stats.t.ppf(1 - FORMING_P / 2, units - 1))
    flat = differences.reshape(units, -1).astype(np.float64)
    squares = (flat**2).sum(axis=0)
    t = _compute_t(flat.sum(axis=0)[None], squares, units)[0].reshape(shape)
    found = [part for sign in (1, -1) for part in _label(t * sign, threshold, sign)]
    found.sort(key=lambda part: -part[1])
    extreme = np.zeros(len(found), dtype=np.int64)
    if found:
        masses = np.array([mass for _, mass, _ in found]) * (1 - 1e-9)
        for signs in generate_signs(units, flips, seed):
            for one in _compute_t(signs @ flat, squares, units):
                extreme += _find_largest(one.reshape(shape), threshold) >= masses
    labels = np.zeros(shape, dtype=np.int64)
    clusters = []
    for number, (mask, mass, sign) in enumerate(found, 1):
        labels[mask] = number
        rows, columns = np.nonzero(mask)
        p = rank_extremes(int(extreme[number - 1]), units, flips)
        clusters.append(Cluster(sign, len(rows), mass, float(rows.mean()), float(columns.mean()), p))
    return ClusterTest(differences.mean(axis=0), labels, tuple(clusters), units)


def _compute_t(sums: Floats, squares: Floats, units: int) -> Floats:
    """Compute t of sums (m, cells) of values with the given sums of squares (cells,); 0 where nothing varies."""
    variance = (squares - sums**2 / units).clip(min=0) / (units - 1)
    spread = np.sqrt(variance * units)
    return np.divide(sums, spread, out=np.zeros_like(sums), where=spread > 1e-12 * np.sqrt(squares))


def _label(t: Floats, threshold: float, sign: int) -> list[tuple[npt.NDArray[np.bool_], float, int]]:
    """Find the connected cells with t above the threshold: mask, mass and sign of each cluster."""
    from scipy.ndimage import label

    labels, count = label(t > threshold)
    return [(mask, float(t[mask].sum()), sign) for mask in (labels == number for number in range(1, count + 1))]


def _find_largest(t: Floats, threshold: float) -> float:
    """Find the largest mass of a cluster of either sign."""
    from scipy.ndimage import label

    largest = 0.0
    for side in (t, -t):
        labels, count = label(side > threshold)
        if count:
            largest = max(largest, float(np.bincount(labels.ravel(), side.ravel(), count + 1)[1:].max()))
    return largest
