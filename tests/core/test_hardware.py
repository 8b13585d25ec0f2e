"""Cores and memory of the machine, within the limits of a container."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.hardware import count_cores, count_threads, free_memory_bytes, inspect_machine, limit_arenas


def test_a_container_limits_the_cores(tmp_path: Path) -> None:
    assert count_cores(tmp_path) >= 1
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert count_cores(tmp_path) == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert count_cores(tmp_path) == count_cores(tmp_path / "absent")


def test_threads_are_as_many_as_asked_for_or_as_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert count_threads() == 3
    for other in ("", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", other)
        assert count_threads() == count_cores()
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert count_threads() == count_cores()


def test_a_container_limits_the_memory(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:    4000 kB\n")
    assert free_memory_bytes(meminfo, tmp_path) == 4000 * 1024
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("2000000\n")
    (tmp_path / "memory.stat").write_text("anon 1500000\ninactive_file 500000\n")
    assert free_memory_bytes(meminfo, tmp_path) == 1_500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory_bytes(meminfo, tmp_path) == 4000 * 1024
    assert free_memory_bytes(tmp_path / "absent", tmp_path / "absent") is None


def test_a_cpu_is_described() -> None:
    machine = inspect_machine(torch.device("cpu"))
    assert machine.is_cpu
    assert machine.cores >= 1


def test_nothing_happens_where_the_c_library_has_no_such_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.hardware.sys.platform", "darwin")
    assert not limit_arenas()
