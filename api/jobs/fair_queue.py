"""Fair queue: owners are served in turn, each owner in order of arrival."""

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
    """Put items into fair queues for this owner, in this thread and within the block."""
    before = _owner.set(owner)
    try:
        yield
    finally:
        _owner.reset(before)


class FairQueue(Generic[_T]):
    """Queue that serves owners round-robin, each owner in order of arrival. Not thread-safe.

    The next item is the first one of the owner who was served longest ago, or never.
    """

    def __init__(self) -> None:
        self._items: dict[str, deque[_T]] = {}
        self._turns = count(1)
        self._served: dict[str, int] = {}  # when each owner was last

    def append(self, item: _T) -> None:
        """Append an item for the owner of `on_behalf_of`."""
        self._items.setdefault(_owner.get(), deque()).append(item)

    def pop(self) -> tuple[str, _T]:
        """Take the next item, with its owner."""
        owner = self._next_owner()
        items = self._items[owner]
        item = items.popleft()
        if not items:
            del self._items[owner]
        self._served[owner] = next(self._turns)
        return owner, item

    def put_back(self, owner: str, item: _T) -> None:
        """Put an item back that was taken, as the next one."""
        self._items.setdefault(owner, deque()).appendleft(item)
        self._served[owner] = -1

    @property
    def next(self) -> _T | None:
        """The next item; None if the queue is empty."""
        return self._items[self._next_owner()][0] if self._items else None

    def _next_owner(self) -> str:
        return min(self._items, key=lambda owner: self._served.get(owner, 0))

    def __iter__(self) -> Iterator[_T]:
        for items in self._items.values():
            yield from items

    def __len__(self) -> int:
        return sum(map(len, self._items.values()))
