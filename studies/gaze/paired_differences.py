"""Differences between edited and other pictures, paired within participants and within faces, and their test.

Each participant sees each face in one variant. What differs between the faces of the two variants is removed first:
from each value the midpoint of its face over both variants is subtracted (or the midpoint of its participant, where
faces are the units). A sign-flip test over participants (`core.statistics.sign_flips`) speaks of other participants who
look at these faces. If the edit draws more looks in some faces than in others, it rejects too often for a claim about
other faces: 15 to 28 % at a level of 5 % where the effect varies between faces by half of the deviation of single
values. The test over both counts this (3 to 7 % in the same simulations).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.gaze.recordings.delimited_files import Floats, Ints

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PairedDifferences:
    """Differences between two variants.

    Attributes:
        values: (units, ...) edited minus other, of each unit that has both.
        adjusted: the midpoints were removed. They are not where nothing was seen in both variants.
        left_out: values that are left out, because the face (or participant) they belong to has one variant only.
    """

    values: Floats
    adjusted: bool
    left_out: int


def pair_within(unit: Ints, other: Ints, edited: Bools, values: Floats) -> PairedDifferences:
    """Compute the differences of units.

    Args:
        unit, other: (n,) for example the numbers of the participant and of the face.
        edited: (n,)
        values: (n, ...), finite.
    """
    both = _have_both(other, edited)
    kept = both[other]
    adjusted = bool(kept.any())
    if adjusted:
        unit, other, edited, values = unit[kept], other[kept], edited[kept], values[kept]
        values = values - _average_variants(other, edited, values).mean(axis=0)[other]
    means = _average_variants(unit, edited, values)
    differences = (means[1] - means[0])[_have_both(unit, edited)] if len(values) else values[:0]
    return PairedDifferences(differences, adjusted, int((~kept).sum()) if adjusted else 0)


def _have_both(group: Ints, edited: Bools) -> Bools:
    size = int(group.max(initial=-1)) + 1
    return np.asarray(
        (np.bincount(group[edited], minlength=size) > 0) & (np.bincount(group[~edited], minlength=size) > 0)
    )


def _average_variants(group: Ints, edited: Bools, values: Floats) -> Floats:
    """Average the values by group and variant: (2, groups, ...), the edited ones last; NaN where there are none."""
    groups = int(group.max()) + 1
    place = group + groups * edited
    sums = np.zeros((2 * groups, *values.shape[1:]))
    np.add.at(sums, place, values)
    counts = np.bincount(place, minlength=2 * groups).reshape(-1, *[1] * (values.ndim - 1))
    with np.errstate(invalid="ignore"):
        return np.asarray((sums / counts).reshape(2, groups, *values.shape[1:]))


@dataclass(frozen=True)
class CrossedTest:
    """Test of a mean difference over participants and faces, both taken as samples.

    Attributes:
        low, high: interval of the difference.
        p: two-sided.
    """

    low: float
    high: float
    p: float


def compare_crossed(person: Ints, face: Ints, edited: Bools, values: Floats, level: float = 0.95) -> CrossedTest | None:
    """Test the mean difference of `pair_within` over participants and faces.

    Its variance is that over participants plus that over faces less that of single values, which is in both, as in
    two-way clustered standard errors (Cameron, Gelbach and Miller 2011); it is at least the larger of the two. The
    reference is Student's t with degrees of freedom by Satterthwaite.

    Returns:
        None if there are too few participants or faces with both variants.
    """
    from scipy import stats

    people, faces = pair_within(person, face, edited, values), pair_within(face, person, edited, values)
    units = np.array([len(people.values), len(faces.values)])
    rest = len(values) - units.sum()
    if not (people.adjusted and faces.adjusted) or units.min() < 3 or rest < 1:
        return None
    residual = _center(person, _center(face, values, edited), edited)
    residual = residual - np.where(edited, residual[edited].mean(), residual[~edited].mean())
    single = (residual**2).sum() / rest * (1 / edited.sum() + 1 / (~edited).sum())
    each = np.array([people.values.var(ddof=1), faces.values.var(ddof=1)]) / units
    variance = max(each.sum() - single, each.max())
    if variance <= 0:
        return None
    freedom = variance**2 / ((each**2 / (units - 1)).sum() + single**2 / rest)
    difference, error = float(people.values.mean()), float(np.sqrt(variance))
    reach = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    return CrossedTest(difference - reach, difference + reach, float(2 * stats.t.sf(abs(difference) / error, freedom)))


def _center(group: Ints, values: Floats, edited: Bools) -> Floats:
    """Subtract the midpoint of both variants of each group, or the mean where there is one variant."""
    return np.asarray(values - np.nanmean(_average_variants(group, edited, values)[:, group], axis=0))
