"""Progress bars and lines on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core import progress as protocol


class ConsoleProgress:
    """Implementation of `core.progress.Progress` that prints on a console.

    Args:
        console: where lines and bars are printed.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, line: str) -> None:
        """Print one line of text as it is: square brackets in it are not markup."""
        self.console.print(line, markup=False, emoji=False)

    def bar(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show a bar that disappears at the end; the function takes the number of units done so far."""
        return progress_bar(self.console, title, total)


@contextmanager
def progress_bar(console: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar that disappears at the end; the function takes the number of units done so far."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


def stepping_bar(console: Console, what: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Show a bar as `progress_bar` does; the function takes the number of units done since its last call."""
    return protocol.stepping_bar(ConsoleProgress(console), what, total)
