"""A command that fails for a reason that the project knows ends with one line and status 1, not with a traceback."""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperGroup

from core.errors import GestaltError, MissingPackageError, RequestError

EXTRA_PACKAGES: Final = frozenset(
    {
        "dlib",
        "face_recognition_models",
        "matplotlib",
        "numba",
        "openpyxl",
        "scipy",
        "sklearn",
        "torch",
        "transformers",
    }
)
"""Packages of the extra `full`, by the names under which they are imported."""


class ReportingGroup(TyperGroup):
    """A group of commands that prints the project's own errors as one line."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error of the project becomes a line on standard error and status 1."""
        try:
            return self._invoke(ctx)
        except GestaltError as error:
            field = f"{error.field}: " if isinstance(error, RequestError) else ""
            typer.secho(f"error: {field}{error}", fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from error

    def _invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in EXTRA_PACKAGES:
                raise
            raise MissingPackageError(package, "this command") from error
