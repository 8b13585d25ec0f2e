"""Models that requests name, in memory within a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class _Sized(Protocol):
    """Description of a model, which changes with its files."""

    @property
    def size_bytes(self) -> int:
        """Memory that the model needs."""
        ...


_Info = TypeVar("_Info", bound=_Sized)
_Loaded = TypeVar("_Loaded")


class LoadedModels(Generic[_Info, _Loaded]):
    """Models in memory. Those unused for longest make room for others.

    Args:
        load: loads a model.
        most_bytes: bound of the memory; one model may always be there.
    """

    def __init__(self, load: Callable[[_Info], _Loaded], most_bytes: int) -> None:
        self._load = load
        self._most_bytes = most_bytes
        self._using = threading.Lock()
        self._in_memory: OrderedDict[_Info, _Loaded] = OrderedDict()

    def use(self, info: _Info) -> _Loaded:
        """Return a model, which is loaded if need be."""
        with self._using:
            if info not in self._in_memory:
                self._in_memory[info] = self._load(info)
            self._in_memory.move_to_end(info)
            while len(self._in_memory) > 1 and sum(one.size_bytes for one in self._in_memory) > self._most_bytes:
                self._in_memory.popitem(last=False)
            return self._in_memory[info]
