"""The mixed model agrees with explicit covariance matrices, and finds effects that are known."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest
from scipy import stats

from core.errors import DatasetError
from studies.analysis.crossed_answers import CrossedAnswers, Floats
from studies.analysis.mixed_model import MixedModel, fit_mixed_model, to_share


def simulate(participants: int, faces: int, effect: float, seed: int) -> CrossedAnswers:
    """Simulate answers in two complementary versions, with intercepts and slopes of both."""
    generator = np.random.default_rng(seed)
    person, face = (axis.ravel() for axis in np.mgrid[:participants, :faces])
    second = (person + face) % 2
    people, pictures = (generator.normal(0, (0.6, 0.5), (count, 2)) for count in (participants, faces))
    slopes = effect + people[person, 1] + pictures[face, 1]
    log_odds = 0.3 + people[person, 0] + pictures[face, 0] + slopes * (second - 0.5)
    correct = (generator.random(log_odds.size) < to_share(log_odds)).astype(np.float64)
    return CrossedAnswers(correct, second, person, face)


class DenseModel:
    """The same model with explicit matrices: slow, and obvious."""

    def __init__(self, answers: CrossedAnswers, variances: Floats) -> None:
        x = answers.second - 0.5
        self.design = np.column_stack([np.ones_like(x), x])
        counts, groups = answers.counts, (answers.participants, answers.faces)
        members = [np.eye(count)[group] for count, group in zip(counts, groups, strict=True)]
        self.blocks = [block for member in members for block in (member, member * x[:, None])]
        self.correct = answers.correct
        log_odds, uncertainty = np.zeros_like(x), np.zeros_like(x)
        for _ in range(60):
            expected = 1 / (1 + np.exp(-log_odds))
            self.weights = expected * (1 - expected)
            curvature = self.weights * (1 - 2 * expected) * uncertainty / 2
            self.response = log_odds + (self.correct - expected - curvature) / self.weights
            random = sum(v * block @ block.T for v, block in zip(variances, self.blocks, strict=True))
            inverse = np.linalg.inv(np.diag(1 / self.weights) + random)
            self.covariance = np.linalg.inv(self.design.T @ inverse @ self.design)
            self.fixed = self.covariance @ self.design.T @ inverse @ self.response
            log_odds = self.design @ self.fixed + random @ inverse @ (self.response - self.design @ self.fixed)
            uncertainty = np.diag(random - random @ inverse @ random)

    def restricted_likelihood(self, variances: Floats) -> float:
        """Compute twice the restricted log likelihood of the linearised answers."""
        total, products, projection = self.project(variances)
        logs = np.linalg.slogdet(total)[1] + np.linalg.slogdet(products)[1]
        return float(-logs - self.response @ projection @ self.response)

    def effect_variance(self, variances: Floats) -> float:
        return float(np.linalg.inv(self.project(variances)[1])[1, 1])

    def project(self, variances: Floats) -> tuple[Floats, Floats, Floats]:
        """Compute V, X'V^-1 X and P."""
        random = sum(v * block @ block.T for v, block in zip(variances, self.blocks, strict=True))
        total = np.diag(1 / self.weights) + random
        inverse = np.linalg.inv(total)
        products = self.design.T @ inverse @ self.design
        return total, products, inverse - inverse @ self.design @ np.linalg.inv(products) @ self.design.T @ inverse


@pytest.fixture(scope="module")
def fitted() -> tuple[CrossedAnswers, MixedModel]:
    answers = simulate(16, 14, 0.8, seed=1)
    return answers, fit_mixed_model(answers)


def test_the_mixed_model_agrees_with_explicit_matrices(fitted: tuple[CrossedAnswers, MixedModel]) -> None:
    answers, model = fitted
    variances = np.array(astuple(model)[4:])
    dense = DenseModel(answers, variances)
    assert (model.intercept, model.effect) == pytest.approx(dense.fixed, abs=1e-3)
    assert model.error == pytest.approx(np.sqrt(dense.covariance[1, 1]), abs=1e-3)
    # The variances maximise the restricted likelihood.
    best = dense.restricted_likelihood(variances)
    for place in range(4):
        for step in (-0.1, 0.1):
            assert dense.restricted_likelihood(variances + step * np.eye(4)[place]) < best


def test_degrees_of_freedom_are_satterthwaites(fitted: tuple[CrossedAnswers, MixedModel]) -> None:
    answers, model = fitted
    variances = np.array(astuple(model)[4:])
    dense = DenseModel(answers, variances)
    projection = dense.project(variances)[2]
    parts = [block.T @ projection @ other for block in dense.blocks for other in dense.blocks]
    information = np.array([(part**2).sum() / 2 for part in parts]).reshape(4, 4)
    steps = 1e-4 * np.eye(4)
    slope = [(dense.effect_variance(variances + s) - dense.effect_variance(variances - s)) / 2e-4 for s in steps]
    df = 2 * model.error**4 / (slope @ np.linalg.inv(information) @ slope)
    assert model.df == pytest.approx(df, rel=0.02)


def test_p_and_interval_are_those_of_student() -> None:
    model = MixedModel(0.2, 0.6, 0.3, 12, 0.5, 0.4, 0.9, 0.2)
    assert model.p == pytest.approx(2 * stats.t.sf(2, 12))
    assert model.compute_interval(0.9) == pytest.approx(stats.t.interval(0.9, 12, 0.6, 0.3))


def test_effects_are_found_without_bias() -> None:
    fits = [fit_mixed_model(simulate(24, 16, 1.0, seed)) for seed in range(12)]
    assert np.mean([fit.effect for fit in fits]) == pytest.approx(1, abs=0.15)
    covered = [low < 1 < high for low, high in (fit.compute_interval() for fit in fits)]
    assert np.mean(covered) >= 0.75


def test_answers_swap_with_their_variants(fitted: tuple[CrossedAnswers, MixedModel]) -> None:
    answers, model = fitted
    swapped = fit_mixed_model(replace(answers, second=1 - answers.second))
    assert swapped.effect == pytest.approx(-model.effect, abs=1e-3)
    assert swapped.p == pytest.approx(model.p, abs=1e-3)


def test_accuracies_are_those_of_the_population() -> None:
    model = MixedModel(0.2, 0.6, 0.1, 30, 0.5, 0.4, 0.9, 0.2)
    generator = np.random.default_rng(0)
    log_odds = 0.2 + generator.normal(0, np.sqrt(1.4 + 0.6 / 4), 400_000)
    first, second = model.compute_accuracies(0.6)
    assert first == pytest.approx(to_share(log_odds - 0.3).mean(), abs=0.002)
    assert second == pytest.approx(to_share(log_odds + 0.3).mean(), abs=0.002)


def test_few_answers_give_an_estimate_or_a_reason() -> None:
    for seed in range(4):
        try:
            model = fit_mixed_model(simulate(4, 4, 0.0, seed))
        except DatasetError:
            continue
        assert np.isfinite(astuple(model)).all()
