from __future__ import annotations

import threading
from typing import Any

import pytest

from api.jobs import queue_threads
from api.jobs.queue_threads import QueueThreads


class Looks:
    """DBOS in so far as the threads use it, with their function replaced by one that counts looks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.background_thread_stop_events: list[threading.Event] = []
        self._background_threads: list[threading.Thread] = []
        self._sys_db = self
        self.looked = threading.Semaphore(0)
        monkeypatch.setattr(queue_threads, "queue_worker_thread", self._run)

    def get_queue(self, name: str) -> str:
        return name

    def _run(self, stop: threading.Event, *_: Any) -> None:
        while not stop.wait(3600):
            self.looked.release()

    def stop(self) -> None:
        for event in self.background_thread_stop_events:
            event.set()
        for thread in self._background_threads:
            thread.join(60)
            assert not thread.is_alive()


def test_threads_look_as_soon_as_they_are_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch)
    threads = QueueThreads(looks, ["a", "b"], 3600)  # type: ignore[arg-type]
    threads.start()
    for _ in range(2):
        threads.wake()
        assert looks.looked.acquire(timeout=60)
        assert looks.looked.acquire(timeout=60)
    looks.stop()


def test_threads_at_rest_look_at_their_own_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_threads, "AWAKE_S", -1.0)
    wait = queue_threads.LookEvent(0.05)
    assert not wait.wait(0.01)
    assert [wait.interval_s(timeout) for timeout in (0.01, 0.2)] == [0.05, 0.2]
    monkeypatch.setattr(queue_threads, "AWAKE_S", 3600.0)
    wait.wake()
    assert wait.interval_s(0.01) == 0.01
