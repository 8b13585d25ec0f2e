"""Whose turn it is: a queue in which owners take turns, each with what is theirs in the order that it came."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


class Turns(Generic[_T]):
    """A queue. Whoever was served waits until all others that have something in it were served too.

    It is not locked.
    """

    def __init__(self) -> None:
        self._of: OrderedDict[str, deque[_T]] = OrderedDict()

    def append(self, item: _T) -> None:
        """Put something behind what is this owner's already."""
        self._of.setdefault(_owner.get(), deque()).append(item)

    def pop(self) -> tuple[str, _T]:
        """What is next, and whose it is."""
        owner, items = next(iter(self._of.items()))
        item = items.popleft()
        if items:
            self._of.move_to_end(owner)
        else:
            del self._of[owner]
        return owner, item

    def put_back(self, owner: str, item: _T) -> None:
        """Make something, that was taken out, what is next."""
        self._of.setdefault(owner, deque()).appendleft(item)
        self._of.move_to_end(owner, last=False)

    @property
    def next(self) -> _T | None:
        """What is next; None where nothing waits."""
        return next(iter(self._of.values()))[0] if self._of else None

    def __iter__(self) -> Iterator[_T]:
        for items in self._of.values():
            yield from items

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))
