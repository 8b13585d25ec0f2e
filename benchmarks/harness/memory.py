"""Peak memory of a work in a process of its own: `python -m benchmarks.harness.memory '{"part": …}'`.

The result is the highest resident memory less that before the work, in MB. It is read from the kernel's status of the
process, not from `ru_maxrss`, which starts with the value of the parent.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def measure_peak_mb(part: str, **arguments: Any) -> float | None:
    """Measure the peak of `benchmarks.speed.<part>.make_work(**arguments)`; None if the kernel does not report it."""
    if not Path("/proc/self/status").exists():
        return None
    asked = json.dumps({"part": part} | arguments)
    command = [sys.executable, "-m", "benchmarks.harness.memory", asked]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{asked} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return float(done.stdout.split()[-1])


def _read_marks() -> tuple[float, float]:
    """Read the current and the highest resident memory, in MB."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    kilobytes = {words[0]: float(words[1]) for words in lines if words[0] in ("VmRSS:", "VmHWM:")}
    return kilobytes["VmRSS:"] * 1024e-6, kilobytes["VmHWM:"] * 1024e-6


def _measure_here(part: str, **arguments: Any) -> float:
    work = importlib.import_module(f"benchmarks.speed.{part}").make_work(**arguments)
    Path("/proc/self/clear_refs").write_text("5")  # resets the highest mark
    before, _ = _read_marks()
    work()
    return _read_marks()[1] - before


if __name__ == "__main__":
    print(_measure_here(**json.loads(sys.argv[1])))
