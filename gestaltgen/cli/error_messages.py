"""What the project refuses on purpose ends a command with one line and status 1, not with a traceback."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from core.errors import GestaltError, RequestError


class Refusing(TyperGroup):
    """A group of commands whose refusals are told to a person."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except GestaltError as error:
            field = f"{error.field}: " if isinstance(error, RequestError) else ""
            typer.secho(f"error: {field}{error}", fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from error
