"""Calibration of answers: probabilities that hold, with intervals that cover them."""

from __future__ import annotations

import numpy as np
import pytest

from recognition.syndromes.assessment.calibration import (
    calibrate,
    calibrate_unseen,
    shift_prior,
)


def draw(people: int, separation: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers of an overconfident model: log-odds that are three times what they should be."""
    generator = np.random.default_rng(seed)
    labels = np.repeat([1, 0], people // 2)
    log_odds = separation * (generator.normal(size=people) + separation * (labels - 0.5))
    return 1 / (1 + np.exp(-3 * log_odds)), labels


def find_truth(answer: float) -> float:
    """True probability for an answer of `draw`."""
    return float(1 / (1 + (1 / answer - 1) ** (1 / 3)))


@pytest.mark.parametrize("people", [60, 400])
def test_probabilities_of_an_overconfident_model_are_corrected(people: int) -> None:
    answers, labels = draw(people, 1.5, seed=0)
    calibration = calibrate(answers, labels)
    for answer in (0.1, 0.3, 0.7, 0.9):
        found = calibration.estimate(answer)
        assert abs(found.probability - find_truth(answer)) < 0.15
        assert found.low <= found.probability <= found.high
    assert (np.diff(calibration.probability) >= 0).all()


@pytest.mark.parametrize("people", [20, 60, 200])
def test_the_interval_covers_the_true_probability(people: int) -> None:
    covered = []
    for seed in range(40):
        calibration = calibrate(*draw(people, 1.2, seed))
        for answer in (0.1, 0.5, 0.9, 0.99):
            found = calibration.estimate(answer)
            covered.append(found.low <= find_truth(answer) <= found.high)
    assert np.mean(covered) >= 0.9


def test_the_interval_covers_the_shares_among_three_neighbours() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([1, 0], 30)
    covered = []
    for _ in range(40):
        answers = generator.binomial(3, np.where(labels == 1, 0.75, 0.25)) / 3
        calibration = calibrate(answers, labels)
        for patients in range(4):
            found = calibration.estimate(patients / 3)
            odds = 3.0 ** (2 * patients - 3)
            covered.append(found.low <= odds / (1 + odds) <= found.high)
    assert np.mean(covered) >= 0.85


def test_answers_that_nearly_separate_the_groups_have_a_rising_calibration() -> None:
    generator = np.random.default_rng(31)
    labels = np.repeat([1, 0], [23, 31])
    answers = np.where(generator.random(54) < 0.5, generator.integers(0, 10, 54) / 9, labels)
    found = calibrate(answers, labels).estimate(1.0)
    assert found.low > 0.6


def test_answers_no_better_than_chance_become_one_half() -> None:
    labels = np.repeat([1, 0], 20)
    calibration = calibrate(1 - draw(40, 1.5, 0)[0], labels)
    assert calibration.estimate(0.9).probability == 0.5
    assert calibrate_unseen(np.full(40, 0.3), labels) == pytest.approx(0.5)


def test_more_controls_than_patients_do_not_change_the_prior() -> None:
    answers, labels = draw(60, 1.5, 0)
    controls = labels == 0
    more = calibrate(
        np.concatenate([answers, *[answers[controls]] * 2]), np.concatenate([labels, *[labels[controls]] * 2])
    )
    assert more.estimate(0.5).probability == pytest.approx(
        calibrate(answers, labels).estimate(0.5).probability, abs=0.03
    )


def test_another_prior_follows_bayes_rule() -> None:
    assert shift_prior(0.8, 0.5) == pytest.approx(0.8)
    assert shift_prior(0.8, 0.1) == pytest.approx(0.8 * 0.1 / (0.8 * 0.1 + 0.2 * 0.9))
