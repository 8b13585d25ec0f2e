"""A silent command prints what it is doing."""

from __future__ import annotations

import time
from threading import Event

from core.heartbeat import Heartbeat


def test_a_silent_command_names_its_activity() -> None:
    lines: list[str] = []
    heard = Event()

    def say(line: str) -> None:
        lines.append(line)
        heard.set()

    heartbeat = Heartbeat(say, silence_s=0.01)
    heartbeat.begin("reading the data")
    with heartbeat.run():
        assert heard.wait(30)
    assert lines[0].startswith("reading the data: 0:00:0")
    count = len(lines)
    time.sleep(0.05)
    assert len(lines) == count  # nothing is printed after the end


def test_a_command_that_prints_is_left_alone() -> None:
    lines: list[str] = []
    heartbeat = Heartbeat(lines.append, silence_s=60)
    with heartbeat.run():
        heartbeat.note_line()
        time.sleep(0.05)
    assert lines == []
