"""Cluster bootstrap of the difference in accuracy between two variants."""

from __future__ import annotations

from typing import Final

import numpy as np

from core.errors import ConfigError
from studies.analysis.crossed_answers import CrossedAnswers, Floats
from studies.analysis.estimates import Estimate

_AT_ONCE: Final = 500


def bootstrap_difference(answers: CrossedAnswers, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Estimate the difference in accuracy, second minus first variant of a face, averaged over the faces.

    Only faces with answers to both variants count. Participants and faces are both drawn with replacement, with all
    their answers (the pigeonhole bootstrap, Owen 2007). The interval of 95 % holds for other participants and other
    faces, and is wider than it needs to be.

    Raises:
        ConfigError: fewer than 100 resamples.
    """
    if resamples < 100:
        raise ConfigError(f"{resamples} resamples; expected 100 or more")
    generator = np.random.default_rng(seed)
    people, faces = answers.counts
    place = (answers.second * people + answers.participants) * faces + answers.faces
    size = 2 * people * faces
    right, given = np.bincount(place, answers.correct, size), np.bincount(place, minlength=size)
    tables = np.stack([right, given]).astype(np.float64).reshape(2, 2, people, faces)
    differences = []
    for start in range(0, resamples, _AT_ONCE):
        drawn = min(_AT_ONCE, resamples - start)
        rows, columns = (
            generator.multinomial(count, np.full(count, 1 / count), drawn).astype(np.float64)
            for count in (people, faces)
        )
        differences.append(_average_differences(tables, rows, columns))
    low, high = np.nanquantile(np.concatenate(differences), [0.025, 0.975])
    value = _average_differences(tables, np.ones((1, people)), np.ones((1, faces)))
    return Estimate(float(value[0]), float(low), float(high))


def _average_differences(tables: Floats, rows: Floats, columns: Floats) -> Floats:
    """Average the differences of faces, (resamples,); NaN where no face has answers to both variants.

    Args:
        tables: right answers and all answers, (2, variants, participants, faces).
        rows, columns: how often each participant and each face is drawn, (resamples, ...).
    """
    right, count = np.einsum("ri,tvij->tvrj", rows, tables, optimize=True)
    with np.errstate(invalid="ignore"):
        differences = right[1] / count[1] - right[0] / count[0]
        weights = columns * (count > 0).all(axis=0)
        return np.asarray((weights * np.nan_to_num(differences)).sum(axis=1) / weights.sum(axis=1))
