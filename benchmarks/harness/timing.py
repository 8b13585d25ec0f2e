"""Timing of functions in turn, so that a change of the machine's speed affects all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Final, TypeVar

PAUSE_S: Final = 0.03
"""Pause before each measurement: threads of the function before wait actively for some milliseconds."""

_K = TypeVar("_K", bound=Hashable)


def time_in_turn(
    variants: Mapping[_K, Callable[[], object]],
    budget_s: float,
    *,
    most: int = 9,
    warm_up: Mapping[_K, Callable[[], object]] | None = None,
) -> dict[_K, float]:
    """Measure the median time of each function.

    Args:
        variants: functions by name.
        budget_s: seconds for all rounds; a further round starts only if it is expected to end in time.
        most: largest number of rounds.
        warm_up: functions to call before the first round, without measurement; None calls `variants`.
    """
    for work in (warm_up or variants).values():
        work()
    taken: dict[_K, list[float]] = {name: [] for name in variants}
    began = time.perf_counter()
    for done in range(1, most + 1):
        for name, work in variants.items():
            time.sleep(PAUSE_S)
            started = time.perf_counter()
            work()
            taken[name].append(time.perf_counter() - started)
        if (time.perf_counter() - began) * (done + 1) / done > budget_s:
            break
    return {name: statistics.median(times) for name, times in taken.items()}
