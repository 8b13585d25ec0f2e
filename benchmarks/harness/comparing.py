"""Comparison of the published way and of peers with ours in each precision, timed in turn; the results are entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from benchmarks.harness.entries import BenchmarkEntry
from benchmarks.harness.timing import time_in_turn

Way: TypeAlias = str
"""`OURS`, `PUBLISHED_WAY`, or the name of a peer."""

OURS: Final = "ours"
PUBLISHED_WAY: Final = "published"

Variant: TypeAlias = tuple[Way, str]
"""A way and its precision."""

PUBLISHED: Final[Variant] = (PUBLISHED_WAY, "float32")

MEMORY_BATCH: Final = 8
"""The one batch size whose memory is measured."""

Work: TypeAlias = Callable[[], object]


@dataclass(frozen=True)
class MeasurementPlan:
    """Settings of a measurement.

    Args:
        machine: description of the machine for each entry.
        limits: largest number of operations a second, by precision; those of a GPU as "bfloat16, GPU".
        quick: measure only what has a target, in fewer rounds.
        full: use the published sizes where smaller ones are the default.
        sizes, batches: sizes in pixels (or "shipped") and batches to measure in `generation`; empty for all.
        without: names of peers to leave out.
    """

    machine: str
    limits: Mapping[str, float] = field(default_factory=dict)
    quick: bool = False
    full: bool = False
    sizes: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()
    without: tuple[str, ...] = ()

    def choose_budget_s(self, usual: float) -> float:
        """Return the seconds for the rounds of one comparison."""
        return usual / 4 if self.quick else usual

    def share_of_limit(self, precision: str, flop: float, seconds_: float) -> float | None:
        """Compute the share of the arithmetic limit that a number of operations in a number of seconds reaches."""
        return flop / seconds_ / self.limits[precision] if flop and precision in self.limits else None


@dataclass(frozen=True)
class Subject:
    """Subject of a comparison.

    Args:
        name, batch, unit: see Entry.
        units: number of images, steps or fits of one call of a work.
        flop: operations that one call needs by definition; 0 if they are not counted.
        suffix: suffix of the limit's name, ", GPU" for a GPU.
    """

    name: str
    batch: int
    unit: str = "image"
    units: int = 1
    flop: float = 0
    suffix: str = ""


def compare_ways(
    subject: Subject,
    works: Mapping[Variant, Work],
    plan: MeasurementPlan,
    budget_s: float,
    *,
    warm_up: Mapping[Variant, Work] | None = None,
    memory: Callable[[Variant], float | None] = lambda variant: None,
) -> list[BenchmarkEntry]:
    """Make an entry for each precision of ours, beside the published way and the best peer, if they are among the
    works."""
    times = time_in_turn(works, plan.choose_budget_s(budget_s), warm_up=warm_up)
    published = times.get(PUBLISHED)
    published_mb = memory(PUBLISHED) if published else None
    each = subject.units

    def share(precision: str, taken: float | None) -> float | None:
        return None if taken is None else plan.share_of_limit(precision + subject.suffix, subject.flop, taken)

    def peers_s(precision: str) -> dict[str, float] | None:
        peers = {
            way: taken / each
            for (way, theirs), taken in times.items()
            if theirs == precision and way not in (OURS, PUBLISHED_WAY)
        }
        return peers or None

    return [
        BenchmarkEntry(
            subject.name,
            precision,
            subject.batch,
            None if published is None else published / each,
            taken / each,
            unit=subject.unit,
            published_mb=published_mb,
            memory_mb=memory((way, precision)),
            published_share=share("float32", published),
            share_of_limit=share(precision, taken),
            machine=plan.machine,
            peers_s=peers_s(precision),
        )
        for (way, precision), taken in times.items()
        if way == OURS
    ]
