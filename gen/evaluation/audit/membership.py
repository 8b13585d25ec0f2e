"""Membership attacks: is this photograph in the training data? Scores are large for those that seem to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from core.statistics.detection import DetectionRate, RocArea, measure_area, measure_detection
from core.statistics.multiple_tests import holm
from faces.images import Pixels, to_tensor
from gen.networks import Discriminator

Floats = npt.NDArray[np.float64]

COMBINED: Final = "all scores combined"
BLIND: Final = "the photographs alone"
"""Name of the attack that knows no generator. If it succeeds, members and unseen people differ by their source."""

_LEAST_ALLOWED: Final = 5
_SHRINKAGE: Final = 0.1
_BATCH: Final = 64


@dataclass(frozen=True)
class Scores:
    """Scores (m,) of members and (n,) of unseen people by one attack; NaN for a picture that has none."""

    members: Floats
    unseen: Floats


@dataclass(frozen=True)
class Attack:
    """Success of one attack.

    Attributes:
        name: kind of its score.
        members, unseen: number of pictures that have a score.
        area: under the ROC curve, with interval and p.
        p_holm: p corrected for the number of attacks.
        rates: true positives at the asked rates of false ones, without those for which the unseen people are too few.
    """

    name: str
    members: int
    unseen: int
    area: RocArea
    p_holm: float
    rates: tuple[DetectionRate, ...]


def measure_attacks(scores: Mapping[str, Scores], false_positives: Sequence[float]) -> tuple[Attack, ...]:
    """Measure how well each kind of score tells members from unseen people."""
    known = {name: Scores(_drop_unknown(s.members), _drop_unknown(s.unseen)) for name, s in scores.items()}
    areas = [measure_area(s.members, s.unseen) for s in known.values()]
    corrected = holm([area.p for area in areas])
    return tuple(
        Attack(
            name,
            len(s.members),
            len(s.unseen),
            area,
            p,
            tuple(
                measure_detection(s.members, s.unseen, rate)
                for rate in false_positives
                if rate * len(s.unseen) >= _LEAST_ALLOWED - 1e-9
            ),
        )
        for (name, s), area, p in zip(known.items(), areas, corrected, strict=True)
    )


def combine_scores(scores: Sequence[Scores], seed: int) -> Scores:
    """Combine kinds of scores by a linear discriminant that is fitted on one half of the people; return the scores of
    the other half. Pictures that lack a score are left out."""
    return fit_and_score(
        np.stack([kind.members for kind in scores], axis=1), np.stack([kind.unseen for kind in scores], axis=1), seed
    )


def fit_and_score(members: Floats, unseen: Floats, seed: int) -> Scores:
    """Fit a linear discriminant to a random half of the rows (m, d) and (n, d), and return the scores of the others.

    The covariance is shrunk by a tenth towards the identity, after standardisation.
    """
    rng = np.random.default_rng(seed)
    halves = [_split_in_half(x[np.isfinite(x).all(axis=1)], rng) for x in (members, unseen)]
    fitted = [half[0] for half in halves]
    both = np.concatenate(fitted)
    mean, deviation = both.mean(axis=0), both.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1)
    ours, theirs = ((half - mean) / deviation for half in fitted)
    centred = np.concatenate([ours - ours.mean(axis=0), theirs - theirs.mean(axis=0)])
    covariance = (1 - _SHRINKAGE) * centred.T @ centred / len(centred) + _SHRINKAGE * np.eye(len(mean))
    weights = np.linalg.solve(covariance, ours.mean(axis=0) - theirs.mean(axis=0)) / deviation
    return Scores(*((half[1] - mean) @ weights for half in halves))


def make_discriminator_score(
    discriminator: Discriminator,
) -> Callable[[Pixels, npt.NDArray[np.float32], Callable[[int], None]], Floats]:
    """Return a function that gives the logits (n,) of pictures uint8 (n, h, h, 3) with labels (n, c_dim).

    Each picture is judged alone: the statistic of a batch, by which the discriminator sees variety, is that of one.
    """
    discriminator.b4.group_size = 1

    @torch.inference_mode()
    def score(images: Pixels, labels: npt.NDArray[np.float32], on_progress: Callable[[int], None]) -> Floats:
        parts = []
        for at in range(0, len(images), _BATCH):
            batch = to_tensor(images[at : at + _BATCH])
            parts.append(discriminator(batch, torch.from_numpy(labels[at : at + _BATCH]))[:, 0])
            on_progress(len(batch))
        return torch.cat(parts).double().numpy()

    return score


def _split_in_half(x: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    order = rng.permutation(len(x))
    return x[order[: len(x) // 2]], x[order[len(x) // 2 :]]


def _drop_unknown(scores: Floats) -> Floats:
    known: Floats = scores[np.isfinite(scores)]
    return known
