"""Correlation of the relevance of facial regions with the HPO terms that clinicians see there (Sümer et al. 2023)."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from core.errors import DatasetError, LabelError
from core.statistics.rank_correlation import compute_spearman
from faces.conditions.terms import find_term
from faces.datasets.records import Record
from recognition.explanation.questions.group_size import LEAST_FACES, refuse_small_group
from recognition.explanation.questions.relevance_table import RelevanceTable

TermScores: TypeAlias = Mapping[str, Mapping[str, float]]
"""File of each face -> id of each term -> share of the raters who see it, in [0, 1]. A term that is absent is 0."""

RATERS: Final = 3
"""Raters of the study's sheets, whose cells are blank, 1X, 2X or 3X."""

_NAME_COLUMN: Final = "image_name"
_NO_TERMS: Final = ("image_num", _NAME_COLUMN, "Other")


@dataclass(frozen=True)
class TermCorrelation:
    """Spearman's correlation of the relevance of a region with the terms of that region, over persons.

    Attributes:
        persons: number of persons.
        mean, deviation: mean and standard deviation over the folds; the deviation of one fold is NaN.
        low, high: bootstrap interval of the correlation with the mean over the folds, by person.
    """

    region: str
    method: str
    persons: int
    mean: float
    deviation: float
    low: float
    high: float


def score_records(records: Sequence[Record]) -> TermScores:
    """Return the terms of a data set's table: 1 for each term that is present."""
    return {record.file: dict.fromkeys(record.present, 1.0) for record in records}


def read_rater_sheet(path: Path) -> TermScores:
    """Read a sheet of the study: image_num, image_name, a column for each term, Other; cells blank, 1X, 2X or 3X.

    Raises:
        DatasetError: it cannot be read, a column is no term of HPO, or a cell is not as expected.
    """
    try:
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); expected a rater's sheet in CSV") from error
    if not rows or _NAME_COLUMN not in rows[0]:
        raise DatasetError(f"{path} has no rows with the column {_NAME_COLUMN}; expected a rater's sheet")
    try:
        terms = {name: find_term(name).term.id for name in rows[0] if name and name not in _NO_TERMS}
    except LabelError as error:
        raise DatasetError(f"{path}: {error}") from error
    scores: dict[str, dict[str, float]] = {}
    for line, row in enumerate(rows, 2):
        seen = scores.setdefault(row[_NAME_COLUMN], {})
        for name, term in terms.items():
            cell = (row[name] or "").strip()
            match = re.fullmatch(r"(\d+)[xX]", cell)
            if (cell and match is None) or (match and int(match[1]) > RATERS):
                raise DatasetError(f"{path}, line {line}, {name}: {cell!r}; expected nothing, or 1X to {RATERS}X")
            if match:
                seen[term] = int(match[1]) / RATERS
    return scores


def correlate_terms(
    table: RelevanceTable, scores: TermScores, resamples: int = 500, seed: int = 0
) -> tuple[TermCorrelation, ...]:
    """Correlate the relevance of each region with the sum of the scores of its terms.

    Regions without terms, or whose sum is the same in all persons, are left out. Faces without scores are too.

    Raises:
        DatasetError: fewer than five persons with scores.
    """
    kept = [row for row, face in enumerate(table.faces) if face.file in scores]
    faces = tuple(table.faces[row] for row in kept)
    refuse_small_group("with HPO terms", [face.person or face.file for face in faces])
    totals = np.array([[_sum_scores(scores[face.file], region) for region in table.regions] for face in faces])
    scored = RelevanceTable(faces, ("score",), table.regions, totals[None, :, None])
    sums = scored.average_persons()[0, :, 0]
    chosen = RelevanceTable(faces, table.methods, table.regions, table.values[:, kept])
    values = chosen.average_persons()
    generator = np.random.default_rng(seed)
    results = []
    for r, region in enumerate(table.regions):
        for m, method in enumerate(table.methods):
            known = ~np.isnan(values[:, :, m, r]).any(axis=0)
            score, relevance = sums[known, r], values[:, known, m, r]
            if known.sum() < LEAST_FACES or np.ptp(score) == 0 or (np.ptp(relevance, axis=1) == 0).any():
                continue
            folds = compute_spearman(relevance, score)
            drawn = generator.integers(0, len(score), (resamples, len(score)))
            low, high = np.nanquantile(compute_spearman(relevance.mean(axis=0)[drawn], score[drawn]), (0.025, 0.975))
            deviation = float(np.std(folds, ddof=1)) if len(folds) > 1 else float("nan")
            results.append(
                TermCorrelation(region, method, len(score), float(np.mean(folds)), deviation, float(low), float(high))
            )
    return tuple(results)


def _sum_scores(scores: Mapping[str, float], region: str) -> float:
    return sum(score for term, score in scores.items() if find_term(term).term.region == region)
