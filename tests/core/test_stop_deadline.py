"""A process that cannot react to a signal to stop is ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.stop_deadline import STOP_S, enforce_stop

ROOT = Path(__file__).parents[2]

BUSY = """
import hashlib, signal
from core.stop_deadline import enforce_stop
from core.stop_signals import StopRequest

with enforce_stop(lambda number: print("late", number.name, flush=True), seconds=0.5), StopRequest().listen():
    print("busy", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2 * 10**9)  # one operation of many minutes
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_long_operation_is_ended(number: signal.Signals) -> None:
    command = [sys.executable, "-c", BUSY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as child:  # noqa: S603
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "busy\n"
            began = time.monotonic()
            child.send_signal(number)
            assert child.wait(timeout=60) == 128 + number
            assert time.monotonic() - began >= 0.4
            assert child.stdout.readline() == f"late {number.name}\n"
        finally:
            child.kill()


def test_who_stops_in_time_is_left_alone() -> None:
    reported: list[signal.Signals] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        with enforce_stop(reported.append, seconds=60):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert reported == []


def test_a_stop_takes_under_20_seconds() -> None:
    assert STOP_S < 20
