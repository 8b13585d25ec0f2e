from __future__ import annotations

import signal
import time

import pytest

from core.stop_signals import StopRequest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_a_wish_and_one_that_insists_does_what_it_always_does(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, heard = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    before = signal.signal(number, lambda *_: heard.append("as always"))
    try:
        stop = StopRequest()
        with stop.listen():
            assert not stop
            signal.raise_signal(number)
            assert stop
            assert stop.signal == number
            now[0] += 0.5  # handed on by torchrun
            signal.raise_signal(number)
            assert heard == []
            now[0] += 0.5
            signal.raise_signal(number)
            assert heard == ["as always"]
        signal.raise_signal(number)
        assert heard == ["as always"] * 2
    finally:
        signal.signal(number, before)
