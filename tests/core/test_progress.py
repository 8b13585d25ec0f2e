import io
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
from rich.console import Console

from core.progress import SILENT, Progress, stepping_bar
from gestaltgen.cli.progress import ConsoleProgress


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_silent_progress_takes_every_report() -> None:
    SILENT.say("a line")
    with SILENT.bar("work", 3) as show:
        show(3)


def test_a_stepping_bar_adds_up_what_it_is_given() -> None:
    seen: list[int] = []

    class Recorder:
        def say(self, line: str) -> None: ...

        def bar(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
            return nullcontext(seen.append)

    with stepping_bar(Recorder(), "work", 6) as advance:
        for _ in range(3):
            advance(2)

    assert seen == [2, 4, 6]


def test_console_progress_prints_lines_as_they_are(console: Console) -> None:
    progress: Progress = ConsoleProgress(console)
    progress.say("read [red] 3 files")
    with progress.bar("work", 2) as show:
        show(2)

    assert isinstance(console.file, io.StringIO)
    assert "read [red] 3 files" in console.file.getvalue()
