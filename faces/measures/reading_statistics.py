"""Statistics for evaluation, from readings of images: pure functions, no files, no networks.

Identities are readings standardised over phantoms, so 1 is the deviation between people in the population.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from core.statistics.rank_correlation import compute_spearman

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Accuracy:
    """Share of images whose reading agrees with the requested class.

    Attributes:
        overall: share of all images.
        by_class: share of the images of each requested class; NaN for a class that was not requested.
        asked, read: names of the rows and of the columns.
        confusion: number of images by requested class (rows) and read class (columns).
    """

    overall: float
    by_class: tuple[float, ...]
    asked: tuple[str, ...]
    read: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]


def accuracy(asked: Places, read: Places, asked_names: Sequence[str], read_names: Sequence[str]) -> Accuracy:
    """Compute the accuracy of places (n,) among the names; an answer is right if the names are equal.

    Raises:
        ConfigError: no image, or counts that differ.
    """
    if not len(asked) == len(read) > 0:
        raise ConfigError(f"{len(asked)} labels and {len(read)} readings; expected as many, 1 or more")
    confusion = np.zeros((len(asked_names), len(read_names)), dtype=np.int64)
    np.add.at(confusion, (asked, read), 1)
    right = np.array([[a == r for r in read_names] for a in asked_names])
    hits, totals = (confusion * right).sum(axis=1), confusion.sum(axis=1)
    return Accuracy(
        overall=float(hits.sum() / len(asked)),
        by_class=tuple(float(h / t) if t else float("nan") for h, t in zip(hits, totals, strict=True)),
        asked=tuple(asked_names),
        read=tuple(read_names),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


@dataclass(frozen=True)
class Drift:
    """Identity within a person against the spread between people.

    Attributes:
        within: root of the mean, over people, steps and entries, of the squared deviation from the person's own mean
            (divided by steps - 1).
        between: root of the mean, over people and entries, of the squared deviation of a person's mean from the mean
            of the people of the same condition (divided by people - 1).
        ratio: within / between.
    """

    within: float
    between: float
    ratio: float


def drift(identity: Array, groups: Places) -> Drift:
    """Compute the drift of identities (people, steps, d); people belong to groups (people,), their conditions.

    Raises:
        ConfigError: fewer than two steps, or no group with two people.
    """
    people, steps, d = identity.shape
    persons = identity.mean(axis=1)
    squares, freedom = 0.0, 0
    for group in np.unique(groups):
        members = persons[groups == group]
        squares += float(((members - members.mean(axis=0)) ** 2).sum())
        freedom += len(members) - 1
    if steps < 2 or freedom < 1:
        raise ConfigError(f"{people} people at {steps} steps; expected two steps, and two people of one condition")
    within = float(np.sqrt(((identity - persons[:, None]) ** 2).sum() / (people * (steps - 1) * d)))
    between = float(np.sqrt(squares / (freedom * d)))
    return Drift(within, between, within / between if between else float("inf"))


@dataclass(frozen=True)
class Response:
    """Relation of the read probability of the first condition to its weight in a blend.

    Attributes:
        rising: share of people whose rank correlation of weight and probability is 0.9 or more: of five weights, at
            most one pair of neighbours stands the wrong way round.
        strictly_rising: share of people with every step upwards.
        correlation: mean rank correlation.
        weights, probability: mean probability at each weight.
    """

    rising: float
    strictly_rising: float
    correlation: float
    weights: tuple[float, ...]
    probability: tuple[float, ...]


def response(weights: Array, log_probability: Array) -> Response:
    """Compute the response of log-probabilities (people, k) to rising weights (k,).

    Logarithms in float64 are needed, because different probabilities near 1 become equal in floating point.
    """
    ranks = np.nan_to_num(compute_spearman(weights, log_probability))  # equal probabilities have no order
    return Response(
        rising=float((ranks >= 0.9 - 1e-9).mean()),
        strictly_rising=float((np.diff(log_probability, axis=1) > 0).all(axis=1).mean()),
        correlation=float(ranks.mean()),
        weights=tuple(float(w) for w in weights),
        probability=tuple(float(p) for p in np.exp(log_probability).mean(axis=0)),
    )


@dataclass(frozen=True)
class Spread:
    """Spread of the identity within each cell (condition and age), relative to real images of the same cell.

    Attributes:
        ratio: by cell; NaN where either side has fewer than two images.
        mean, least: over the cells that have a ratio.
    """

    ratio: tuple[float, ...]
    mean: float
    least: float


def spread(generated: Array, generated_cells: Places, real: Array, real_cells: Places, cells: int) -> Spread:
    """Compute the spread of identities (n, d) and (m, d) in cells numbered from 0.

    The spread of a cell is the root of the mean variance of the entries.

    Raises:
        ConfigError: no cell has two images on both sides.
    """
    ratio = [
        _deviation(generated[generated_cells == cell]) / _deviation(real[real_cells == cell]) for cell in range(cells)
    ]
    known = [value for value in ratio if np.isfinite(value)]
    if not known:
        raise ConfigError("no condition and age has two generated and two real images; ask for more")
    return Spread(tuple(ratio), float(np.mean(known)), min(known))


def _deviation(x: Array) -> float:
    return float(np.sqrt(x.var(axis=0, ddof=1).mean())) if len(x) > 1 else float("nan")


@dataclass(frozen=True)
class Neighbours:
    """Closeness of generated images to the training images, compared with images that were never trained on.

    Attributes:
        generated, held_out: median distance to the nearest training image.
        ratio: generated / held_out. Copies of training images bring it close to 0.
        nearer: share of generated images that are nearer than all but one in a hundred of the held-out ones: 0.01 is
            expected for images that are as new as those.
    """

    generated: float
    held_out: float
    ratio: float
    nearer: float


def neighbours(generated: Array, held_out: Array) -> Neighbours:
    """Compute the closeness to the training images from distances (n,) and (m,) to the nearest of them."""
    ours, theirs = float(np.median(generated)), float(np.median(held_out))
    near = float((generated < np.quantile(held_out, 0.01)).mean())
    return Neighbours(ours, theirs, ours / theirs if theirs else float("inf"), near)
