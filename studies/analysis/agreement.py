"""Agreement about images, of participants or of raters: Fleiss' kappa and Krippendorff's alpha, for nominal answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from studies.analysis.crossed_answers import number_names
from studies.analysis.estimates import Estimate
from studies.answers.rating_sheets import Rating
from studies.answers.table import Answer, is_shown, list_variants

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """Agreement about the images.

    Attributes:
        variant: of the images; empty for all.
        images: number of images that two or more judged.
        fleiss_kappa, krippendorff_alpha: 1 if all agree, 0 for chance; the intervals are of a bootstrap over faces.
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
    """Measure the agreement of participants about images of two faces or more: of all variants and of each."""
    variants = list_variants(answer.variant for answer in answers)
    rows = []
    for variant in ["", *(variants if len(variants) > 1 else [])]:
        chosen = [answer for answer in answers if variant in ("", answer.variant)]
        judged = [(answer.face, answer.image, answer.answer) for answer in chosen]
        if is_shown(chosen) and (row := _measure(variant, judged, resamples, seed)) is not None:
            rows.append(row)
    return rows


def measure_term_agreement(ratings: Sequence[Rating], *, resamples: int = 1000, seed: int = 0) -> dict[str, Agreement]:
    """Measure the agreement of raters on whether each term is present, where two or more rated images of two faces."""
    terms: dict[str, list[tuple[str, str, str]]] = {}
    for one in ratings:
        terms.setdefault(one.term, []).append((one.face, one.image, "present" if one.present else "absent"))
    rows = {term: _measure("", judged, resamples, seed) for term, judged in terms.items()}
    return {term: row for term, row in rows.items() if row is not None}


def _measure(variant: str, judged: Iterable[tuple[str, str, str]], resamples: int, seed: int) -> Agreement | None:
    """Measure the agreement; None if fewer than two faces have an image that was judged twice.

    Args:
        judged: face, image and answer of each judgement.
    """
    images: dict[tuple[str, str], list[str]] = {}
    for face, image, answer in judged:
        images.setdefault((face, image), []).append(answer)
    images = {names: given for names, given in images.items() if len(given) > 1}
    faces = number_names([face for face, _ in images])
    if len({*faces.tolist()}) < 2:
        return None
    options = sorted({answer for given in images.values() for answer in given})
    table = np.array([[given.count(option) for option in options] for given in images.values()])
    rows = [np.flatnonzero(faces == face) for face in range(faces.max() + 1)]
    drawn = np.random.default_rng(seed).integers(len(rows), size=(resamples, len(rows)))
    samples = [table[np.concatenate([rows[face] for face in chosen])] for chosen in drawn]
    kappa, alpha = (
        _bootstrap(measure, table, samples) for measure in (compute_fleiss_kappa, compute_krippendorff_alpha)
    )
    return Agreement(variant, len(table), kappa, alpha)


def _bootstrap(measure: Callable[[Counts], float], table: Counts, samples: Sequence[Counts]) -> Estimate:
    values = np.array([measure(sample) for sample in samples])
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
