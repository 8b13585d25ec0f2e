"""Every measure against a count by hand, or against scipy and scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from sklearn.calibration import calibration_curve

from core.errors import ConfigError, DatasetError
from recognition.predictions import Predictions
from recognition.statistics import (
    Sampling,
    compare_all,
    compare_runs,
    count_confusions,
    mcnemar_p,
    mean_interval,
    measure_accuracies,
    measure_calibration,
    measure_mean_over_conditions,
    permutation_p,
    resample_means,
    share_interval,
)

CLASSES = ("WS", "22q11DS", "unaffected")


def hard(truths: Sequence[int], said: Sequence[int], persons: Sequence[str] | None = None) -> Predictions:
    """Predictions that are 80% sure of what is said; -1 is undecided."""
    n = len(truths)
    probabilities = np.full((n, 3), 0.1)
    probabilities[np.arange(n), np.maximum(said, 0)] = 0.8
    return Predictions(
        CLASSES,
        keys=tuple(f"{index:064x}" for index in range(n)),
        persons=tuple(persons or [f"p{index}" for index in range(n)]),
        truths=np.array(truths, dtype=np.int64),
        age_groups=tuple(["child", "infant", None][index % 3] for index in range(n)),
        probabilities=probabilities,
        undecided=np.array(said) < 0,
    )


def drawn(n: int = 400, seed: int = 0, sharpness: float = 1.5) -> Predictions:
    """Soft predictions that are right more often than not; two images a person."""
    generator = np.random.default_rng(seed)
    truths = np.repeat(generator.integers(0, 3, n // 2), 2)
    scores = generator.normal(size=(n, 3))
    scores[np.arange(n), truths] += 1.2
    probabilities = np.exp(sharpness * scores)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Predictions(
        CLASSES,
        keys=tuple(f"{index:064x}" for index in range(n)),
        persons=tuple(f"p{index // 2}" for index in range(n)),
        truths=truths.astype(np.int64),
        age_groups=("child",) * n,
        probabilities=probabilities,
        undecided=np.zeros(n, dtype=bool),
    )


def test_accuracies_are_those_counted_by_hand() -> None:
    run = hard(truths=[0, 0, 0, 1, 1, 2], said=[0, 1, -1, 1, 1, 2], persons=["a", "a", "b", "c", "c", "d"])
    rows = {(row.condition, row.age_group): row for row in measure_accuracies(run, ages=("infant", "child"))}
    counts = {
        where: (row.images, row.persons, row.correct, row.undecided, row.accuracy.value) for where, row in rows.items()
    }
    assert counts == {
        (None, None): (6, 4, 4, 1, 4 / 6),
        ("WS", None): (3, 2, 1, 1, 1 / 3),
        ("22q11DS", None): (2, 1, 2, 0, 1.0),
        ("unaffected", None): (1, 1, 1, 0, 1.0),
        (None, "infant"): (2, 2, 1, 0, 0.5),
        (None, "child"): (2, 2, 2, 0, 1.0),
        (None, "unknown"): (2, 2, 1, 1, 0.5),
        ("WS", "infant"): (1, 1, 0, 0, 0.0),
        ("WS", "child"): (1, 1, 1, 0, 1.0),
        ("WS", "unknown"): (1, 1, 0, 1, 0.0),
        ("22q11DS", "infant"): (1, 1, 1, 0, 1.0),
        ("22q11DS", "child"): (1, 1, 1, 0, 1.0),
        ("unaffected", "unknown"): (1, 1, 1, 0, 1.0),
    }
    assert list(rows)[4:7] == [(None, "infant"), (None, "child"), (None, "unknown")]
    for row in rows.values():
        assert 0 <= row.accuracy.low <= row.accuracy.value <= row.accuracy.high <= 1


def test_mean_over_conditions_is_balanced_accuracy() -> None:
    run = drawn()
    interval = measure_mean_over_conditions(run)
    expected = sklearn.metrics.balanced_accuracy_score(run.truths, run.chosen)
    assert interval.value == pytest.approx(expected, abs=1e-12)
    assert interval.low < interval.value < interval.high
    perfect = measure_mean_over_conditions(hard([0, 1, 2], [0, 1, 2]))
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low < 1


def test_confusion_is_that_of_sklearn_with_a_column_for_the_undecided() -> None:
    run = drawn()
    matrix = count_confusions(run)
    np.testing.assert_array_equal(matrix[:, :3], sklearn.metrics.confusion_matrix(run.truths, run.chosen))
    assert not matrix[:, 3].any()
    by_hand = count_confusions(hard(truths=[0, 0, 1, 2], said=[1, -1, 1, -1]))
    np.testing.assert_array_equal(by_hand, [[0, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]])


def test_calibration_is_that_of_sklearn() -> None:
    run = drawn()
    found = measure_calibration(run, bins=10)
    confidence, right = run.probabilities.max(axis=1), run.correct
    accuracy, mean = calibration_curve(right, confidence, n_bins=10, strategy="uniform")
    filled = [b for b in found.bins if b.images]
    np.testing.assert_allclose([b.accuracy for b in filled], accuracy)
    np.testing.assert_allclose([b.confidence for b in filled], mean)
    assert sum(b.images for b in found.bins) == len(run)
    assert all(math.isnan(b.accuracy) for b in found.bins if not b.images)
    expected = sklearn.metrics.log_loss(run.truths, run.probabilities)
    assert found.negative_log_likelihood == pytest.approx(expected)
    per_class = [
        sklearn.metrics.brier_score_loss(run.truths == place, run.probabilities[:, place]) for place in range(3)
    ]
    assert found.brier == pytest.approx(sum(per_class))


def test_calibration_error_is_that_counted_by_hand() -> None:
    run = hard(truths=[0, 0, 0, 1], said=[0, 0, 0, 0])  # 75% right, 80% sure
    found = measure_calibration(run)
    assert found.error == pytest.approx(0.05)
    assert found.brier == pytest.approx((3 * (0.2**2 + 2 * 0.1**2) + (0.8**2 + 0.9**2 + 0.1**2)) / 4)
    assert found.negative_log_likelihood == pytest.approx(-(3 * math.log(0.8) + math.log(0.1)) / 4)


def test_a_certain_error_has_a_finite_likelihood() -> None:
    run = Predictions(CLASSES, ("k",), ("p",), np.array([0]), (None,), np.array([[0.0, 1.0, 0.0]]), np.array([False]))
    found = measure_calibration(run)
    assert found.negative_log_likelihood == pytest.approx(-math.log(1e-12))
    assert (found.error, found.brier) == (1.0, 2.0)
    with pytest.raises(ConfigError, match="0 bins"):
        measure_calibration(run, bins=0)


def test_undecided_images_count_in_the_calibration() -> None:
    decided, not_so = hard([0, 1], [0, 1]), hard([0, 1], [0, -1])
    assert measure_calibration(not_so).bins[7].images == measure_calibration(decided).bins[7].images == 1 + 1


def test_intervals_are_those_of_scipy_where_each_person_has_one_image() -> None:
    generator = np.random.default_rng(3)
    values = generator.normal(size=200)
    ours = mean_interval(values, list(range(200)), Sampling(resamples=5000))
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)


def test_persons_are_resampled_and_not_images() -> None:
    """Ten equal images of a person say no more than one: the standard error is that of persons."""
    right = np.random.default_rng(0).random(40) < 0.6
    once = resample_means(right.astype(float), list(range(40)))
    ten_times = resample_means(np.repeat(right, 10).astype(float), list(np.repeat(range(40), 10)))
    np.testing.assert_allclose(ten_times, once)
    by_image = resample_means(np.repeat(right, 10).astype(float), list(range(400)))
    assert ten_times.std() == pytest.approx(by_image.std() * math.sqrt(10), rel=0.1)


def test_a_seed_gives_the_same_interval_and_another_one_another() -> None:
    run = drawn()
    first, again, other = (
        share_interval(run.correct, run.persons, Sampling(seed=seed, resamples=500)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_all_right_is_no_certainty() -> None:
    bound = scipy.stats.binomtest(20, 20).proportion_ci(method="exact")
    found = share_interval(np.ones(40, dtype=bool), [index // 2 for index in range(40)])
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(bound.low)
    none = share_interval(np.zeros(40, dtype=bool), [index // 2 for index in range(40)])
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(1 - bound.low)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 0), (3, 12), (7, 7), (40, 61)])
def test_mcnemar_is_the_exact_sign_test(first: int, second: int) -> None:
    n = first + second
    tail = sum(math.comb(n, k) for k in range(min(first, second) + 1)) / 2**n
    assert mcnemar_p(first, second) == pytest.approx(min(1.0, 2 * tail))


def test_few_persons_are_permuted_exactly() -> None:
    differences = np.array([1.0, 1.0, -1.0, 2.0, 0.5, 0.0, 3.0])
    theirs = scipy.stats.permutation_test(
        (differences, np.zeros(7)), lambda x, y, axis: np.sum(x - y, axis=axis), permutation_type="samples",
        n_resamples=np.inf, vectorized=True,
    )  # fmt: skip
    assert permutation_p(differences, list(range(7))) == pytest.approx(theirs.pvalue)
    assert permutation_p(np.zeros(5), list(range(5))) == 1.0


def test_with_an_image_a_person_the_permutation_test_is_mcnemar() -> None:
    few = np.array([1.0] * 9 + [-1.0] * 2 + [0.0] * 30)
    assert permutation_p(few, list(range(41))) == pytest.approx(mcnemar_p(2, 9))
    many = np.array([1.0] * 60 + [-1.0] * 40)
    p = permutation_p(many, list(range(100)), Sampling(permutations=50_000))
    assert p == pytest.approx(mcnemar_p(40, 60), abs=0.005)


def test_images_of_a_person_are_swapped_together() -> None:
    """Ten images of one person all change: as McNemar sees it strong evidence, as one person sees it none."""
    change = np.ones(10)
    assert mcnemar_p(0, 10) < 0.01
    assert permutation_p(change, ["p"] * 10) == 1.0


def test_no_drawn_p_is_zero() -> None:
    p = permutation_p(np.ones(100), list(range(100)), Sampling(permutations=999))
    assert p == pytest.approx(1 / 1000)


def test_without_a_difference_p_is_uniform() -> None:
    generator = np.random.default_rng(5)
    p = [permutation_p(generator.normal(size=12), list(range(12))) for _ in range(200)]
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01


def test_a_comparison_is_counted_by_hand() -> None:
    truths = [0, 0, 0, 1, 1, 1]
    baseline = hard(truths, [0, 1, 1, 1, 1, 0], persons=list("aabccd"))
    run = hard(truths, [0, 0, 0, 1, 0, -1], persons=list("aabccd"))
    found = compare_runs(baseline, run)
    assert (found.images, found.persons, found.only_baseline, found.only_run) == (6, 4, 1, 2)
    assert (found.baseline_accuracy, found.accuracy) == (3 / 6, 4 / 6)
    assert found.difference.value == pytest.approx(1 / 6)
    assert found.mcnemar == found.mcnemar_holm == 1.0
    assert found.permutation == pytest.approx(1.0)  # persons changed by +1, +1, -1: every pattern reaches |1|
    of_ws = compare_runs(baseline, run, condition="WS")
    assert (of_ws.images, of_ws.difference.value) == (3, pytest.approx(2 / 3))
    with pytest.raises(DatasetError, match="no image is of 'unaffected'"):
        compare_runs(baseline, run, condition="unaffected")


def test_the_order_of_images_does_not_matter() -> None:
    baseline, run = drawn(seed=0), drawn(seed=0, sharpness=0.2)
    other = Predictions(
        run.classes, run.keys, run.persons, run.truths, run.age_groups, drawn(seed=9).probabilities, run.undecided
    )
    assert compare_runs(baseline, other) == compare_runs(baseline, other.select(np.arange(len(other))[::-1]))


def test_runs_on_other_images_are_not_compared() -> None:
    with pytest.raises(DatasetError, match="measured on different images: 2 of 400 are only in the baseline"):
        compare_runs(drawn(), drawn().select(range(398)))


def test_corrections_are_over_runs_and_over_conditions() -> None:
    truths = [0] * 30 + [1] * 30
    runs = {
        "real": hard(truths, [1] * 12 + [0] * 48),
        "better": hard(truths, [0] * 30 + [1] * 30),
        "same": hard(truths, [1] * 12 + [0] * 48),
    }
    found = compare_all("real", runs)
    assert list(found) == ["better", "same"]
    assert [c.condition for c in found["better"]] == [None, "WS", "22q11DS"]
    whole, ws, other = found["better"]
    assert whole.mcnemar_holm == pytest.approx(2 * whole.mcnemar)
    assert whole.permutation_holm == pytest.approx(2 * whole.permutation)
    assert other.mcnemar_holm == pytest.approx(4 * other.mcnemar)
    assert ws.mcnemar_holm == pytest.approx(3 * ws.mcnemar)
    assert [c.mcnemar_holm for c in found["same"]] == [1.0, 1.0, 1.0]
    with pytest.raises(ConfigError, match="no run is called 'none'"):
        compare_all("none", runs)


@pytest.mark.parametrize("wrong", [{"resamples": 10}, {"permutations": 1}, {"level": 95}, {"seed": -1}])
def test_sampling_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Sampling(**wrong)  # type: ignore[arg-type]


def test_values_need_persons() -> None:
    with pytest.raises(ConfigError, match="3 values of 2 persons"):
        resample_means(np.ones(3), ["a", "b"])
