"""Work of jobs: steps, each of which is done once, and shares, which several processes divide among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Stopping(BaseException):
    """The service stops, and a job with it. Not an Exception, which the queue would record as the job's failure."""


@dataclass(frozen=True)
class JobStep:
    """Step of a job.

    Attributes:
        name: name of the step, for metrics.
        work: does the step and returns the number of items that it made. It may safely run twice.
        done: number of items that exist after the step.
    """

    name: str
    work: Callable[[], int]
    done: int


class Work(Protocol):
    """Work of one kind of job: its shares, in any order and by any process, and then its steps."""

    def shares(self, total: int) -> Sequence[tuple[int, int]]:
        """Return (start, stop) of the items of each share; none if the job is too small to be divided."""
        ...

    def share(self, subject: str, start: int, stop: int) -> Iterator[JobStep]:
        """Yield the steps of a share in order, the same ones on every call."""
        ...

    def steps(self, subject: str, total: int) -> Iterator[JobStep]:
        """Yield the steps that are not divided, in order, the same ones on every call."""
        ...

    def clean_up(self, subject: str, error: Exception) -> None:
        """Delete what a failed or cancelled job should not leave; may be called twice, and after the last step."""
        ...


class Undivided:
    """Base of work without shares."""

    def shares(self, total: int) -> Sequence[tuple[int, int]]:
        """Return none."""
        return []

    def share(self, subject: str, start: int, stop: int) -> Iterator[JobStep]:
        """Fail; there are no shares."""
        raise NotImplementedError


@dataclass(frozen=True)
class JobProgress:
    """Progress of a job.

    Attributes:
        done: number of items that exist.
        items_per_s: items made in a second; None before the first.
    """

    done: int = 0
    items_per_s: float | None = None


@dataclass
class Pace:
    """Progress and speed of some steps, over the time from the start of the first to the end of the last."""

    items: int = 0
    made: int = 0
    began_s: float = 0.0
    ended_s: float = 0.0

    def add(self, outcome: Mapping[str, Any]) -> None:
        """Add the outcome of a step or a share."""
        self.items += outcome.get("items", 0)
        if not outcome["made"]:  # it was there already
            return
        self.began_s = min(self.began_s, outcome["began_s"]) if self.made else outcome["began_s"]
        self.ended_s = max(self.ended_s, outcome["ended_s"])
        self.made += outcome["made"]

    @property
    def per_s(self) -> float | None:
        """Items per second; None before the first."""
        return self.made / max(self.ended_s - self.began_s, 1e-3) if self.made else None

    def to_outcome(self) -> dict[str, Any]:
        """Return the outcome of all of them together."""
        return {"made": self.made, "began_s": self.began_s, "ended_s": self.ended_s}
