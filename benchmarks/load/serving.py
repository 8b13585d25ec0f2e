"""A service in a process of its own, with the shipped generator or a free one, and a log of what it renders.

`python -m benchmarks.load.serving STATE PORT LOG PAUSE_S` is that process; variables GESTALTGEN_* give other settings.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

import weights
from api.app import create_app
from api.models.generator import GeneratorModel
from api.models.model import Pixels, RenderPlan, Row
from api.models.pool import Models
from api.settings import Settings
from core.hardware import limit_arenas
from gestaltgen.cli.service.server import open_listener, run_server
from gestaltgen_client import Client, ServiceError

REAL: Final = "real"
"""Value of PAUSE_S for a service that renders with the network."""

_READY_S: Final = 180.0


class LoggedGenerator(GeneratorModel):
    """The shipped generator, which writes to a log before and after it renders a batch.

    Args:
        log: gets `{"rows": [places in their set]}` as a batch begins, with the set of the first, process and time
            (`set`, `pid`, `at_s`), and `{"seconds": ...}` as it ends, with how long its thread ran (`ran_s`) and was
            ready but waited for a core (`queued_s`).
        pause_s: None renders with the network; else images are noise that follows from the row, and each batch takes
            this number of seconds.
        threads: cores that render; None for all that the process may use.
    """

    def __init__(self, log: Path, pause_s: float | None, threads: int | None) -> None:
        super().__init__(weights.default(), threads=threads)
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._pause_s = pause_s

    def render(self, plan: RenderPlan, rows: Sequence[Row]) -> Pixels:
        """Render rows; see `api.models.model.Model`."""
        places = [row.to_json()["index"] for row in rows]
        self._note({"rows": places, "set": plan.id, "pid": os.getpid(), "at_s": time.time()})
        began, at_first = time.perf_counter(), _read_scheduled_s()
        images = super().render(plan, rows) if self._pause_s is None else self._noise(plan, rows)
        ran_s, queued_s = (now - then for now, then in zip(_read_scheduled_s(), at_first, strict=True))
        self._note({"seconds": time.perf_counter() - began, "ran_s": ran_s, "queued_s": queued_s})
        return images

    def _noise(self, plan: RenderPlan, rows: Sequence[Row]) -> Pixels:
        time.sleep(self._pause_s or 0)
        side = self.info.resolution
        digests = [hashlib.sha256(json.dumps(self.describe(plan, row)).encode()).digest() for row in rows]
        draws = [np.random.default_rng(int.from_bytes(digest)) for digest in digests]
        return np.stack([draw.integers(0, 256, (side, side, 3), np.uint8) for draw in draws])

    def _note(self, said: Mapping[str, Any]) -> None:
        os.write(self._log, json.dumps(said).encode() + b"\n")


@dataclass(frozen=True)
class RunningService:
    """A running service.

    Attributes:
        process: its process.
        port: its port.
        state: its state folder.
        log: log of what it renders, see `LoggedGenerator`.
    """

    process: subprocess.Popen[bytes]
    port: int
    state: Path
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def read_started_batches(self) -> list[dict[str, Any]]:
        """Read each batch that was started, see `LoggedGenerator`."""
        return [said for said in self._read_log() if "rows" in said]

    def read_finished_batches(self) -> list[dict[str, float]]:
        """Read the times of each batch that was finished."""
        return [said for said in self._read_log() if "seconds" in said]

    def _read_log(self) -> Iterator[dict[str, Any]]:
        return map(json.loads, self.log.read_bytes().splitlines())

    def read_cpu_s(self) -> float:
        """Read the seconds that the process has spent on a core."""
        times = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()[11:13]
        return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")

    def read_rss_mb(self) -> float:
        """Read the resident memory of the process, in MB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def suspend(self) -> None:
        """Suspend the process, until `resume`."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def run_service(
    state: Path, *, pause_s: float | None = None, threads: int | None = 1, ready: bool = True, **settings: str
) -> Iterator[RunningService]:
    """Run a service on a free loopback port; it is stopped at the end of the context.

    Args:
        state: folder; the log lies beside it.
        pause_s: see `LoggedGenerator`.
        threads: number of threads that render; None for all that the process may use.
        ready: wait until the service is ready.
        settings: further settings, by the names of the variables GESTALTGEN_*.
    """
    log, output = state.with_name(f"{state.name}.jsonl"), state.with_name(f"{state.name}.log")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    pause = REAL if pause_s is None else str(pause_s)
    command = [sys.executable, "-m", "benchmarks.load.serving", str(state), str(port), str(log), pause]
    own = {name: value for name, value in os.environ.items() if not name.startswith("GESTALTGEN_")}
    own |= {"GESTALTGEN_WITHOUT_KEYS": "true"}
    own |= {f"GESTALTGEN_{name.upper()}": value for name, value in settings.items()}
    own |= {} if threads is None else {"GESTALTGEN_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    with output.open("ab") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=own)  # noqa: S603
    service = RunningService(process, port, state, log)
    try:
        if ready:
            _await_ready(service, output)
        yield service
    finally:
        service.resume()
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def make_scratch_folder() -> Iterator[Path]:
    """Make a temporary folder for state folders; it is deleted at the end of the context."""
    with tempfile.TemporaryDirectory(prefix="gestaltgen-benchmark-") as folder:
        yield Path(folder)


def hash_stored_files(state: Path, set_id: str) -> dict[str, str]:
    """Compute the SHA-256 of each file of an image set, by its path there."""
    folder = state / "sets" / set_id
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def _await_ready(service: RunningService, output: Path) -> None:
    deadline = time.monotonic() + _READY_S
    with Client(service.url) as client:
        while True:
            try:
                client.wait_ready(timeout_s=0)
                return
            except ServiceError:
                if service.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the service is not ready:\n{output.read_text()[-3000:]}") from None
                time.sleep(0.05)


def _read_scheduled_s() -> tuple[float, float]:
    """Read how long this thread ran, and how long it waited for a core."""
    ran, queued = Path("/proc/thread-self/schedstat").read_text().split()[:2]
    return int(ran) / 1e9, int(queued) / 1e9


def _serve(state: Path, port: int, log: Path, pause: str) -> None:
    model_log, pause_s = log, None if pause == REAL else float(pause)

    def load(settings: Settings) -> Models:
        return Models({"phantom128": LoggedGenerator(model_log, pause_s, settings.threads)})

    limit_arenas()
    settings = Settings(state=state)
    listener = open_listener("127.0.0.1", port)
    run_server(create_app(settings, load=load), listener, settings.max_connections_per_address)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
