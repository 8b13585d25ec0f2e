"""Test of paired differences by flipping their signs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FLIPS: Final = 9999
"""Assignments of signs: all of them if there are no more, otherwise that many at random."""

_BATCH: Final = 256


def is_exact(units: int, flips: int) -> bool:
    """Tell whether all assignments of signs are listed."""
    return 1 << units <= flips + 1


def generate_signs(units: int, flips: int, seed: int) -> Iterator[Floats]:
    """Generate batches (m, units) of signs: all assignments, or `flips` random ones if there are more than that."""
    if is_exact(units, flips):
        numbers = np.arange(2**units)
        signs = 1.0 - 2.0 * ((numbers[:, None] >> np.arange(units)) & 1)
        yield from np.array_split(signs, -(-len(signs) // _BATCH))
        return
    generator = np.random.default_rng(seed)
    for start in range(0, flips, _BATCH):
        yield generator.choice([-1.0, 1.0], (min(_BATCH, flips - start), units))


def rank_extremes(extreme: int, units: int, flips: int) -> float:
    """Return p from the number of assignments at least as extreme as the observed one.

    Of all assignments the observed one is a part; to random ones it is added.
    """
    return extreme / 2**units if is_exact(units, flips) else (extreme + 1) / (flips + 1)


def flip_signs(differences: Sequence[float] | Floats, seed: int = 0, flips: int = FLIPS) -> float:
    """Compute the two-sided p of the sign-flip test of the mean of differences (units,); NaN for fewer than two."""
    values = np.asarray(differences, dtype=np.float64)
    units = len(values)
    if units < 2:
        return float("nan")
    # Sums of the same numbers in another order differ by rounding, and must still count as equal.
    observed = abs(values.sum()) - 1e-9 * np.abs(values).sum()
    extreme = sum(int((np.abs(signs @ values) >= observed).sum()) for signs in generate_signs(units, flips, seed))
    return rank_extremes(extreme, units, flips)
