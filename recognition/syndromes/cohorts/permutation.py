"""Permutation test of a score: the labels of patient and control are exchanged inside the pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from core.errors import ConfigError, DatasetError
from recognition.syndromes.cohorts.distances import Descriptors, measure_distances
from recognition.syndromes.cohorts.scores import Floats, Ints, compute_auc
from recognition.syndromes.cohorts.validation import Scheme, predict_unseen

Score: TypeAlias = Callable[[Ints], float]
"""Score of labels (n,) of fixed people, 1 for patients; larger is better."""

PERMUTATIONS: Final = 999


@dataclass(frozen=True)
class PermutationTest:
    """Result of a permutation test.

    Attributes:
        score: of the true labels.
        p: share of labellings with a score of at least this. Of all labellings the true one is a part; to random ones
            it is added (Phipson and Smyth 2010), so that p is never 0.
        null: (m,) scores of the exchanged labels.
        exact: True if all labellings were tried.
    """

    score: float
    p: float
    null: Floats
    exact: bool


def permute_labels(
    score: Score,
    labels: Ints,
    pairs: Ints | None = None,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> PermutationTest:
    """Test a score by exchanging labels: inside the pairs, or among all people if they are not matched.

    A score that is computed by fitting models must fit them anew for every labelling. If it is the same when all labels
    are exchanged at once, as the area of most models is, the smallest possible p of n pairs is 2 / 2^n.

    Args:
        labels: (n,) 1 for patients, 0 for controls.
        pairs: (n,) number of the pair of each of the people, from 0.
        permutations: random labellings. All are tried if there are not more than this number.
        seed: of the random labellings.

    Raises:
        ConfigError: no permutation.
        DatasetError: a pair that is not one patient and one control.
    """
    from scipy.stats import permutation_test  # takes 2 seconds

    if permutations < 1:
        raise ConfigError(f"{permutations} permutations; expected 1 or more")
    settings = {"n_resamples": permutations, "alternative": "greater", "rng": np.random.default_rng(seed)}
    if pairs is None:
        test = permutation_test((labels,), score, permutation_type="pairings", **settings)
        labellings = math.factorial(len(labels))
    else:
        if (np.bincount(pairs) != 2).any() or (np.bincount(pairs, labels) != 1).any():
            raise DatasetError("a pair is not one patient and one control; expected the pairs of a matching")

        def score_exchanged(signs: Floats) -> float:
            return score(np.where(signs[pairs] > 0, labels, 1 - labels))

        signs = np.ones(int(pairs.max()) + 1)  # of the pairs; the test turns some of them round
        test = permutation_test((signs,), score_exchanged, permutation_type="samples", **settings)
        labellings = 2**signs.size
    null = test.null_distribution
    return PermutationTest(float(test.statistic), float(test.pvalue), null, exact=len(null) == labellings)


def combine_p_values(p_values: Sequence[float]) -> float:
    """Combine the p-values of runs with redrawn controls: twice their mean, at most 1 (Rüschendorf 1982); one stays.

    The runs share the patients, so that their p-values depend on each other. This combination is valid whatever the
    dependence (Vovk and Wang 2020), and conservative; Fisher's is not valid for dependent p-values.
    """
    return float(p_values[0]) if len(p_values) == 1 else min(1.0, 2 * float(np.mean(p_values)))


def score_neighbours(descriptors: Descriptors, pairs: Ints | None = None, k: int = 3) -> Score:
    """Return a fast score for `permute_labels`: the area of the share of patients among the nearest neighbours.

    Nobody's neighbours contain the person or the other one of the pair.

    Args:
        descriptors: (n, p).
        pairs: (n,) number of the pair of each of the people.
        k: number of neighbours.
    """
    units = np.arange(len(descriptors)) if pairs is None else pairs
    distances = np.where(np.equal.outer(units, units), np.inf, measure_distances(descriptors, descriptors))
    nearest = distances.argsort(axis=1, kind="stable")[:, :k]
    return lambda labels: compute_auc(labels, labels[nearest].mean(axis=1))


def score_estimator(
    estimator: Any, X: Descriptors, pairs: Ints | None = None, scheme: Scheme | None = None, seed: int = 0
) -> Score:
    """Return the score of an estimator for `permute_labels`: the area of its predictions for unseen people.

    Args:
        estimator, X, scheme, seed: see `predict_unseen`. All models are fitted again for every labelling.
        pairs: (n,) people who are held out together.
    """
    return lambda labels: compute_auc(labels, predict_unseen(estimator, X, labels, scheme, seed, pairs))
