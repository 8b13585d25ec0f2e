"""Consoles of the command line: tables fit a terminal, and are printed whole where the output is a file or a pipe."""

from __future__ import annotations

from typing import Final

from rich.console import Console, ConsoleDimensions

LOG_WIDTH: Final = 10_000
"""Columns of a console that is not a terminal. No table is wider, so none is cut."""


class LogConsole(Console):
    """Console whose lines are as long as they need to be where it is not a terminal.

    The environment variable COLUMNS sets another width, as for every console.
    """

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and rows that text is laid out in."""
        if self.is_terminal or self._width is not None:
            return super().size
        return ConsoleDimensions(LOG_WIDTH, super().size.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size


def make_console(*, stderr: bool = False, quiet: bool = False, soft_wrap: bool = False) -> Console:
    """Make the console of a command.

    Args:
        stderr: write to the standard error output.
        quiet: print nothing, as in all but the first of several processes.
        soft_wrap: never break lines of text, on a terminal either.
    """
    return LogConsole(stderr=stderr, quiet=quiet, soft_wrap=soft_wrap, highlight=False)
