"""Protocol by which long work reports how far it has got, so that the packages that do the work need no terminal.

A function that takes long has a parameter `progress: Progress = SILENT`. Commands pass an implementation that prints
(`gestaltgen.cli.progress.ConsoleProgress`); tests and services pass none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, Protocol


class Progress(Protocol):
    """Receiver of progress reports."""

    def say(self, line: str) -> None:
        """Print one line of text."""

    def bar(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show a progress bar while the context is open.

        Args:
            title: what is being done, for example "rendering images".
            total: number of units of work.

        Returns:
            a context that yields a function; call it with the number of units done so far.
        """


class SilentProgress:
    """Progress that is reported nowhere."""

    def say(self, line: str) -> None:
        """Ignore the line."""

    def bar(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Ignore the reports."""
        return nullcontext(_ignore)


SILENT: Final[Progress] = SilentProgress()


@contextmanager
def stepping_bar(progress: Progress, title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar whose function takes the number of units done since its last call."""
    done = 0
    with progress.bar(title, total) as show:

        def advance(more: int) -> None:
            nonlocal done
            done += more
            show(done)

        yield advance


def _ignore(done: int) -> None:
    pass
