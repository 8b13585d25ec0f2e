"""Closeness of generated images to the training people, against that of unseen people, by one measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core.statistics.detection import compute_precedence_p
from core.statistics.shares import bound_share_exactly
from faces.measures.distances import Features
from gen.evaluation.audit.descriptions import find_nearest

NEAR: Final = 0.01
"""Share of the unseen people by whom the distance is set under which an image is near a training person."""

QUANTILES: Final = (0.01, 0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Closeness:
    """Distances to the nearest training person by one measure.

    Attributes:
        measure: name of the measure.
        images, unseen: number of generated images and of unseen people that it describes.
        image_quantiles, unseen_quantiles: of their distances, at QUANTILES.
        threshold: distance of the unseen person at the 1 % quantile.
        near_images: number of images that are nearer than that.
        near_unseen: number of unseen people that are not further away than that.
        share, low, high: share of images that are nearer, with its exact interval of 95 % at this threshold.
        p: exact, one-sided, of so many nearer images if images were as new as unseen people.
        persons, persons_by_chance: different training persons whom these images, and these unseen people, are near.
    """

    measure: str
    images: int
    unseen: int
    image_quantiles: tuple[float, ...]
    unseen_quantiles: tuple[float, ...]
    threshold: float
    near_images: int
    near_unseen: int
    share: float
    low: float
    high: float
    p: float
    persons: int
    persons_by_chance: int


@dataclass(frozen=True)
class NearestTraining:
    """Nearest training person of each picture of some: distance (n,), NaN where there is none, and place (n,) among the
    training pictures."""

    distance: Features
    place: npt.NDArray[np.int64]

    @classmethod
    def of(cls, queries: Features, trained: Features, measure: str) -> NearestTraining:
        return cls(*find_nearest(queries, trained, measure))


def measure_closeness(
    measure: str, images: NearestTraining, unseen: NearestTraining, persons: Sequence[str]
) -> Closeness:
    """Compare generated images with unseen people.

    Args:
        persons: name of the person on each training picture.
    """
    ours = images.distance[np.isfinite(images.distance)]
    theirs = unseen.distance[np.isfinite(unseen.distance)]
    rank = max(1, round(NEAR * len(theirs)))
    threshold = float(np.sort(theirs)[rank - 1])
    near = int((ours < threshold).sum())
    low, high = bound_share_exactly(near, len(ours))
    return Closeness(
        measure,
        len(ours),
        len(theirs),
        _quantiles(ours),
        _quantiles(theirs),
        threshold,
        near,
        rank,
        near / len(ours),
        low,
        high,
        compute_precedence_p(ours, theirs, rank),
        len(find_persons(images, threshold, persons)),
        len(find_persons(unseen, np.nextafter(threshold, np.inf), persons)),
    )


def find_persons(pictures: NearestTraining, below: float, persons: Sequence[str]) -> set[str]:
    """Find the training persons whom some pictures are nearer than a distance."""
    return {persons[place] for place in pictures.place[pictures.distance < below]}


def _quantiles(distance: Features) -> tuple[float, ...]:
    return tuple(float(value) for value in np.quantile(distance, QUANTILES))
