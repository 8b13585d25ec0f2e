"""Power of a study by simulation: the share of simulated studies in which a test finds the effect that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from core.errors import ConfigError, DatasetError
from core.progress import SILENT, Progress, stepping_bar
from core.statistics.shares import bound_share
from studies.answers.table import Answer
from studies.plan.simulate import Effects, simulate_answers
from studies.plan.study_design import StudyDesign

StudyTest: TypeAlias = Callable[[Sequence[Answer]], float]
"""Test of the answers of a study, which returns its p."""


@dataclass(frozen=True)
class Power:
    """Power at one number of participants.

    Attributes:
        participants: number of them.
        studies: number of simulated studies.
        rejected: number of these in which the test rejects.
        failed: number of these in which the test could not be computed; they count as not rejected.
    """

    participants: int
    studies: int
    rejected: int
    failed: int

    @property
    def share(self) -> float:
        """The estimated power."""
        return self.rejected / self.studies

    @property
    def interval(self) -> tuple[float, float]:
        """Interval of 95 % of the power (Wilson), which says how exactly the simulation knows it."""
        return bound_share(self.share, self.studies)


def estimate_power(
    design: StudyDesign,
    effects: Effects,
    participants: Sequence[int],
    test: StudyTest,
    *,
    studies: int = 200,
    level: float = 0.05,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Iterator[Power]:
    """Estimate the power of a test for some numbers of participants; yields each as soon as it is known.

    Args:
        studies: simulated studies for each number.
        level: the test rejects where p is below.
        seed: of all studies; each of them has answers of its own.

    Raises:
        ConfigError: no studies, or a number of participants below 1.
    """
    if studies < 1 or min(participants, default=0) < 1:
        raise ConfigError(
            f"{studies} studies of {min(participants, default=0)} participants; expected 1 or more of each"
        )
    with stepping_bar(progress, "simulating studies", studies * len(participants)) as advance:
        for count in participants:
            sized = design.with_participants(count)
            rejected = failed = 0
            for study in range(studies):
                try:
                    rejected += test(simulate_answers(sized, effects, (seed, count, study))) < level
                except DatasetError:  # few participants can all be right, or all wrong
                    failed += 1
                advance(1)
            yield Power(count, studies, rejected, failed)


def find_participants(powers: Sequence[Power], target: float) -> int | None:
    """Find the least number of participants with a power of `target` or more; None if none of them has it."""
    return min((power.participants for power in powers if power.share >= target), default=None)
