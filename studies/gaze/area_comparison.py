"""Comparison of the gaze on areas of interest between edited and reconstructed pictures, and its description."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from core.statistics.mean_intervals import bound_mean
from core.statistics.multiple_tests import holm
from core.statistics.sign_flips import flip_signs
from studies.analysis.published import compute_student_p
from studies.answers.key import AnswerKey
from studies.answers.table import FEWEST
from studies.gaze.dwell_times import AreaView
from studies.gaze.paired_differences import Bools, compare_crossed, pair_within
from studies.gaze.recordings.delimited_files import Floats, Ints

ALL: Final = ""
"""Condition of a row that takes the faces of all conditions."""

LEVEL: Final = 0.95

_READ: Final[dict[str, Callable[[AreaView], float | None]]] = {
    "dwell_ms": lambda view: view.dwell_ms,
    "share": lambda view: view.share,
    "fixations": lambda view: float(view.fixations),
    "first_ms": lambda view: view.first_ms,
}

MEASURES: Final = tuple(_READ)


@dataclass(frozen=True)
class AreaSummary:
    """Gaze on an area in pictures of one condition and variant.

    Attributes:
        area, condition, variant: the condition is ALL for all faces.
        measure: one of MEASURES.
        participants, views: numbers with a value; `first_ms` has none where the area was never looked at.
        mean: over participants, of each participant's mean.
        low, high: interval of the mean over participants, by Student's t.
    """

    area: str
    condition: str
    variant: str
    measure: str
    participants: int
    views: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class AreaDifference:
    """Difference of the gaze on an area, edited minus reconstructed.

    Attributes:
        area, condition: the condition is ALL for all faces.
        measure: one of MEASURES.
        participants, faces: numbers that have both variants.
        edited, reconstructed: means over views.
        difference: mean over participants of the paired differences.
        low, high: its interval over participants and faces; over participants alone where `p_crossed` is NaN.
        p: sign-flip test over participants: for other participants and these faces.
        p_crossed: for other participants and other faces; NaN where too few faces were seen in both variants.
        holm: the better founded of the two (p_crossed, or p where it is NaN), corrected by Holm over the areas and
            conditions of this measure.
        p_published: unpaired equal-variance t-test over single views, as the published study tested its answers. Its
            test of the eye tracking is not stated. It ignores who looked and at which face.
        adjusted: differences between faces were removed (see `studies.gaze.paired_differences`).
        left_out: views of faces that were seen in one variant only.
    """

    area: str
    condition: str
    measure: str
    participants: int
    faces: int
    edited: float
    reconstructed: float
    difference: float
    low: float
    high: float
    p: float
    p_crossed: float
    holm: float
    p_published: float
    adjusted: bool
    left_out: int


@dataclass(frozen=True)
class _ViewTable:
    """Views as arrays (n,), with what the key says of their images."""

    person: Ints
    face: Ints
    condition: npt.NDArray[np.str_]
    variant: npt.NDArray[np.str_]
    area: npt.NDArray[np.str_]
    values: dict[str, Floats]


def _tabulate(views: Sequence[AreaView], key: AnswerKey) -> _ViewTable:
    if not views:
        raise DatasetError("there are no views of images with areas of interest; expected some to compare")
    images = [key[view.image] for view in views]
    return _ViewTable(
        person=np.unique([view.participant for view in views], return_inverse=True)[1],
        face=np.unique([image.face for image in images], return_inverse=True)[1],
        condition=np.array([image.condition for image in images]),
        variant=np.array([image.variant for image in images]),
        area=np.array([view.area for view in views]),
        values={
            name: np.array([math.nan if (value := read(view)) is None else value for view in views])
            for name, read in _READ.items()
        },
    )


def _list_conditions(table: _ViewTable) -> list[str]:
    names = np.unique(table.condition).tolist()
    return [ALL, *names] if len(names) > 1 else [ALL]


def _select(table: _ViewTable, area: str, condition: str, measure: str) -> Bools:
    rows = (table.area == area) & np.isfinite(table.values[measure])
    return np.asarray(rows if condition == ALL else rows & (table.condition == condition))


def summarise_areas(views: Sequence[AreaView], key: AnswerKey) -> list[AreaSummary]:
    """Describe the gaze on each area by condition and variant; groups of fewer than FEWEST participants are left out.

    Args:
        views: of images that the key has.
    """
    table = _tabulate(views, key)
    rows = []
    for measure in MEASURES:
        for area in np.unique(table.area).tolist():
            for condition in _list_conditions(table):
                selected = _select(table, area, condition, measure)
                for variant in np.unique(table.variant[selected]).tolist():
                    chosen = selected & (table.variant == variant)
                    means = _average(table.person[chosen], table.values[measure][chosen])
                    if len(means) >= FEWEST:
                        bounds = bound_mean(means, LEVEL)
                        rows.append(
                            AreaSummary(area, condition, variant, measure, len(means), int(chosen.sum()), *bounds)
                        )
    return rows


def compare_areas(views: Sequence[AreaView], key: AnswerKey, seed: int) -> list[AreaDifference]:
    """Compare edited with reconstructed pictures, for each measure, area and condition.

    Args:
        views: of images that the key has.
        seed: of the random signs.

    Returns:
        a row for each that has FEWEST participants with both variants; none where the study has no edited pictures.
    """
    table = _tabulate(views, key)
    compared = (table.variant == "edited") | (table.variant == "reconstructed")
    rows = []
    for measure in MEASURES:
        of_measure = [
            row
            for area in np.unique(table.area).tolist()
            for condition in _list_conditions(table)
            if (row := _compare(table, compared, area, condition, measure, seed)) is not None
        ]
        rows += _correct_by_holm(of_measure)
    return rows


def _compare(
    table: _ViewTable, compared: Bools, area: str, condition: str, measure: str, seed: int
) -> AreaDifference | None:
    rows = compared & _select(table, area, condition, measure)
    edited, values = (table.variant == "edited")[rows], table.values[measure][rows]
    if edited.all() or not edited.any():
        return None
    people = pair_within(table.person[rows], table.face[rows], edited, values)
    if len(people.values) < FEWEST:
        return None
    faces = table.face[rows]
    difference, low, high = bound_mean(people.values, LEVEL)
    crossed = compare_crossed(table.person[rows], table.face[rows], edited, values, LEVEL)
    if crossed is not None:
        low, high = crossed.low, crossed.high
    return AreaDifference(
        area=area,
        condition=condition,
        measure=measure,
        participants=len(people.values),
        faces=len({*faces[edited]} & {*faces[~edited]}),
        edited=float(values[edited].mean()),
        reconstructed=float(values[~edited].mean()),
        difference=difference,
        low=low,
        high=high,
        p=flip_signs(people.values, seed),
        holm=math.nan,
        p_crossed=math.nan if crossed is None else crossed.p,
        p_published=compute_student_p(values[edited].tolist(), values[~edited].tolist()),
        adjusted=people.adjusted,
        left_out=people.left_out,
    )


def _correct_by_holm(rows: Sequence[AreaDifference]) -> list[AreaDifference]:
    """Return the rows with `holm`."""
    corrected = holm([row.p if math.isnan(row.p_crossed) else row.p_crossed for row in rows])
    return [replace(row, holm=p) for row, p in zip(rows, corrected, strict=True)]


def _average(group: Ints, values: Floats) -> Floats:
    """Average the values of each group that has any."""
    counts = np.bincount(group)
    return np.asarray(np.bincount(group, weights=values)[counts > 0] / counts[counts > 0])
