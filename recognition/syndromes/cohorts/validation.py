"""Predictions for people whom the model has not seen: leave-one-out and repeated stratified cross-validation."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DatasetError
from recognition.syndromes.cohorts.scores import Floats, Ints

_DECIMALS: Final = 12
"""Of probabilities. Equal ones that were summed in another order must stay equal, because ties count half in an AUC."""


@dataclass(frozen=True)
class LeaveOneOut:
    """Scheme that holds one group out at a time: a person, or a pair if pairs are kept together.

    With as many patients as controls, the model that is to predict a patient has seen one patient fewer than controls,
    and the other way round. Nearest neighbours are therefore biased against the true answer. Pairs that are kept
    together leave the numbers equal.
    """


@dataclass(frozen=True)
class RepeatedFolds:
    """Scheme of stratified cross-validation, repeated with other folds. A prediction is the mean over the repeats.

    Args:
        folds: number of folds; fewer if there are fewer people of a class.
        repeats: number of splits into folds.

    Raises:
        ConfigError: fewer than two folds, or no repeat.
    """

    folds: int = 5
    repeats: int = 10

    def __post_init__(self) -> None:
        if self.folds < 2 or self.repeats < 1:
            raise ConfigError(f"{self.folds} folds, {self.repeats} repeats; expected 2 or more, and 1 or more")


Scheme: TypeAlias = LeaveOneOut | RepeatedFolds


def predict_unseen(
    estimator: Any,
    X: npt.NDArray[np.floating[Any]],
    y: Ints,
    scheme: Scheme | None = None,
    seed: int = 0,
    groups: Sequence[Hashable] | Ints | None = None,
) -> Floats:
    """Predict the probability of class 1 for every row, by models that were fitted without the row and its group.

    Args:
        estimator: scikit-learn classifier with `predict_proba`; it is cloned for every fit.
        X: (n, p).
        y: (n,) 0 or 1.
        scheme: leave-one-out by default.
        seed: of the folds. They depend on the order of the rows: sort them by person.
        groups: (n,) rows of equal values are held out together: the pictures of a person, or the pair of a patient and
            a control (`Matching.pair_numbers`). None if every row is a group of its own.

    Returns:
        (n,) probabilities.

    Raises:
        DatasetError: a class has fewer than two groups, so that a model would be fitted without it.
    """
    from sklearn.base import clone

    units = number_groups(range(len(y)) if groups is None else groups)
    held_out = np.zeros(len(y))
    times = np.zeros(len(y))
    for test in split_rows(np.asarray(y), units, scheme or LeaveOneOut(), seed):
        train = np.setdiff1d(np.arange(len(y)), test)
        model = clone(estimator).fit(X[train], y[train])
        held_out[test] += model.predict_proba(X[test])[:, list(model.classes_).index(1)]
        times[test] += 1
    return np.round(held_out / times, _DECIMALS)


def number_groups(groups: Sequence[Hashable] | range | Ints) -> Ints:
    """Number groups from 0 in the order of their first rows, (n,)."""
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return np.array([numbers[group] for group in groups], dtype=np.int64)


def split_rows(y: Ints, units: Ints, scheme: Scheme, seed: int) -> Iterator[Ints]:
    """Yield the rows that each model is tested on; every row is in one part of each repeat.

    Args:
        y: (n,) 0 or 1.
        units: (n,) number of the group of each row, from 0.

    Raises:
        DatasetError: a class has fewer than two groups.
    """
    count = int(units.max(initial=-1)) + 1
    of_class = [{*units[y == label].tolist()} for label in (0, 1)]
    fewest = min(map(len, of_class))
    if fewest < 2:
        raise DatasetError(f"a class has {fewest} people or pairs; expected two or more, so that one can be left out")
    if isinstance(scheme, LeaveOneOut):
        for unit in range(count):
            yield np.flatnonzero(units == unit)
        return
    folds = min(scheme.folds, fewest)
    strata = np.array([2 * (unit in of_class[1]) + (unit in of_class[0]) for unit in range(count)])
    generator = np.random.default_rng(seed)
    for _ in range(scheme.repeats):
        fold_of = np.empty(count, dtype=np.int64)
        for stratum in np.unique(strata):
            # Every stratum is dealt out from the first fold on: a fold that holds one patient more than another then
            # holds one control more too, and the models see both classes in the same proportion.
            members = generator.permutation(np.flatnonzero(strata == stratum))
            fold_of[members] = np.arange(len(members)) % folds
        for fold in range(folds):
            yield np.flatnonzero(fold_of[units] == fold)
