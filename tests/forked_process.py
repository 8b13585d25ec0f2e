"""Python code in a process of its own, forked from one that has imported PyTorch, which takes seconds to import."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

PRELOADED = ["gestaltgen.cli.training.train", "torch._dynamo"]
"""Modules that the server of forks imports."""

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(PRELOADED)


@contextmanager
def fork_python(
    code: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[BaseProcess]:
    """Run code as `python -c` does, with its output in a file, and kill it at the end of the block."""
    log.touch()
    process = _SERVER.Process(target=_run, args=(code, arguments, log, environment or {}))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def wait_until(condition: Callable[[], bool], process: BaseProcess, log: Path) -> None:
    """Wait until a condition holds, as long as the process runs."""
    while not condition():
        assert process.is_alive(), log.read_text()
        time.sleep(0.01)


def _run(code: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for what they run in the background
    sys.argv = ["-c", *arguments]
    exec(code, {"__name__": "__main__"})  # noqa: S102
