"""A disk that is nearly full."""

from __future__ import annotations

import logging
from collections import namedtuple
from pathlib import Path

import pytest

from api.operations.free_space import FreeSpace
from api.operations.state_folder import RESERVE
from api.problems import Problem
from tests.api.lab import Lab, good, phantom, refused

Usage = namedtuple("Usage", "total used free")
SET = {"kind": "unrelated", "conditions": ["WS"], "ages": ["child"], "count": 80, "seed": 9}


def leave(patch: pytest.MonkeyPatch, free: int) -> None:
    """Let so many bytes be free."""
    patch.setattr("api.operations.free_space.shutil.disk_usage", lambda path: Usage(1 << 40, 0, free))


def test_the_reserve_is_given_up_and_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space, reserve = FreeSpace(tmp_path, 100 << 20), tmp_path / RESERVE
    for free, is_there in ((1 << 30, True), (50 << 20, True), (1 << 20, False), (50 << 20, False), (1 << 30, True)):
        leave(monkeypatch, free)
        space.keep_reserve()
        space.release_reserve()
        assert reserve.exists() == is_there
    assert reserve.stat().st_blocks * 512 >= 16 << 20


def test_below_the_floor_nothing_large_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(monkeypatch, 99 << 20)
    with pytest.raises(Problem) as problem:
        FreeSpace(tmp_path, 100 << 20).check()
    assert problem.value.status == 503
    leave(monkeypatch, 100 << 20)
    FreeSpace(tmp_path, 100 << 20).check()


def test_on_a_full_disk_jobs_pause_and_erasing_works(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    photo = lab.photo(0)
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING, "gestaltgen.jobs"):
        with lab.occupied():
            made = good(lab.http.post("/v1/image-sets", json=SET), 202)
            lab.until_waiting()
            leave(patch, 0)
            refused(lab.http.post("/v1/image-sets", json=SET | {"seed": 10}), 503)
            refused(lab.send(phantom(1)), 503)
        lab.until(lambda: any("pauses" in record.getMessage() for record in caplog.records))
        assert good(lab.http.get(made["links"]["self"]))["state"] == "running"
        good(lab.http.delete(f"/v1/photos/{photo}"))
        assert not (lab.state / RESERVE).exists()
    assert lab.finished(made["links"]["self"])["state"] == "done"
