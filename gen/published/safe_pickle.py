"""Interpreter of pickles that reads them as data: it imports nothing and calls only the functions that it is given.

Python's unpickler looks names up and calls them, so a pickle is a program. This interpreter replaces each allowed name
by a function of ours and refuses all others. Everything else is plain data: numbers, text, bytes, tuples, lists, sets
and dicts with plain keys. There is no attribute access, no import, no state set on foreign objects and no extension
registry. Memory is allocated only for what the input holds.
"""

from __future__ import annotations

import pickletools
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, Final, Protocol, TypeAlias, runtime_checkable

from core.errors import CheckpointError

GlobalName: TypeAlias = tuple[str, str]
"""Module and name of a global. Both are compared as a whole, so ("torch", "os.system") is not a name in `torch`."""


@dataclass(frozen=True)
class GlobalReplacement:
    """Replacement for a global: its name, and a function of ours that takes the arguments in the pickle."""

    name: GlobalName
    call: Callable[..., Any]


@runtime_checkable
class Stateful(Protocol):
    """Object of ours that accepts the state which a pickle sets after making it."""

    def set_state(self, state: Any) -> None: ...


def read(
    stream: BinaryIO,
    allowed: Mapping[GlobalName, Callable[..., Any]],
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Read the next pickle in a stream and return its object; the stream then stands after the pickle.

    Args:
        allowed: functions for the globals that the pickle may name. They get data of unknown form, and raise
            CheckpointError, TypeError or ValueError for unexpected data.
        persistent: function that returns the object of a persistent id; None refuses these ids.

    Raises:
        CheckpointError: another global (named), an opcode outside plain data, or a broken or truncated pickle.
    """
    machine = _Machine(allowed, persistent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # names with escapes that Python does not know
            for opcode, argument, position in pickletools.genops(stream):
                if opcode.name == "STOP":
                    machine.check_shape(machine.top())
                    return machine.pop()
                machine.step(opcode.name, argument, position or 0)
    except _UNEXPECTED as error:
        raise CheckpointError(f"the pickle is broken or not of the expected form: {error!r:.300}") from None
    raise CheckpointError("the pickle is truncated")


class _Mark:
    pass


_MARK: Final = _Mark()
_DEEPEST: Final = 100
_LARGEST: Final = 1_000_000
_SCALARS: Final = (str, bytes, int, float, type(None))  # bool is an int

_CONSTANTS: Final[Mapping[str, Callable[[], Any]]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_LITERALS: Final = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
)
_UNEXPECTED: Final = (
    *(ValueError, TypeError, LookupError, AttributeError, OverflowError, RuntimeError, struct.error),
    DeprecationWarning,
)
"""Errors that data of an unknown form may cause, here or in a replacement; RuntimeError is torch's."""


class _Machine:
    """Interpreter of one pickle, with its stack and memo."""

    def __init__(
        self, allowed: Mapping[GlobalName, Callable[..., Any]], persistent: Callable[[Any], Any] | None
    ) -> None:
        self.allowed = allowed
        self.persistent = persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.looked_at = 0

    def check_shape(self, value: Any) -> None:
        """Check that data, written out, would be neither deep, nor endless, nor large.

        A few hundred bytes can describe data in which each list holds the next one twice: whatever walks it, as an
        error message does, would never end.

        Raises:
            CheckpointError: the data is too deep or too large.
        """
        sizes: dict[int, int] = {}
        path: list[tuple[Any, Iterator[Any], int]] = [(value, iter([value]), 0)]
        while path:
            holder, items, size = path[-1]
            item = next(items, path)  # the path itself is not in the data
            self.looked_at += 1
            if item is path:
                path.pop()
                sizes[id(holder)] = size
                if path:
                    path[-1] = (*path[-1][:2], path[-1][2] + size)
            elif id(item) in sizes or not isinstance(item, list | tuple | dict | set | frozenset):
                path[-1] = (holder, items, size + sizes.get(id(item), 1))
            else:
                path.append((item, chain(item, item.values()) if isinstance(item, dict) else iter(item), 1))
            if len(path) > _DEEPEST or size > _LARGEST or self.looked_at > _LARGEST:
                raise CheckpointError(
                    f"the pickle holds data that is nested more than {_DEEPEST} deep, or has more than {_LARGEST:,} "
                    "items when it is written out: refused"
                )

    def step(self, opcode: str, argument: Any, position: int) -> None:
        if opcode in _LITERALS:
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in ("PROTO", "FRAME"):
            pass
        elif opcode == "MARK":
            self.stack.append(_MARK)
        elif opcode in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.top()
        elif opcode == "MEMOIZE":
            self.memo[len(self.memo)] = self.top()
        elif opcode in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif (method := getattr(self, f"do_{opcode.lower()}", None)) is not None:
            method(argument)
        else:
            raise CheckpointError(
                f"the pickle uses {opcode} at byte {position}, which plain data does not need: refused"
            )

    def top(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise ValueError("an operand is missing")
        return self.stack[-1]

    def pop(self) -> Any:
        self.top()
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is _MARK:
                items = self.stack[index + 1 :]
                del self.stack[index:]
                return items
        raise ValueError("a mark is missing")

    def top_as(self, kind: type) -> Any:
        if type(self.top()) is not kind:
            raise ValueError(f"{type(self.top()).__name__} instead of a {kind.__name__}")
        return self.top()

    def do_pop(self, _: None) -> None:
        self.stack.pop()

    def do_tuple(self, _: None) -> None:
        self.stack.append(tuple(self.pop_to_mark()))

    def do_tuple1(self, _: None) -> None:
        self._tuple(1)

    def do_tuple2(self, _: None) -> None:
        self._tuple(2)

    def do_tuple3(self, _: None) -> None:
        self._tuple(3)

    def _tuple(self, length: int) -> None:
        self.stack.append(tuple([self.pop() for _ in range(length)][::-1]))

    def do_list(self, _: None) -> None:
        self.stack.append(self.pop_to_mark())

    def do_append(self, _: None) -> None:
        item = self.pop()
        self.top_as(list).append(item)

    def do_appends(self, _: None) -> None:
        items = self.pop_to_mark()
        self.top_as(list).extend(items)

    def do_dict(self, _: None) -> None:
        items = self.pop_to_mark()
        self.stack.append({})
        self._set(items)

    def do_setitem(self, _: None) -> None:
        value, key = self.pop(), self.pop()
        self._set([key, value])

    def do_setitems(self, _: None) -> None:
        self._set(self.pop_to_mark())

    def _set(self, items: list[Any]) -> None:
        target = self.top_as(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[plain_key(key)] = value

    def do_additems(self, _: None) -> None:
        items = self.pop_to_mark()
        self.top_as(set).update(plain_key(item) for item in items)

    def do_frozenset(self, _: None) -> None:
        self.stack.append(frozenset(plain_key(item) for item in self.pop_to_mark()))

    def do_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._global(module, name)

    def do_stack_global(self, _: None) -> None:
        name, module = self.pop(), self.pop()
        self._global(module, name)

    def _global(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise ValueError("a global whose name is not text")
        if (module, name) not in self.allowed:
            raise CheckpointError(
                f"the pickle asks for {f'{module}.{name}'!r:.200}, which is not on the list of what a StyleGAN2-ADA "
                "checkpoint needs: refused, and nothing of it was run"
            )
        self.stack.append(GlobalReplacement((module, name), self.allowed[module, name]))

    def do_reduce(self, _: None) -> None:
        arguments, function = self.pop(), self.pop()
        if type(function) is not GlobalReplacement or type(arguments) is not tuple:
            raise CheckpointError(f"the pickle calls a {type(function).__name__}, not a listed function: refused")
        self.check_shape(arguments)
        self.stack.append(function.call(*arguments))

    do_newobj = do_reduce

    def do_build(self, _: None) -> None:
        state = self.pop()
        target = self.top()
        if not isinstance(target, Stateful):
            raise CheckpointError(f"the pickle sets the state of a {type(target).__name__}: refused")
        self.check_shape(state)
        target.set_state(state)

    def do_binpersid(self, _: None) -> None:
        identity = self.pop()
        if self.persistent is None:
            raise CheckpointError("the pickle refers to objects outside itself (a persistent id): refused")
        self.check_shape(identity)
        self.stack.append(self.persistent(identity))


def plain_key(key: Any) -> Any:
    """Check that a key can be hashed in constant time without recursion, and return it."""
    if not isinstance(key, _SCALARS):
        raise ValueError(f"{type(key).__name__} as a key")
    return key
