"""Threads for long work, a few for each owner, so that the default threads serve requests that only read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from api.problem_types import ProblemType
from api.problems import Problem

_Arguments = TypeVarTuple("_Arguments")
_T = TypeVar("_T")


class OwnerThreads:
    """Threads of each owner; further requests of the owner wait, and those beyond a bound are refused.

    Use it in the event loop only. Nothing is kept of owners without requests.

    Args:
        threads: of one owner.
        most: requests of one owner that work or wait.
    """

    def __init__(self, threads: int, most: int) -> None:
        self._threads = threads
        self.most = most
        self._limiters: dict[str, anyio.CapacityLimiter] = {}
        self._requests = Counter[str]()

    @property
    def owners_in_progress(self) -> int:
        """Number of owners of whom something is remembered, because requests of theirs are in progress."""
        return len(self._requests.keys() | self._limiters.keys())

    @contextmanager
    def admit(self, owner: str) -> Iterator[None]:
        """Count a request of an owner until the block ends.

        Raises:
            Problem: 429, too many work or wait already.
        """
        if self._requests[owner] >= self.most:
            raise Problem(
                ProblemType.TOO_MANY_AT_ONCE,
                f"{self.most} requests of yours of this kind are in progress already; wait until some are answered.",
                headers={"Retry-After": "1"},
            )
        self._requests[owner] += 1
        try:
            yield
        finally:
            self._requests[owner] -= 1
            if not self._requests[owner]:
                del self._requests[owner]
                self._limiters.pop(owner, None)

    async def run(self, owner: str, work: Callable[[*_Arguments], _T], *arguments: *_Arguments) -> _T:
        """Do the work of an admitted request in a thread of its owner, after the work that was asked for before."""
        limiter = self._limiters.setdefault(owner, anyio.CapacityLimiter(self._threads))
        return await anyio.to_thread.run_sync(work, *arguments, limiter=limiter)
