"""Whose turn it is: a queue in which owners take turns, each with what is theirs in the order that it came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Generic, TypeVar

_T = TypeVar("_T")

_owner: ContextVar[str] = ContextVar("owner", default="")


@contextmanager
def on_behalf_of(owner: str) -> Iterator[None]:
    """Within, what this thread puts into queues is this owner's."""
    before = _owner.set(owner)
    try:
        yield
    finally:
        _owner.reset(before)


class FairQueue(Generic[_T]):
    """A queue. Next is what belongs to whoever was served longest ago, or never.

    It is not locked.
    """

    def __init__(self) -> None:
        self._of: dict[str, deque[_T]] = {}
        self._turns = count(1)
        self._served: dict[str, int] = {}  # when each owner was last

    def append(self, item: _T) -> None:
        """Put something behind what is this owner's already."""
        self._of.setdefault(_owner.get(), deque()).append(item)

    def pop(self) -> tuple[str, _T]:
        """What is next, and whose it is."""
        owner = self._first()
        items = self._of[owner]
        item = items.popleft()
        if not items:
            del self._of[owner]
        self._served[owner] = next(self._turns)
        return owner, item

    def put_back(self, owner: str, item: _T) -> None:
        """Make something, that was taken out, what is next."""
        self._of.setdefault(owner, deque()).appendleft(item)
        self._served[owner] = -1

    @property
    def next(self) -> _T | None:
        """What is next; None where nothing waits."""
        return self._of[self._first()][0] if self._of else None

    def _first(self) -> str:
        return min(self._of, key=lambda owner: self._served.get(owner, 0))

    def __iter__(self) -> Iterator[_T]:
        for items in self._of.values():
            yield from items

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))
