"""What a job does: parts, each of which is done once and for all, and shares of them that processes divide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Stopping(BaseException):
    """The service stops, and a job with it. Not an Exception, which the queue would record as the job's failure."""


@dataclass(frozen=True)
class JobStep:
    """A step of a job.

    Attributes:
        name: of the step.
        work: does it; gives how many items it made. Doing it twice does no harm.
        done: items that there are after it.
    """

    name: str
    work: Callable[[], int]
    done: int


class Work(Protocol):
    """What one kind of job does: its shares, in any order and by any process, and then its parts."""

    def shares(self, total: int) -> Sequence[tuple[int, int]]:
        """(start, stop) of the items of each share; none where it is too small to be divided."""
        ...

    def share(self, subject: str, start: int, stop: int) -> Iterator[JobStep]:
        """The steps of a share, in order: the same ones whenever they are asked for."""
        ...

    def steps(self, subject: str, total: int) -> Iterator[JobStep]:
        """The steps of what is not divided, in order: the same ones whenever they are asked for."""
        ...

    def clean_up(self, subject: str, error: Exception) -> None:
        """Leave nothing behind that a failed or cancelled job should not; may come twice, and after the last part."""
        ...


class Undivided:
    """Work without shares."""

    def shares(self, total: int) -> Sequence[tuple[int, int]]:
        """See Work."""
        return []

    def share(self, subject: str, start: int, stop: int) -> Iterator[JobStep]:
        """See Work."""
        raise NotImplementedError


@dataclass
class Pace:
    """How far some steps came, and how fast, over the time from the first one's beginning to the last one's end."""

    items: int = 0
    made: int = 0
    began_s: float = 0.0
    ended_s: float = 0.0

    def add(self, outcome: Mapping[str, Any]) -> None:
        """Count one more step, or share."""
        self.items += outcome.get("items", 0)
        if not outcome["made"]:  # it was there already
            return
        self.began_s = min(self.began_s, outcome["began_s"]) if self.made else outcome["began_s"]
        self.ended_s = max(self.ended_s, outcome["ended_s"])
        self.made += outcome["made"]

    @property
    def per_s(self) -> float | None:
        return self.made / max(self.ended_s - self.began_s, 1e-3) if self.made else None

    def to_outcome(self) -> dict[str, Any]:
        """As an outcome."""
        return {"made": self.made, "began_s": self.began_s, "ended_s": self.ended_s}
