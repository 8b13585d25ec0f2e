"""A bar for what takes a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bar(console: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar that vanishes at the end; what it yields takes the number done so far."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def stepping_bar(console: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """`progress_bar`, but what it yields takes the number done since the last call."""
    done = 0
    with progress_bar(console, what, total) as show:

        def step(more: int) -> None:
            nonlocal done
            done += more
            show(done)

        yield step
