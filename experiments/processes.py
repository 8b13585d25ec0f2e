"""Processes of a long experiment: as many at a time as there are cores, with a record of their time and memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape

from core.errors import GestaltError, TrainingError
from core.hardware import count_cores
from core.stop_signals import interrupt_on_terminate
from recognition.training.cross_validation import TrainingProgress

COSTS: Final = "costs.jsonl"
"""File with a line for every process that ran: its name, seconds, CPU seconds, peak memory in MB and exit code."""

_LOOK_S: Final = 1.0
_POLL_S: Final = 0.1
_LAST_LINES: Final = 8
_TAIL_BYTES: Final = 4000

_console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class SideProcess:
    """Process that ends by itself and continues its work when it is started again.

    Args:
        name: for people.
        command: program and arguments.
        log: file that its output is appended to.
        done: True if there is nothing left to do.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    done: bool = False


def run_app(app: typer.Typer) -> None:
    """Run a command; an expected error is printed as one line and gives status 1."""
    try:
        app()
    except GestaltError as error:
        sys.exit(f"error: {error}")


def print_epoch(progress: TrainingProgress) -> None:
    """Print a line for an epoch of one of an experiment's classifiers; it is the last line of the process's log."""
    report = progress.report
    training = f"training {progress.runs_done + 1} of {progress.runs}, epoch {report.epoch}"
    print(
        f"{training}: validation loss {report.validation_loss:.3f}, accuracy {report.validation_accuracy:.1%}",
        flush=True,
    )


def run_side_by_side(parts: Sequence[SideProcess], costs: Path) -> None:
    """Run the processes that are not done, one for each core, and record their cost in a file of COSTS.

    The last line of each log is shown meanwhile. If interrupted, the processes are stopped too.

    Raises:
        TrainingError: one failed; the others run to their end first.
    """
    waiting = [part for part in parts if not part.done]
    running: dict[SideProcess, subprocess.Popen[bytes]] = {}
    with interrupt_on_terminate(), ThreadPoolExecutor(count_cores()) as pool, _console.status("") as status:
        ended = [pool.submit(_run_process, part, costs, running) for part in waiting]
        try:
            while wait(ended, timeout=_LOOK_S).not_done:
                status.update(
                    "\n".join(escape(f"{part.name}: {_read_last_lines(part.log, 1)}") for part in list(running))
                )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in running.values():
                process.terminate()
            raise
    if failed := [part for part, end in zip(waiting, ended, strict=True) if end.result()]:
        messages = "\n".join(f"{part.name}, {part.log}:\n{_read_last_lines(part.log, _LAST_LINES)}" for part in failed)
        raise TrainingError(
            f"some processes failed; correct the causes below, then give the same command again.\n{messages}"
        )


def _run_process(part: SideProcess, costs: Path, running: dict[SideProcess, subprocess.Popen[bytes]]) -> int:
    part.log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with part.log.open("ab") as log:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TERM": "dumb"}
        process = running[part] = subprocess.Popen(part.command, stdout=log, stderr=log, env=environment)  # noqa: S603
    pid, peak_kb = 0, 0
    while not pid:
        peak_kb = max(peak_kb, _read_peak_kb(process.pid))
        time.sleep(_POLL_S)
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
    del running[part]
    process.returncode = os.waitstatus_to_exitcode(status)
    cost = {
        "part": part.name,
        "seconds": round(time.monotonic() - began, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(peak_kb / 1024),
        "code": process.returncode,
    }
    with costs.open("a") as file:
        file.write(json.dumps(cost) + "\n")
    failed = "" if process.returncode == 0 else f", exit code {process.returncode}"
    _console.print(f"{part.name}: {cost['seconds']:.0f} s, {cost['peak_mb']} MB{failed}")
    return process.returncode


def _read_peak_kb(pid: int) -> int:
    """Read the peak memory of a running process; that of wait4 would include the process that started it."""
    match = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return 0 if match is None else int(match[1])


def _read_last_lines(log: Path, lines: int) -> str:
    """Read the last lines of a log."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
