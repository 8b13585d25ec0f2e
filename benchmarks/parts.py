"""The parts of a long experiment as processes: as many at a time as there are cores, their time and memory noted."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from faces.errors import TrainingError

COSTS: Final = "costs.jsonl"
"""A line for every process that ran: name of the part, seconds, CPU seconds and peak memory in MB."""

_console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Part:
    """A process that ends by itself and, given again, goes on.

    Args:
        name: for people.
        command: what to run.
        log: file that its output is added to.
        done: there is nothing left to do.
    """

    name: str
    command: Sequence[str]
    log: Path
    done: bool = False


def run_side_by_side(parts: Sequence[Part], costs: Path) -> None:
    """Run what is not done, one part for each core, and note in a file of COSTS what it cost.

    Raises:
        TrainingError: one failed; the others are let finish.
    """
    waiting = [part for part in parts if not part.done]
    with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
        codes = list(pool.map(lambda part: _run(part, costs), waiting))
    if failed := [part for part, code in zip(waiting, codes, strict=True) if code]:
        told = "\n".join(f"{part.name}: {part.log}\n{_tail(part.log)}" for part in failed)
        raise TrainingError(f"did not finish; the same command goes on.\n{told}")


def _run(part: Part, costs: Path) -> int:
    part.log.parent.mkdir(parents=True, exist_ok=True)
    _console.print(f"{part.name}: begun, see {part.log}")
    began = time.monotonic()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TERM": "dumb"}
    with part.log.open("ab") as log:
        process = subprocess.Popen(part.command, stdout=log, stderr=log, env=environment)  # noqa: S603
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    cost = {
        "part": part.name,
        "seconds": round(time.monotonic() - began, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
        "code": process.returncode,
    }
    with costs.open("a") as file:
        file.write(json.dumps(cost) + "\n")
    ended = ", failed" if process.returncode else ""
    _console.print(f"{part.name}: {cost['seconds']:.0f} s, {cost['peak_mb']} MB{ended}")
    return process.returncode


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:])
