"""Mixed logistic regression with participants and faces as crossed random effects.

The log odds of a right answer are

    intercept + effect x + u_i + s_i x + v_j + t_j x,    x = -1/2 for the first variant, 1/2 for the second,

with normal deviations of participant i (u_i, s_i) and of face j (v_j, t_j), all independent. The slopes s and t let the
effect differ between participants and between faces. Without them, the effect on these very people and faces is taken
for the effect on all others, and the test rejects too often.

The model is fitted by penalised quasi-likelihood of the second order (PQL2, Goldstein and Rasbash 1996). The answers
are linearised around the current estimate. The linear mixed model that results is fitted by REML with Fisher scoring,
until both agree. PQL of the first order estimates effects 6 % too small here.

The variances of the slopes are not kept above 0. An estimate that is cut at 0 is too large on average, and with it the
standard error: where the slopes do not vary, a nominal 5 % would be 3 %. The degrees of freedom are Satterthwaite's.

Every step solves one dense system, whose size is twice the number of participants and faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from core.errors import DatasetError
from studies.analysis.crossed_answers import CrossedAnswers, Floats, Ints

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(30)
_NODE_WEIGHTS /= _NODE_WEIGHTS.sum()
"""Gauss-Hermite quadrature: the mean over a normal distribution."""

_MOST_STEPS: Final = 100
_TOLERANCE: Final = 1e-4
_LEAST_WEIGHT: Final = 1e-4
_MOST_LOG_ODDS: Final = 12.0

_FEWEST_DF: Final = 2.0
"""Degrees of freedom below which the error of the effect is itself unknown."""

_ATTEMPTS: Final = ((0.9, True), (0.0, True), (0.0, False))
"""Ways to fit; the first that succeeds is taken. Each is the largest negative variance of a slope, as a share of the
variance with which the answers of one group measure it, and whether the linearisation is of the second order."""

_START: Final = (0.2, 0.05, 0.2, 0.05)
"""First guess of the four variances."""


@dataclass(frozen=True)
class MixedModel:
    """Fitted model, in logits.

    Attributes:
        intercept: log odds of a right answer of the average participant to the average face, between both variants.
        effect: log odds of the second variant minus those of the first.
        error: standard error of the effect.
        df: degrees of freedom of the error.
        participant, participant_slope, face, face_slope: variances of u, s, v and t. Those of the slopes may be
            negative if they are small: read them as 0.
    """

    intercept: float
    effect: float
    error: float
    df: float
    participant: float
    participant_slope: float
    face: float
    face_slope: float

    @property
    def p(self) -> float:
        """The two-sided p of the hypothesis that the effect is 0."""
        from scipy.special import stdtr

        return float(2 * stdtr(self.df, -abs(self.effect) / self.error))

    def compute_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Compute the interval of the effect."""
        from scipy.special import stdtrit

        half = float(stdtrit(self.df, (1 + level) / 2)) * self.error
        return self.effect - half, self.effect + half

    def compute_accuracies(self, effect: float) -> tuple[float, float]:
        """Compute the share of right answers to each variant, over all participants and faces, for some effect."""
        slopes = (self.participant_slope + self.face_slope) / 4
        spread = np.sqrt(max(0.0, self.participant + self.face + slopes))
        first, second = (
            float(to_share(self.intercept + half + spread * _NODES) @ _NODE_WEIGHTS)
            for half in (-effect / 2, effect / 2)
        )
        return first, second


def fit_mixed_model(answers: CrossedAnswers) -> MixedModel:
    """Fit the model.

    Where answers are so few that this gives no usable error, the variances of the slopes are kept above 0 too, and if
    that does not help either, the model is fitted by PQL of the first order.

    Raises:
        DatasetError: no estimate is found, as of very few answers.
    """
    for lowest_share, second_order in _ATTEMPTS:
        model = _find_fixed_point(answers, lowest_share, second_order)
        if model is not None and model.df >= _FEWEST_DF:
            return model
    raise DatasetError(
        f"the mixed model finds no estimate from {answers.correct.size} answers of {answers.counts[0]} participants to "
        f"{answers.counts[1]} faces; use the bootstrap or the permutation test"
    )


def _find_fixed_point(answers: CrossedAnswers, lowest_share: float, second_order: bool) -> MixedModel | None:
    """Linearise and solve until both agree; None if they never do, or if the error is not defined."""
    groups = _RandomEffects(
        np.asarray(answers.second - 0.5, dtype=np.float64), (answers.participants, answers.faces), answers.counts
    )
    share = float(answers.correct.mean())
    fixed, variances = np.array([np.log(share / (1 - share)), 0.0]), np.array(_START)
    log_odds, uncertainty = np.full(answers.correct.size, fixed[0]), np.zeros(answers.correct.size)
    for _ in range(_MOST_STEPS):
        expected = to_share(log_odds)
        weights = np.maximum(expected * (1 - expected), _LEAST_WEIGHT)
        # The mean share of right answers differs from the share at the mean log odds by half the second derivative.
        curvature = weights * (1 - 2 * expected) * uncertainty / 2 if second_order else 0.0
        response = log_odds + (answers.correct - expected - curvature) / weights
        try:
            step = _solve_linear_model(groups, weights, response, variances, lowest_share)
        except np.linalg.LinAlgError:  # a singular system, as of answers that one face or participant decides
            return None
        change = max(np.abs(step.fixed - fixed).max(), np.abs(step.variances - variances).max())
        if not np.isfinite(change) or step.effect_variance <= 0:
            return None
        if change < _TOLERANCE:
            return _describe_fit(step, variances, answers.correct.size - 2)
        fixed, variances = step.fixed, step.variances
        log_odds, uncertainty = np.clip(step.log_odds, -_MOST_LOG_ODDS, _MOST_LOG_ODDS), step.uncertainty
    return None


@dataclass(frozen=True)
class _RandomEffects:
    """The four blocks of random effects: participants, their slopes, faces, their slopes.

    Attributes:
        x: -1/2 or 1/2, (n,).
        members: number of the participant, and of the face, of each answer.
        counts: number of participants, and of faces.
    """

    x: Floats
    members: tuple[Ints, Ints]
    counts: tuple[int, int]

    @property
    def blocks(self) -> list[slice]:
        people, faces = self.counts
        ends = np.cumsum([0, people, people, faces, faces]).tolist()
        return [slice(start, end) for start, end in pairwise(ends)]

    def expand(self, variances: Floats) -> Floats:
        """Return the variance of each random effect, from those of the four blocks."""
        return np.repeat(variances, np.repeat(self.counts, 2))

    def collect(self, values: Floats) -> Floats:
        """Sum values over the answers of each random effect: the product Z'v."""
        parts = [
            np.bincount(member, part, count)
            for member, count in zip(self.members, self.counts, strict=True)
            for part in (values, values * self.x)
        ]
        return np.concatenate(parts)

    def add_up(self, effects: Floats) -> Floats:
        """Add up the random effects of each answer: the product Zu."""
        parts = [effects[block] for block in self.blocks]
        person, face = self.members
        return np.asarray(parts[0][person] + parts[2][face] + self.x * (parts[1][person] + parts[3][face]))

    def add_variances(self, covariance: Floats) -> Floats:
        """Compute the variance of the sum of the random effects of each answer: the diagonal of Z C Z'."""
        person, face = self.members
        starts = [block.start for block in self.blocks]
        places = [starts[0] + person, starts[1] + person, starts[2] + face, starts[3] + face]
        factors = [np.ones_like(self.x), self.x] * 2
        pairs = [
            factor * other * covariance[place, across]
            for factor, place in zip(factors, places, strict=True)
            for other, across in zip(factors, places, strict=True)
        ]
        return np.asarray(sum(pairs))

    def cross(self, weights: Floats) -> Floats:
        """Compute the matrix Z'WZ."""
        matrix = np.zeros((self.blocks[-1].stop,) * 2)
        powers = [weights, weights * self.x, weights * self.x**2]
        (person, face), (people, faces) = self.members, self.counts
        pairs = [np.bincount(person * faces + face, power, people * faces).reshape(people, faces) for power in powers]
        for slope in (0, 1):
            for other in (0, 1):
                power = powers[slope + other]
                for first, member, count in ((0, person, people), (2, face, faces)):
                    matrix[self.blocks[first + slope], self.blocks[first + other]] = np.diag(
                        np.bincount(member, power, count)
                    )
                matrix[self.blocks[slope], self.blocks[2 + other]] = pairs[slope + other]
                matrix[self.blocks[2 + other], self.blocks[slope]] = pairs[slope + other].T
        return matrix


@dataclass(frozen=True)
class _Step:
    """Solution of the linear model at given variances, and the next variances.

    Attributes:
        fixed: intercept and effect.
        effect_variance: squared standard error of the effect.
        effect_variance_error: variance of the latter, by the delta method.
        log_odds, uncertainty: mean and variance of the log odds given the answers, (n,).
        variances: after one step of Fisher scoring.
    """

    fixed: Floats
    effect_variance: float
    effect_variance_error: float
    log_odds: Floats
    uncertainty: Floats
    variances: Floats


def _solve_linear_model(
    groups: _RandomEffects, weights: Floats, response: Floats, variances: Floats, lowest_share: float
) -> _Step:
    """Solve the linear mixed model of the response, whose covariance is V = W^-1 + Z G Z'.

    V is never formed: V^-1 = W - W Z (I + G Z'WZ)^-1 G Z'W, where G may have negative entries.

    Args:
        groups: the matrix Z, and x.
        weights: diagonal of W, (n,).
        response: linearised answers, (n,).
        variances: of the four blocks, which make the diagonal of G.
        lowest_share: bound of the slopes' variances, see _ATTEMPTS.
    """
    blocks, prior = groups.blocks, groups.expand(variances)
    columns = np.column_stack([np.ones_like(response), groups.x, response])
    weighted = weights[:, None] * columns
    cross, right = groups.cross(weights), np.column_stack([groups.collect(column) for column in weighted.T])
    # Z'V^-1 Z and Z'V^-1 [X y], then [X y]'V^-1 [X y].
    solved = np.linalg.solve(np.eye(prior.size) + cross * prior, np.column_stack([cross, right]))
    inner, outer = solved[:, : prior.size], solved[:, prior.size :]
    products = columns.T @ weighted - right.T @ (prior[:, None] * outer)
    covariance = np.linalg.inv(products[:2, :2])
    fixed = covariance @ products[:2, 2]
    gain = outer[:, :2] @ covariance
    projected = inner - gain @ outer[:, :2].T  # Z'PZ
    residual = outer[:, 2] - outer[:, :2] @ fixed  # Z'Py
    score = np.array([residual[b] @ residual[b] - np.trace(projected[b, b]) for b in blocks]) / 2
    information = np.array([[(projected[a, b] ** 2).sum() for b in blocks] for a in blocks]) / 2
    lowest = np.array(
        [-lowest_share / cross.diagonal()[b].max() if place % 2 else 0.0 for place, b in enumerate(blocks)]
    )
    inverse = np.linalg.pinv(information, rcond=1e-9, hermitian=True)
    slopes = np.array([(gain[b, 1] ** 2).sum() for b in blocks])
    free = variances > lowest
    reduced = np.linalg.pinv(information[np.ix_(free, free)], rcond=1e-9, hermitian=True)
    return _Step(
        fixed=fixed,
        effect_variance=float(covariance[1, 1]),
        effect_variance_error=float(slopes[free] @ reduced @ slopes[free]),
        log_odds=columns[:, :2] @ fixed + groups.add_up(prior * residual),
        uncertainty=groups.add_variances(np.diag(prior) - prior[:, None] * inner * prior),
        variances=np.maximum(variances + inverse @ score, lowest),
    )


def _describe_fit(step: _Step, variances: Floats, most_df: int) -> MixedModel:
    participant, participant_slope, face, face_slope = variances.tolist()
    return MixedModel(
        intercept=float(step.fixed[0]),
        effect=float(step.fixed[1]),
        error=float(np.sqrt(step.effect_variance)),
        df=2 * step.effect_variance**2 / max(step.effect_variance_error, 2 * step.effect_variance**2 / most_df),
        participant=participant,
        participant_slope=participant_slope,
        face=face,
        face_slope=face_slope,
    )


def to_share(log_odds: Floats) -> Floats:
    """Return the shares that belong to log odds."""
    return np.asarray((1 + np.tanh(log_odds / 2)) / 2)
