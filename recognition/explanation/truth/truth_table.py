"""Table of the truth of saliency methods: which of them shows the regions that the answers depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core.statistics.rank_correlation import compute_spearman
from faces.phantoms.drawn_terms import OVERALL
from faces.phantoms.regions import REGIONS
from recognition.explanation.saliency.methods import METHODS
from recognition.explanation.truth.measurement import MAPS, Floats, TruthMeasurement
from recognition.explanation.truth.phantom_faces import MASKED
from recognition.explanation.truth.restoration import PARTS
from recognition.statistics import Interval, mean_interval

LEAST_TOTAL: Final = 0.5
"""Fall of the logit, if all parts are restored, from which on a face counts: below, the answer does not depend on what
the condition changed, and its causal shares are noise."""

Indices = npt.NDArray[np.int64]

_REGIONS: Final = [PARTS.index(region) for region in REGIONS]


@dataclass(frozen=True)
class MethodTruth:
    """Figures of one method, or of the edges of the pictures, over the faces that count.

    Attributes:
        method: one of MAPS.
        correlation: Spearman correlation over regions of the relevance (mean over the region's area, as published)
            with the size of the region's move, mean over faces, with interval by person.
        correlation_of_sums: the same for the sum of the map over the region.
        correlation_of_changes: Spearman correlation with the pixels that the condition changed, by area.
        hits: share of faces whose region of largest relevance is that of the largest move.
        hits_of_sums: the same for sums.
        similarity: correlation, over pixels, with the map of random weights; None if it was not measured.
        seconds: median processor seconds of a map; None for edges.
    """

    method: str
    correlation: Interval
    correlation_of_sums: Interval
    correlation_of_changes: float
    hits: Interval
    hits_of_sums: float
    similarity: float | None
    seconds: float | None


@dataclass(frozen=True)
class ConditionTruth:
    """Dependence of the answers for a condition on regions of the face.

    Attributes:
        condition: name.
        faces: number of measured faces.
        counted: faces that count.
        accuracy: share of faces whose condition is the classifier's answer.
        total: mean fall of the logit if all parts are restored.
        shares: causal share of each of PARTS: sum of its moves over the sum of the totals, over the faces that count.
        margin_shares: the same for the logit less the mean of the others.
        changed: share of each of MASKED in the pixels that the condition changed.
    """

    condition: str
    faces: int
    counted: int
    accuracy: float
    total: float
    shares: dict[str, float]
    margin_shares: dict[str, float]
    changed: dict[str, float]


def select_counting(measured: TruthMeasurement) -> Indices:
    """Select the faces that count: the total is large enough, and a region moves."""
    counting: Indices = np.flatnonzero((measured.total >= LEAST_TOTAL) & measured.moves[:, _REGIONS].any(axis=1))
    return counting


def measure_methods(measured: TruthMeasurement) -> list[MethodTruth]:
    """Compute the figures of every method that is defined."""
    counting = select_counting(measured)
    persons = measured.persons[counting].tolist()
    defined = [place for place in range(len(MAPS)) if len(counting) and np.isfinite(measured.relevance[:, place]).all()]
    return [_measure_method(measured, counting, persons, place) for place in defined]


def _measure_method(measured: TruthMeasurement, counting: Indices, persons: list[int], place: int) -> MethodTruth:
    means, sums, changes, hits, hits_of_sums = [], [], [], [], []
    for face in counting:
        seen = np.flatnonzero(measured.areas[face, : len(REGIONS)])  # MASKED begins with REGIONS
        moves = np.abs(measured.moves[face, _REGIONS])[seen]
        areas, total = measured.areas[face, seen], measured.relevance[face, place, seen]
        means.append(_correlate(total / areas, moves))
        sums.append(_correlate(total, moves))
        changes.append(_correlate(total / areas, measured.changes[face, seen] / areas))
        hits.append(float((total / areas).argmax() == moves.argmax()))
        hits_of_sums.append(float(total.argmax() == moves.argmax()))
    method = MAPS[place]
    similarity = measured.similarity[:, place] if method in METHODS else np.array([np.nan])
    seconds = measured.seconds[:, place] if method in METHODS else np.array([np.nan])
    return MethodTruth(
        method,
        mean_interval(np.array(means), persons),
        mean_interval(np.array(sums), persons),
        float(np.mean(changes)),
        mean_interval(np.array(hits), persons),
        float(np.mean(hits_of_sums)),
        float(np.nanmean(similarity)) if np.isfinite(similarity).any() else None,
        float(np.nanmedian(seconds)) if np.isfinite(seconds).any() else None,
    )


def _correlate(relevance: Floats, moves: Floats) -> float:
    """Correlate ranks; a map of one value, or moves of one size, tell no order: 0."""
    return float(np.nan_to_num(compute_spearman(relevance, moves)))


def measure_conditions(measured: TruthMeasurement) -> list[ConditionTruth]:
    """Compute the causal shares of each condition."""
    counting = np.isin(np.arange(len(measured.total)), select_counting(measured))
    rows = []
    for condition in dict.fromkeys(measured.conditions.tolist()):
        inside = measured.conditions == condition
        counted = inside & counting
        total, total_margin = measured.total[counted].sum(), measured.total_margin[counted].sum()
        shares = measured.moves[counted].sum(axis=0) / (total or np.nan)
        margin_shares = measured.margins[counted].sum(axis=0) / (total_margin or np.nan)
        changed = measured.changes[inside].sum(axis=0)
        rows.append(
            ConditionTruth(
                condition,
                int(inside.sum()),
                int(counted.sum()),
                float(measured.correct[inside].mean()),
                float(measured.total[inside].mean()),
                dict(zip(PARTS, shares.tolist(), strict=True)),
                dict(zip(PARTS, margin_shares.tolist(), strict=True)),
                dict(zip(MASKED, (changed / changed.sum()).tolist(), strict=True)),
            )
        )
    return rows


def find_planted(measured: TruthMeasurement, region: str) -> dict[str, tuple[float, float]]:
    """Measure how often each method finds a confounder in a region.

    Returns:
        method -> share of faces where the region has the largest relevance of all, outside included; share of faces
        where the map's largest value lies in it.
    """
    place = MASKED.index(region)
    found = {}
    for row, method in enumerate(MAPS):
        relevance = measured.relevance[:, row] / np.where(measured.areas > 0, measured.areas, np.inf)
        if np.isfinite(relevance).all():
            first = float((relevance.argmax(axis=1) == place).mean())
            found[method] = first, float((measured.peaks[:, row] == place).mean())
    return found


def format_methods(rows: list[MethodTruth]) -> str:
    """Format the figures of the methods as a Markdown table, the highest correlation first."""
    lines = [
        "| method | rank correlation with the causal move | of sums | with changed pixels | hit rate | of sums "
        "| random weights | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: -row.correlation.value):
        similarity = "" if row.similarity is None else f"{row.similarity:.2f}"
        seconds = "" if row.seconds is None else f"{row.seconds:.3f}"
        lines.append(
            f"| {row.method} | {format_interval(row.correlation)} | {format_interval(row.correlation_of_sums)} "
            f"| {row.correlation_of_changes:.2f} | {format_interval(row.hits)} | {row.hits_of_sums:.2f} "
            f"| {similarity} | {seconds} |"
        )
    return "\n".join(lines) + "\n"


def format_conditions(rows: list[ConditionTruth]) -> str:
    """Format the causal shares of the conditions as a Markdown table."""
    titles = ("condition", "faces", "counted", "accuracy", "total", *REGIONS, OVERALL)
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for row in rows:
        cells = (row.condition, str(row.faces), str(row.counted), f"{row.accuracy:.2f}", f"{row.total:.2f}")
        lines.append("| " + " | ".join((*cells, *(f"{row.shares[part]:.2f}" for part in PARTS))) + " |")
    return "\n".join(lines) + "\n"


def format_interval(of: Interval) -> str:
    """Format a value with its interval."""
    return f"{of.value:.2f} ({of.low:.2f} to {of.high:.2f})"
