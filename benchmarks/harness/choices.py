"""Check of the choices of the command lines."""

from __future__ import annotations

from collections.abc import Iterable

import typer


def check_choices(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse what is not known.

    Raises:
        typer.BadParameter: one of `given` is unknown.
    """
    known = [*known]
    for name in given:
        if name not in known:
            raise typer.BadParameter(f"unknown {what} {name!r}; expected some of {', '.join(known)}")
