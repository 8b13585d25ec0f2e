"""Extraction of training people: groups of generated images that are nearly the same, and whom they show.

A generator that has memorised somebody makes that person again and again. An attacker who has only images looks for
groups of near-duplicates among many of them (Carlini et al. 2023 for diffusion models); the training data then say
whether a group shows a training person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from faces.measures.distances import Features, nearest
from gen.evaluation.audit.closeness import NEAR, NearestTraining, find_persons

LEAST_GROUP: Final = 3
"""Images of a group of near-duplicates."""

_BLOCK: Final = 1_024


@dataclass(frozen=True)
class Extraction:
    """Groups of near-duplicates by one measure.

    Attributes:
        measure: name of the measure.
        images: number of generated images.
        threshold: distance below which two images are near-duplicates: that of one in a hundred of as many unseen
            people to the nearest other one.
        groups, grouped: number of groups, and of the images in them.
        groups_by_chance: number of groups of as many unseen people.
        persons: different training persons whom grouped images are near, by the threshold of `Closeness`.
    """

    measure: str
    images: int
    threshold: float
    groups: int
    grouped: int
    groups_by_chance: int
    persons: int


def extract_people(
    measure: str,
    images: Features,
    unseen: Features,
    neighbours: NearestTraining,
    near: float,
    persons: Sequence[str],
) -> Extraction:
    """Look for training people in groups of generated images.

    Args:
        images, unseen: (n, d) and (m, d) descriptions; the same number of both is compared.
        neighbours: the nearest training pictures of all images, or of the first ones, which are then compared.
        near: distance below which an image is near a training person.
        persons: name of the person on each training picture.
    """
    images = images[: len(neighbours.place)]
    ours, theirs = np.isfinite(images).all(axis=1), np.isfinite(unseen).all(axis=1)
    count = min(ours.sum(), theirs.sum())
    places, reference = np.flatnonzero(ours)[:count], unseen[theirs][:count]
    threshold = float(np.quantile(nearest(reference, reference, leave_out_self=True)[0], NEAR))
    groups = find_groups(images[places], threshold)
    grouped = places[np.concatenate(groups)] if groups else places[:0]
    shown = NearestTraining(neighbours.distance[grouped], neighbours.place[grouped])
    return Extraction(
        measure,
        int(count),
        threshold,
        len(groups),
        len(grouped),
        len(find_groups(reference, threshold)),
        len(find_persons(shown, near, persons)),
    )


def find_groups(pictures: Features, below: float) -> list[npt.NDArray[np.int64]]:
    """Find groups of pictures (n, d) that are connected by distances of at most `below`, as places."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows, columns = [], []
    squares = np.einsum("ij,ij->i", pictures, pictures)
    for start in range(0, len(pictures), _BLOCK):
        part = pictures[start : start + _BLOCK]
        squared = squares[start : start + _BLOCK, None] + squares - 2 * part @ pictures.T
        row, column = np.nonzero(squared <= below**2 + 1e-9)
        rows.append(row + start)
        columns.append(column)
    row, column = np.concatenate(rows), np.concatenate(columns)
    size = len(pictures)
    _, group = connected_components(coo_matrix((np.ones(len(row), dtype=bool), (row, column)), shape=(size, size)))
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return [part for part in parts if len(part) >= LEAST_GROUP]
