"""Statistics of classifiers: accuracy, calibration, intervals, and tests of the difference between two.

Persons, not images, are the units of sampling: images of one person are similar, and counting them as independent
makes every interval too narrow. All random draws follow from a seed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DatasetError
from core.statistics.multiple_tests import holm
from core.statistics.shares import bound_share_exactly
from core.statistics.sign_flips import flip_signs
from recognition.predictions import Predictions, align_predictions

Floats = npt.NDArray[np.float64]

LEAST_PROBABILITY: Final = 1e-12
"""Lower bound of probabilities in the negative log-likelihood, which would be infinite for 0."""

_CELLS_AT_ONCE: Final = 1_000_000  # cells of the matrices of random draws


@dataclass(frozen=True)
class Sampling:
    """Settings of bootstrap and permutation tests.

    Args:
        resamples: bootstrap samples of the persons.
        permutations: sign patterns of a permutation test, if there are too many persons to try all patterns.
        level: level of the intervals, in (0, 1).
        seed: seed of all random draws; the same seed gives the same numbers.

    Raises:
        ConfigError: too few to have an interval, or a level outside its range.
    """

    resamples: int = 2000
    permutations: int = 10_000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 100 or self.permutations < 100:
            raise ConfigError(
                f"{self.resamples} resamples and {self.permutations} permutations; expected at least 100 of each"
            )
        if not 0 < self.level < 1:
            raise ConfigError(f"level {self.level}; expected a number between 0 and 1, as 0.95")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed}; expected 0 or more")

    @property
    def tails(self) -> tuple[float, float]:
        """The two quantiles that bound an interval."""
        return (1 - self.level) / 2, (1 + self.level) / 2


@dataclass(frozen=True)
class Interval:
    """A value with the bounds of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Accuracy:
    """Number and share of the images of a group that were classified correctly.

    Attributes:
        condition, age_group: the group; None for all conditions or ages.
        images, persons, correct, undecided: counts; undecided images are not correct.
        accuracy: correct / images, with the interval of its bootstrap by person.
    """

    condition: str | None
    age_group: str | None
    images: int
    persons: int
    correct: int
    undecided: int
    accuracy: Interval


UNKNOWN_AGE: Final = "unknown"
"""Age group of images whose age group is not known."""


def measure_accuracies(
    predictions: Predictions, sampling: Sampling | None = None, ages: Sequence[str] = ()
) -> tuple[Accuracy, ...]:
    """Compute the accuracy over all images, by condition, by age group and by both, for groups that have images.

    Args:
        ages: age groups in the order to list them; others follow in the order of their names.
    """
    sampling = sampling or Sampling()
    conditions = np.array(predictions.conditions, dtype=object)
    groups = np.array([age or UNKNOWN_AGE for age in predictions.age_groups], dtype=object)
    present = set(groups.tolist())
    known = [*(age for age in ages if age in present), *sorted(present - set(ages) - {UNKNOWN_AGE})]
    if UNKNOWN_AGE in present and UNKNOWN_AGE not in known:
        known.append(UNKNOWN_AGE)
    cells: list[tuple[str | None, str | None]] = [(None, None)]
    cells += [(condition, None) for condition in predictions.classes]
    cells += [(None, age) for age in known]
    cells += [(condition, age) for condition in predictions.classes for age in known]
    rows = []
    for condition, age in cells:
        inside = np.ones(len(predictions), dtype=bool)
        if condition is not None:
            inside &= conditions == condition
        if age is not None:
            inside &= groups == age
        if inside.any():
            rows.append(_measure_accuracy(predictions.select(np.flatnonzero(inside)), condition, age, sampling))
    return tuple(rows)


def _measure_accuracy(chosen: Predictions, condition: str | None, age: str | None, sampling: Sampling) -> Accuracy:
    correct = chosen.correct
    return Accuracy(
        condition,
        age,
        images=len(chosen),
        persons=len(set(chosen.persons)),
        correct=int(correct.sum()),
        undecided=int(chosen.undecided.sum()),
        accuracy=share_interval(correct, chosen.persons, sampling),
    )


def measure_mean_over_conditions(predictions: Predictions, sampling: Sampling | None = None) -> Interval:
    """Compute the mean of the conditions' accuracies (balanced accuracy); persons are resampled within conditions."""
    sampling = sampling or Sampling()
    correct, conditions = predictions.correct, np.array(predictions.conditions, dtype=object)
    if correct.all() or not correct.any():
        return share_interval(correct, predictions.persons, sampling)
    values, draws = [], []
    for number, condition in enumerate(predictions.classes):
        inside = np.flatnonzero(conditions == condition)
        if inside.size:
            right = correct[inside].astype(np.float64)
            persons = [predictions.persons[index] for index in inside]
            values.append(float(right.mean()))
            draws.append(resample_means(right, persons, sampling, stream=1 + number))
    low, high = np.quantile(np.mean(draws, axis=0), sampling.tails)
    return Interval(float(np.mean(values)), float(low), float(high))


def share_interval(
    right: npt.NDArray[np.bool_], persons: Sequence[Hashable], sampling: Sampling | None = None
) -> Interval:
    """Compute a share of images with its interval: percentiles of the bootstrap by person.

    If all or none are right, every resample is the same and the bootstrap interval would have no width. The open end is
    then the exact one of Clopper and Pearson for the number of persons.
    """
    sampling = sampling or Sampling()
    value = float(right.mean())
    if value in (0.0, 1.0):
        count = len(set(persons))
        return Interval(value, *bound_share_exactly(count if value else 0, count, sampling.level))
    return mean_interval(right.astype(np.float64), persons, sampling)


def mean_interval(values: Floats, persons: Sequence[Hashable], sampling: Sampling | None = None) -> Interval:
    """Compute the mean of a value of each image, with percentiles of its bootstrap by person.

    Args:
        values: (n,).
        persons: (n,), person of each value.
    """
    sampling = sampling or Sampling()
    low, high = np.quantile(resample_means(values, persons, sampling), sampling.tails)
    return Interval(float(values.mean()), float(low), float(high))


def resample_means(
    values: Floats, persons: Sequence[Hashable], sampling: Sampling | None = None, stream: int = 0
) -> Floats:
    """Compute means over images for resampled persons: as many as there are, drawn with replacement.

    A person is drawn with all images, so the number of images varies between resamples.

    Args:
        values: (n,), one for each image.
        persons: (n,), person of each image.
        stream: other numbers draw independently with the same seed.

    Returns:
        (resamples,) float64.
    """
    from scipy.stats import bootstrap  # takes 2 seconds

    sampling = sampling or Sampling()
    sums, counts = _sum_by_person(values, persons)
    if len(sums) == 1:
        return np.full(sampling.resamples, sums[0] / counts[0])
    drawn = bootstrap(
        (sums, counts),
        lambda sums, counts, axis: sums.sum(axis=axis) / counts.sum(axis=axis),
        n_resamples=sampling.resamples,
        batch=max(1, _CELLS_AT_ONCE // len(sums)),
        vectorized=True,
        paired=True,
        method="percentile",
        rng=np.random.default_rng([sampling.seed, stream]),
    )
    return np.asarray(drawn.bootstrap_distribution)


def count_confusions(predictions: Predictions) -> npt.NDArray[np.int64]:
    """Count images by true class (rows) and predicted class (columns), (k, k + 1); the last column is undecided."""
    k = len(predictions.classes)
    said = np.where(predictions.undecided, k, predictions.chosen)
    matrix = np.zeros((k, k + 1), dtype=np.int64)
    np.add.at(matrix, (predictions.truths, said), 1)
    return matrix


@dataclass(frozen=True)
class Bin:
    """Images whose largest probability lies in a range.

    Attributes:
        low, high: the range (low, high].
        images: number of images.
        confidence: mean largest probability; NaN without images.
        accuracy: share of images whose most probable class is the true one; NaN without images.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Agreement of probabilities with accuracy. An ensemble's threshold is not used: undecided images count too.

    Attributes:
        bins: the reliability curve.
        error: expected calibration error, Σ images/n · |accuracy - confidence| over the bins (Guo et al. 2017).
        brier: mean over images of Σ over classes (probability - truth)², 0 to 2 (Brier 1950).
        negative_log_likelihood: mean of -ln(probability of the true class), probabilities of LEAST_PROBABILITY or more.
    """

    bins: tuple[Bin, ...]
    error: float
    brier: float
    negative_log_likelihood: float


def measure_calibration(predictions: Predictions, bins: int = 10) -> Calibration:
    """Compute the calibration of the most probable class, in bins of equal width.

    Raises:
        ConfigError: no bin.
    """
    if bins < 1:
        raise ConfigError(f"{bins} bins; expected 1 or more")
    probabilities, truths = predictions.probabilities, predictions.truths
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truths
    edges = np.linspace(0, 1, bins + 1)
    places = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    curve, error = [], 0.0
    for place in range(bins):
        inside = places == place
        count = int(inside.sum())
        mean = float(confidence[inside].mean()) if count else math.nan
        accuracy = float(right[inside].mean()) if count else math.nan
        curve.append(Bin(float(edges[place]), float(edges[place + 1]), count, mean, accuracy))
        if count:
            error += count / len(predictions) * abs(accuracy - mean)
    one_hot = np.eye(len(predictions.classes))[truths]
    of_truth = np.maximum(probabilities[np.arange(len(truths)), truths], LEAST_PROBABILITY)
    return Calibration(
        tuple(curve),
        error,
        brier=float(((probabilities - one_hot) ** 2).sum(axis=1).mean()),
        negative_log_likelihood=float(-np.log(of_truth).mean()),
    )


@dataclass(frozen=True)
class Comparison:
    """Comparison of a run with a baseline on the same images.

    Attributes:
        condition: condition of the images compared; None for all.
        images, persons: counts.
        baseline_accuracy, accuracy: accuracy of the baseline and of the run.
        difference: accuracy - baseline_accuracy, with the interval of its bootstrap by person.
        only_baseline, only_run: images that only one of the two has right.
        mcnemar: two-sided exact p of McNemar's test. It counts images as independent; with several images of a
            person, or pooled runs of several seeds, use `permutation`.
        permutation: two-sided p of swapping the two within persons.
        mcnemar_holm, permutation_holm: the same after Holm's correction; equal to the p of a lone comparison.
    """

    condition: str | None
    images: int
    persons: int
    baseline_accuracy: float
    accuracy: float
    difference: Interval
    only_baseline: int
    only_run: int
    mcnemar: float
    permutation: float
    mcnemar_holm: float
    permutation_holm: float


def compare_runs(
    baseline: Predictions,
    run: Predictions,
    sampling: Sampling | None = None,
    *,
    condition: str | None = None,
    names: tuple[str, str] = ("the baseline", "the run"),
) -> Comparison:
    """Compare a run with a baseline on the same images.

    Args:
        condition: compare on the images of one condition only.
        names: names of the two in error messages.

    Raises:
        DatasetError: they were measured on different images or classes, or no image is of the condition.
    """
    sampling = sampling or Sampling()
    run = align_predictions(baseline, run, *names)
    if condition is not None:
        inside = np.flatnonzero(np.array(baseline.conditions, dtype=object) == condition)
        if not inside.size:
            raise DatasetError(f"no image is of {condition!r}; expected one of {', '.join(set(baseline.conditions))}")
        baseline, run = baseline.select(inside), run.select(inside)
    before, after = baseline.correct, run.correct
    change = after.astype(np.float64) - before.astype(np.float64)
    only_baseline, only_run = int((before & ~after).sum()), int((after & ~before).sum())
    mcnemar = mcnemar_p(only_baseline, only_run)
    permutation = permutation_p(change, baseline.persons, sampling)
    return Comparison(
        condition,
        images=len(baseline),
        persons=len(set(baseline.persons)),
        baseline_accuracy=float(before.mean()),
        accuracy=float(after.mean()),
        difference=mean_interval(change, baseline.persons, sampling),
        only_baseline=only_baseline,
        only_run=only_run,
        mcnemar=mcnemar,
        permutation=permutation,
        mcnemar_holm=mcnemar,
        permutation_holm=permutation,
    )


def compare_all(
    baseline: str,
    runs: Mapping[str, Predictions],
    sampling: Sampling | None = None,
) -> dict[str, tuple[Comparison, ...]]:
    """Compare every other run with a baseline, on all images and on those of each condition.

    Holm's correction is over the runs for all images, and over runs times conditions for the conditions.

    Returns:
        comparisons by name of the run, the one on all images first.

    Raises:
        ConfigError: no run has the baseline's name.
        DatasetError: as `compare`.
    """
    if baseline not in runs:
        raise ConfigError(f"no run is called {baseline!r}; the baseline is one of {', '.join(runs)}")
    first = runs[baseline]
    present = [name for name in first.classes if name in set(first.conditions)]
    plain = [
        (name, compare_runs(first, run, sampling, condition=condition, names=(baseline, name)))
        for name, run in runs.items()
        if name != baseline
        for condition in (None, *present)
    ]
    corrected: dict[str, list[Comparison]] = {name: [] for name in runs if name != baseline}
    overall = [item for item in plain if item[1].condition is None]
    by_condition = [item for item in plain if item[1].condition is not None]
    for family in (overall, by_condition):
        found = [comparison for _, comparison in family]
        both = zip(family, holm([c.mcnemar for c in found]), holm([c.permutation for c in found]), strict=True)
        for (name, comparison), mcnemar, permutation in both:
            corrected[name].append(replace(comparison, mcnemar_holm=mcnemar, permutation_holm=permutation))
    return {name: tuple(comparisons) for name, comparisons in corrected.items()}


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Compute the two-sided exact p of McNemar's test from the images that only one of two runs has right.

    It is 1 if there is no such image.
    """
    from scipy.stats import binomtest  # takes 2 seconds

    discordant = only_first + only_second
    return float(binomtest(only_first, discordant).pvalue) if discordant else 1.0


def permutation_p(differences: Floats, persons: Sequence[Hashable], sampling: Sampling | None = None) -> float:
    """Compute the two-sided p of a mean of paired differences by flipping the signs of persons at random.

    If few persons differ, all sign patterns are tried. Otherwise `sampling.permutations` patterns are drawn, and the
    observed one is added (Phipson and Smyth 2010), so that p is never 0.

    Args:
        differences: (n,), one for each image.
        persons: (n,); the two runs are swapped for all images of a person at once.
    """
    sampling = sampling or Sampling()
    sums, _ = _sum_by_person(differences, persons)
    sums = sums[np.abs(sums) > 1e-12]
    return flip_signs(sums, sampling.seed, sampling.permutations) if sums.size > 1 else 1.0


def _sum_by_person(values: Floats, persons: Sequence[Hashable]) -> tuple[Floats, Floats]:
    """Sum the values, and count the images, of each person, (persons,) float64 each."""
    if len(values) != len(persons) or not len(values):
        raise ConfigError(f"{len(values)} values of {len(persons)} persons; expected a person for each value")
    number = {person: index for index, person in enumerate(dict.fromkeys(persons))}
    places = np.array([number[person] for person in persons])
    sums = np.bincount(places, weights=values, minlength=len(number))
    return sums.astype(np.float64), np.bincount(places, minlength=len(number)).astype(np.float64)
