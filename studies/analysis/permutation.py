"""Permutation test of two variants within participants."""

from __future__ import annotations

from typing import Final

import numpy as np

from core.errors import ConfigError
from studies.analysis.crossed_answers import CrossedAnswers, Floats, Ints

_SWEEPS: Final = 30


def permute_variants(answers: CrossedAnswers, *, permutations: int = 2000, seed: int = 0) -> float:
    """Compute the two-sided p of the hypothesis that the variant changes no answer at all.

    The variants are exchanged at random among the answers of each participant, after the mean of each participant and
    of each face has been subtracted from the answers. The hypothesis is about these very participants and faces: where
    the effect differs between faces, the test rejects too often for a claim about the average effect on other faces.

    Raises:
        ConfigError: fewer than 100 permutations.
    """
    if permutations < 100:
        raise ConfigError(f"{permutations} permutations; expected 100 or more")
    generator = np.random.default_rng(seed)
    residuals = answers.correct.copy()
    for _ in range(_SWEEPS):
        for groups in (answers.participants, answers.faces):
            residuals -= _average(residuals, groups)
    order = np.argsort(answers.participants, kind="stable")
    people, second = answers.participants[order], answers.second[order]
    residuals = residuals[order]
    observed = abs(residuals @ second)
    reached = 0
    for _ in range(permutations):
        shuffled = second[np.lexsort((generator.random(second.size), people))]
        reached += int(abs(residuals @ shuffled) >= observed * (1 - 1e-9))
    return float((1 + reached) / (1 + permutations))


def _average(values: Floats, groups: Ints) -> Floats:
    return np.asarray((np.bincount(groups, values) / np.maximum(np.bincount(groups), 1))[groups])
