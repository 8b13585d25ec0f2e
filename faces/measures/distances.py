"""Distances between two sets of pictures, computed from features (n, d) of them. Pure functions, in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError

Features = npt.NDArray[np.float64]
Float = TypeVar("Float", bound=np.floating[Any])

SMALLEST_SUBSET: Final = 50
"""Least number of pictures in each of the subsets from which a standard error is estimated."""

_BLOCK: Final = 2_048


@dataclass(frozen=True)
class Moments:
    """Moments of a set for the Fréchet distance: mean (d,), covariance (d, d), and the number of pictures."""

    mean: Features
    covariance: Features
    count: int


@dataclass(frozen=True)
class KernelDistance:
    """An unbiased estimate, which may fall below zero, and its standard error (NaN for too few pictures)."""

    value: float
    standard_error: float


def moments(features: Features) -> Moments:
    """Compute mean and unbiased covariance of features (n, d).

    Raises:
        ConfigError: fewer than two rows, or values that are not finite.
    """
    x = _check_features(features, least=2)
    mean = x.mean(axis=0)
    centred = x - mean
    return Moments(mean, centred.T @ centred / (len(x) - 1), len(x))


def frechet(a: Moments, b: Moments) -> float:
    """Compute the squared Fréchet distance of two Gaussians: |μa - μb|² + tr(Σa + Σb - 2(Σa Σb)^½). Heusel et al. 2017.

    It is larger for fewer pictures: compare only figures of equal counts. The trace of the root is the sum of the
    roots of the eigenvalues of Σa^½ Σb Σa^½, which is symmetric, so no general matrix root is needed.

    Raises:
        ConfigError: features of different sizes.
    """
    if a.mean.shape != b.mean.shape:
        raise ConfigError(f"features of {a.mean.size} and {b.mean.size} numbers; expected the same network's for both")
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    overlap = np.linalg.eigvalsh(root @ b.covariance @ root).clip(min=0)
    difference = a.mean - b.mean
    return float(difference @ difference + np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.sqrt(overlap).sum())


def kernel(a: Features, b: Features, *, seed: int = 0) -> KernelDistance:
    """Compute the unbiased squared maximum mean discrepancy under (x·y/d + 1)³, the kernel distance of Bińkowski et al.
    2018.

    The value takes all rows (n, d) and (m, d). The standard error is that of the mean over ten disjoint random
    subsets (fewer, where they would be smaller than 50 rows); all rows together do a little better than that.

    Raises:
        ConfigError: fewer than two rows, features of different sizes, or values that are not finite.
    """
    a, b = _check_features(a, least=2), _check_features(b, least=2)
    if a.shape[1] != b.shape[1]:
        raise ConfigError(f"features of {a.shape[1]} and {b.shape[1]} numbers; expected the same network's for both")
    rng = np.random.default_rng(seed)
    subsets = min(10, min(len(a), len(b)) // SMALLEST_SUBSET)
    error = float("nan")
    if subsets > 1:
        parts = zip(_split_at_random(a, subsets, rng), _split_at_random(b, subsets, rng), strict=True)
        values = [_estimate_kernel_distance(x, y) for x, y in parts]
        error = float(np.std(values, ddof=1) / np.sqrt(subsets))
    return KernelDistance(_estimate_kernel_distance(a, b), error)


def nearest(
    queries: npt.NDArray[np.floating], among: npt.NDArray[np.floating], *, leave_out_self: bool = False
) -> tuple[Features, npt.NDArray[np.int64]]:
    """Find the nearest of among (m, d) for each of queries (n, d): its Euclidean distance (n,) and its place (n,).

    With `leave_out_self` both are the same set, and no row is its own neighbour.
    """
    queries, among = queries.astype(np.float64), among.astype(np.float64)  # squares of float32 hide small distances
    squares = np.einsum("ij,ij->i", among, among)
    distance, place = np.empty(len(queries)), np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _BLOCK):
        rows = queries[start : start + _BLOCK]
        squared = squares - 2 * rows @ among.T
        if leave_out_self:
            squared[np.arange(len(rows)), np.arange(start, start + len(rows))] = np.inf
        here = squared.argmin(axis=1)
        place[start : start + len(rows)] = here
        distance[start : start + len(rows)] = np.linalg.norm(rows - among[here], axis=1)  # exact, without cancellation
    return distance, place


@dataclass(frozen=True)
class Coverage:
    """Precision (share of generated images among the real ones) and recall (share of real among generated ones)."""

    precision: float
    recall: float


def coverage(real: Features, generated: Features, *, neighbours: int = 3) -> Coverage:
    """Compute improved precision and recall (Kynkäänniemi et al. 2019). The support of a set is the union of balls
    around its members, each as large as the distance to the member's `neighbours`-th nearest member.

    Raises:
        ConfigError: no more pictures than neighbours, or values that are not finite.
    """
    real, generated = (_check_features(x, least=neighbours + 1) for x in (real, generated))
    between = _squared_distances(generated, real)
    return Coverage(
        precision=float((between <= _radii(real, neighbours)[None]).any(axis=1).mean()),
        recall=float((between <= _radii(generated, neighbours)[:, None]).any(axis=0).mean()),
    )


def drop_unknown_rows(features: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """Return the rows of features (n, d) that hold no NaN or infinity."""
    kept: npt.NDArray[Float] = features[np.isfinite(features).all(axis=1)]
    return kept


def _radii(x: Features, neighbours: int) -> Features:
    squared = _squared_distances(x, x)
    np.fill_diagonal(squared, 0)
    radii: Features = np.partition(squared, neighbours, axis=1)[:, neighbours]
    return radii


def _squared_distances(a: Features, b: Features) -> Features:
    aa, bb = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    squared: Features = (aa[:, None] + bb[None] - 2 * a @ b.T).clip(min=0)
    return squared


def _estimate_kernel_distance(a: Features, b: Features) -> float:
    n, m, d = len(a), len(b), a.shape[1]
    within_a = (_cubic_kernel(a, a).sum() - _cubic_kernel_diagonal(a).sum()) / (n * (n - 1))
    within_b = (_cubic_kernel(b, b).sum() - _cubic_kernel_diagonal(b).sum()) / (m * (m - 1))
    return float(within_a + within_b - 2 * _cubic_kernel(a, b).sum() / (n * m)) if d else 0.0


def _cubic_kernel(a: Features, b: Features) -> Features:
    values: Features = (a @ b.T / a.shape[1] + 1) ** 3
    return values


def _cubic_kernel_diagonal(a: Features) -> Features:
    values: Features = (np.einsum("ij,ij->i", a, a) / a.shape[1] + 1) ** 3
    return values


def _split_at_random(x: Features, subsets: int, rng: np.random.Generator) -> list[Features]:
    return np.array_split(x[rng.permutation(len(x))], subsets)


def _check_features(features: Features, *, least: int) -> Features:
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or len(x) < least:
        raise ConfigError(f"features are {x.shape}; expected (n, d) with n of {least} or more")
    if not np.isfinite(x).all():
        raise ConfigError(
            "features hold values that are not finite; the network that made them, or its input, is broken"
        )
    return x
