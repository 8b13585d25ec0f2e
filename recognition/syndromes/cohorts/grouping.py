"""Clustering of a group: are its members nearer to each other than to controls, and is one more person like them?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from recognition.syndromes.cohorts.distances import Descriptors, measure_distances
from recognition.syndromes.cohorts.permutation import PERMUTATIONS, permute_labels
from recognition.syndromes.cohorts.scores import Floats, Ints


@dataclass(frozen=True)
class GroupTest:
    """Clustering of a group of patients among controls.

    Attributes:
        patients, controls: numbers of people.
        improvement: clustering improvement factor: mean over the patients of the rank of their nearest fellow patient
            expected by chance, divided by the rank found. Chance gives more than 1, because the mean of inverse
            ranks exceeds the inverse of the mean rank: compare it with `by_chance`.
        published_improvement: the same with the published approximation of the expected rank.
        by_chance: mean improvement of the exchanged labels.
        p: of the permutation test.
        exact: True if all labellings were tried.
    """

    patients: int
    controls: int
    improvement: float
    published_improvement: float
    by_chance: float
    p: float
    exact: bool


@dataclass(frozen=True)
class Likeness:
    """Likeness of one more person, a newcomer, to a group of patients.

    Attributes:
        intruders: controls that are nearer to the newcomer than the nearest patient is.
        p: conformal p-value of the hypothesis that newcomer and patients are of one kind: small if the newcomer is less
            like the patients than they are like each other. It cannot be below 1 / (patients + 1).
        controls_alike: share of the controls, each in the newcomer's place, with a p of at least this. If it is
            large, being like the patients says little.
    """

    intruders: int
    p: float
    controls_alike: float


def measure_group(
    descriptors: Descriptors,
    labels: Ints,
    pairs: Ints | None = None,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> GroupTest:
    """Test whether the members of a group are nearer to each other than to controls.

    Args:
        descriptors: (n, p), compared by their Euclidean distances.
        labels: (n,) 1 for patients, 0 for controls.
        pairs: (n,) number of the pair of each of the people (`Matching.pair_numbers`); labels are exchanged inside the
            pairs. None if people are not matched; then people of all ages and sexes are exchanged with each other.
        permutations, seed: see `permute_labels`.

    Raises:
        DatasetError: fewer than two patients, or no control.
    """
    patients, controls = int(labels.sum()), len(labels) - int(labels.sum())
    if patients < 2 or not controls:
        raise DatasetError(f"{patients} patients and {controls} controls; expected 2 patients or more, and a control")
    distances = measure_distances(descriptors, descriptors)
    np.fill_diagonal(distances, np.inf)

    def score(labels: Ints) -> float:
        return float((1 / (1 + count_intruders(distances, labels))).mean())

    test = permute_labels(score, labels, pairs, permutations=permutations, seed=seed)
    expected = expect_rank(patients, controls)
    return GroupTest(
        patients,
        controls,
        improvement=expected * test.score,
        published_improvement=approximate_rank(patients, controls) * test.score,
        by_chance=expected * float(test.null.mean()),
        p=test.p,
        exact=test.exact,
    )


def expect_rank(patients: int, controls: int) -> float:
    """Compute the expected rank of a patient's nearest fellow among all others, if patients are like controls."""
    return 1 + controls / patients


def approximate_rank(patients: int, controls: int) -> float:
    """Approximate the expected rank as published, by drawing with replacement."""
    shares = np.arange(1, controls + 1) / (controls + 1)
    return 1 + float(((1 - shares) ** (patients - 1)).sum())


def count_intruders(distances: Floats, labels: Ints) -> Ints:
    """Count for each patient the controls that are nearer than the nearest fellow patient, (patients,).

    Args:
        distances: (n, n), infinite on the diagonal.
        labels: (n,) 1 for patients, 0 for controls.
    """
    of_patients = distances[labels == 1]
    nearest = of_patients[:, labels == 1].min(axis=1)
    return np.asarray((of_patients[:, labels == 0] < nearest[:, None]).sum(axis=1))


def measure_likeness(patients: Descriptors, controls: Descriptors, newcomer: npt.NDArray[np.floating[Any]]) -> Likeness:
    """Measure whether one more person is like a group of patients.

    Newcomer and patients together are ranked by how near their nearest fellow is, compared with the controls. If the
    newcomer is one of them, every rank is equally probable, so that p is valid for any number of patients.

    Args:
        patients: (n, p) descriptors.
        controls: (m, p).
        newcomer: (p,).

    Raises:
        DatasetError: fewer than two patients, or fewer than two controls.
    """
    if len(patients) < 2 or len(controls) < 2:
        raise DatasetError(f"{len(patients)} patients and {len(controls)} controls; expected 2 or more of each")
    intruders, p = rank_newcomer(patients, controls, newcomer)
    alike = [
        rank_newcomer(patients, np.delete(controls, place, axis=0), control)[1] >= p
        for place, control in enumerate(controls)
    ]
    return Likeness(intruders, p, float(np.mean(alike)))


def rank_newcomer(
    patients: Descriptors, controls: Descriptors, newcomer: npt.NDArray[np.floating[Any]]
) -> tuple[int, float]:
    """Compute the intruders and the p of a newcomer; see `measure_likeness`."""
    group = np.vstack([patients, newcomer])
    between = measure_distances(group, group)
    np.fill_diagonal(between, np.inf)
    nearest, strangers = between.min(axis=1), measure_distances(group, controls)
    intruders = (strangers < nearest[:, None]).sum(axis=1)
    # The share of the two nearest distances, below 1, decides between equal numbers of intruders.
    both = nearest + strangers.min(axis=1)
    unlikeness = intruders + nearest / np.maximum(both, np.finfo(np.float64).tiny)
    return int(intruders[-1]), float((unlikeness >= unlikeness[-1]).mean())
