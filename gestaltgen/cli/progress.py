"""Progress of long commands: bars on a terminal, and plain lines every ten seconds in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core import progress as protocol

LINE_INTERVAL_S: Final = 10.0
"""Seconds between two lines of progress where the console is not a terminal."""


@dataclass
class _Task:
    """One piece of work whose progress is reported."""

    title: str
    total: int
    done: int = 0
    started: float = field(default_factory=time.monotonic)

    def line(self) -> str:
        """Describe the progress, for example "rendering: 40 of 100, about 0:01:30 left"."""
        text = f"{self.title}: {self.done} of {self.total}"
        if not 0 < self.done < self.total:
            return text
        left = (time.monotonic() - self.started) * (self.total - self.done) / self.done
        return f"{text}, about {timedelta(seconds=round(left))} left"


class ConsoleProgress:
    """Progress reports on a console; the implementation of `core.progress.Progress` for commands.

    On a terminal each task has a bar, which vanishes at its end; a task within a task has a bar below. Elsewhere
    one line for all open tasks is printed every `interval_s` seconds, whether they advance or not.
    """

    def __init__(self, console: Console, interval_s: float = LINE_INTERVAL_S) -> None:
        self._console, self._interval_s = console, interval_s
        self._bars: Progress | None = None
        self._tasks: list[_Task] = []
        self._lock = Lock()

    def say(self, line: str) -> None:
        """Print one line of text as it is: square brackets in it are not markup."""
        self._console.print(line, markup=False, emoji=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Report a task while the context is open.

        Args:
            title: what is being done, for example "rendering".
            total: number of units of work.

        Returns:
            a context that yields a function; call it with the number of units done so far.
        """
        if self._console.is_interactive:
            with self._open_bars() as bars:
                task = bars.add_task(title, total=total)
                try:
                    yield lambda done: bars.update(task, completed=done)
                finally:
                    bars.remove_task(task)
        else:
            with self._print_lines(_Task(title, total)) as show:
                yield show

    @contextmanager
    def _open_bars(self) -> Iterator[Progress]:
        """Open the display of bars, or take the one that a task around this one has opened."""
        if self._bars is not None:
            yield self._bars
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as self._bars:
            try:
                yield self._bars
            finally:
                self._bars = None

    @contextmanager
    def _print_lines(self, task: _Task) -> Iterator[Callable[[int], None]]:
        """Print lines while a task is open; only the outermost task has a thread that prints."""

        def show(done: int) -> None:
            task.done = done

        with self._lock:
            outermost = not self._tasks
            self._tasks.append(task)
        ended = Event()
        thread = Thread(target=self._print_until, args=(ended,), name="progress lines", daemon=True)
        if outermost:
            thread.start()
        try:
            yield show
        finally:
            with self._lock:
                self._tasks.remove(task)
            ended.set()
            if outermost:
                thread.join()

    def _print_until(self, ended: Event) -> None:
        while not ended.wait(self._interval_s):
            with self._lock:
                line = "; ".join(task.line() for task in self._tasks)
            try:
                self.say(line)
            except (OSError, ValueError):  # the output is closed: the work goes on
                return


@contextmanager
def progress_bar(console: Console, title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Report one task on a console; see `ConsoleProgress.bar`."""
    with ConsoleProgress(console).bar(title, total) as show:
        yield show


def stepping_bar(console: Console, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Report one task with a function that takes the number of units done since its last call."""
    return protocol.stepping_bar(ConsoleProgress(console), title, total)
