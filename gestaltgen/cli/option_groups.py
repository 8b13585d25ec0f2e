"""Groups of command-line options as dataclasses, for commands with so many that a list of parameters is unreadable."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

_Result = TypeVar("_Result")


def expand_options(command: Callable[..., _Result]) -> Callable[..., _Result]:
    """Give a command one option for each field of the dataclasses among its parameters.

    A field is written like a parameter of a typer command: `Annotated[int, typer.Option(help=...)] = 3`. The command
    itself is called with the dataclasses, and so an error of their `__post_init__` is an error of the command.

    Raises:
        TypeError: two options have the same name.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type[Any]] = {}
    options: dict[str, inspect.Parameter] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        if dataclasses.is_dataclass(kind := hints[name]) and isinstance(kind, type):
            groups[name] = kind
            expanded = _expand_options(kind)
        else:
            expanded = [parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)]
        for option in expanded:
            if option.name in options:
                raise TypeError(f"{command.__name__} has the option {option.name!r} twice; expected different names")
            options[option.name] = option

    @functools.wraps(command)
    def call_with_groups(**values: Any) -> _Result:
        arguments = {name: values.pop(name) for name in list(values) if name not in _fields(groups)}
        for name, kind in groups.items():
            arguments[name] = kind(**{field.name: values[field.name] for field in dataclasses.fields(kind)})
        return command(**arguments)

    call_with_groups.__signature__ = inspect.Signature(list(options.values()))  # type: ignore[attr-defined]
    call_with_groups.__annotations__ = {name: option.annotation for name, option in options.items()}
    return call_with_groups


def _fields(groups: dict[str, type[Any]]) -> set[str]:
    return {field.name for kind in groups.values() for field in dataclasses.fields(kind)}


def _expand_options(kind: type[Any]) -> list[inspect.Parameter]:
    """Return a parameter for each field of a dataclass, with its annotation and its default."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(kind)
    ]
