from __future__ import annotations

import io
import time

from rich.console import Console

from gestaltgen.cli.progress import ConsoleProgress, stepping_bar


def _wait_for(file: io.StringIO, text: str) -> None:
    until = time.monotonic() + 20
    while text not in file.getvalue():
        assert time.monotonic() < until, file.getvalue()
        time.sleep(0.01)


def test_a_log_gets_lines_though_no_step_ends() -> None:
    file = io.StringIO()
    with ConsoleProgress(Console(file=file), interval_s=0.02).bar("rendering", 100) as show:
        _wait_for(file, "rendering: 0 of 100\n")
        show(40)
        _wait_for(file, "rendering: 40 of 100, about 0:00:")
    ended = file.getvalue()
    time.sleep(0.1)
    assert file.getvalue() == ended


def test_a_task_within_a_task_is_on_the_same_line() -> None:
    file = io.StringIO()
    progress = ConsoleProgress(Console(file=file), interval_s=0.02)
    with progress.bar("photographs", 3), progress.bar("tuning [a].jpg", 600):
        _wait_for(file, "photographs: 0 of 3; tuning [a].jpg: 0 of 600\n")


def test_what_takes_less_than_the_interval_leaves_a_log_empty() -> None:
    file = io.StringIO()
    with ConsoleProgress(Console(file=file)).bar("rendering", 2) as show:
        show(2)
    assert file.getvalue() == ""


def test_a_closed_output_does_not_stop_the_work() -> None:
    file = io.StringIO()
    progress = ConsoleProgress(Console(file=file), interval_s=0.01)
    with progress.bar("rendering", 2):
        file.close()
        time.sleep(0.1)


def test_a_terminal_gets_bars_one_below_the_other() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, force_interactive=True, width=100, height=20, _environ={})
    progress = ConsoleProgress(console)
    with progress.bar("photographs", 3) as show:
        show(1)
        with progress.bar("tuning", 600) as step:
            step(6)
            _wait_for(file, "6/600")
    assert "photographs" in file.getvalue()


def test_steps_are_added_up() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, force_interactive=True, width=100, height=20, _environ={})
    with stepping_bar(console, "faces", 10) as step:
        step(3)
        step(4)
        _wait_for(file, "7/10")
