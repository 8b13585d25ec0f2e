"""Correction of p-values for their number."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import ConfigError


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number by Holm's step-down method (1979), in the order given.

    Raises:
        ConfigError: one is not a number from 0 to 1.
    """
    if wrong := [p for p in p_values if not 0 <= p <= 1]:
        raise ConfigError(f"p-value {wrong[0]}; expected a number from 0 to 1")
    corrected, reached = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = reached
    return corrected
