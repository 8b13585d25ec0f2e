"""Agreement between raters: Fleiss' kappa and Krippendorff's alpha for nominal answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from studies.analysis.estimates import Estimate
from studies.answers.table import Answer, list_variants

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """Agreement of the participants about the images.

    Attributes:
        variant: of the images; empty for all.
        images: number of images with two answers or more.
        fleiss_kappa, krippendorff_alpha: 1 if all agree, 0 for chance; the intervals are of a bootstrap over images.
    """

    variant: str
    images: int
    fleiss_kappa: Estimate
    krippendorff_alpha: Estimate


def compute_fleiss_kappa(counts: Counts) -> float:
    """Compute Fleiss' kappa (1971); images may have different numbers of ratings.

    Args:
        counts: (images, answers): how many raters chose which answer, two raters or more for each image.

    Returns:
        NaN if every rating is the same answer.

    Raises:
        ConfigError: no image, or one with fewer than two ratings.
    """
    raters = _count_raters(counts)
    agreeing = ((counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))).mean()
    return _exceed_chance(float(agreeing), float(((counts.sum(axis=0) / counts.sum()) ** 2).sum()))


def compute_krippendorff_alpha(counts: Counts) -> float:
    """Compute Krippendorff's alpha (2011) of nominal ratings; arguments and errors as of `compute_fleiss_kappa`."""
    raters = _count_raters(counts)
    total, by_answer = int(counts.sum()), counts.sum(axis=0)
    agreeing = float(((counts * (counts - 1)).sum(axis=1) / (raters - 1)).sum() / total)
    return _exceed_chance(agreeing, float((by_answer * (by_answer - 1)).sum() / (total * (total - 1))))


def measure_agreement(answers: Sequence[Answer], *, resamples: int = 1000, seed: int = 0) -> list[Agreement]:
    """Measure the agreement about images with two answers or more: of all variants and of each."""
    variants = list_variants(answer.variant for answer in answers)
    options = {option: place for place, option in enumerate(sorted({answer.answer for answer in answers}))}
    rows = []
    for variant in ["", *(variants if len(variants) > 1 else [])]:
        images: dict[str, Counts] = {}
        for answer in answers:
            if variant in ("", answer.variant):
                row = images.setdefault(answer.image, np.zeros(len(options), dtype=np.int64))
                row[options[answer.answer]] += 1
        counts = [row for row in images.values() if row.sum() > 1]
        if len(counts) > 1:
            table = np.array(counts)
            drawn = np.random.default_rng(seed).integers(len(table), size=(resamples, len(table)))
            kappa, alpha = (
                _bootstrap(measure, table, drawn) for measure in (compute_fleiss_kappa, compute_krippendorff_alpha)
            )
            rows.append(Agreement(variant, len(table), kappa, alpha))
    return rows


def _bootstrap(measure: Callable[[Counts], float], table: Counts, drawn: Counts) -> Estimate:
    values = np.array([measure(table[rows]) for rows in drawn])
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if values.size else (np.nan, np.nan)
    return Estimate(measure(table), float(low), float(high))


def _count_raters(counts: Counts) -> Counts:
    raters = counts.sum(axis=1)
    if not raters.size or raters.min() < 2:
        raise ConfigError(f"{raters.min(initial=0)} ratings of an image; expected two or more of each")
    return np.asarray(raters)


def _exceed_chance(agreeing: float, chance: float) -> float:
    return (agreeing - chance) / (1 - chance) if chance < 1 else np.nan
