"""Targets of speed: ratios to the published way, for two cores with AMX, and to the best peer, for every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.harness.entries import BenchmarkEntry

NOTE: Final = "Targets of ratios to the published way are stated for two cores with AMX."

PEER_TARGET: Final = 0.95
"""Least ratio to the best peer: as fast as it, within the 5 % by which measurements differ."""


@dataclass(frozen=True)
class SpeedTarget:
    """Target of one task.

    Args:
        name: name of the task.
        ratio: speed relative to the published way.
        precision, batch: None for the fastest precision, and for every batch.
    """

    name: str
    ratio: float
    precision: str | None = None
    batch: int | None = None


TARGETS: Final = (
    SpeedTarget("generate-256", 8, "bfloat16", 8),
    SpeedTarget("generate-256", 2.5, "float32", 8),
    SpeedTarget("generate-128", 8, "bfloat16", 8),
    SpeedTarget("training-step-128", 5),
    SpeedTarget("inversion-128", 4),
)


def find_target(entry: BenchmarkEntry, entries: Sequence[BenchmarkEntry]) -> float | None:
    """Find the target of an entry; None if it has none, or if another precision of the same task is faster."""
    for target in TARGETS:
        if target.name != entry.name or target.batch not in (None, entry.batch):
            continue
        alike = [other for other in entries if (other.name, other.batch) == (entry.name, entry.batch)]
        fastest = min(alike, key=lambda other: other.ours_s)
        if target.precision == entry.precision or (target.precision is None and fastest.key == entry.key):
            return target.ratio
    return None
