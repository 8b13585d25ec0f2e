"""The service as a local process of its own, for the demonstration and for experiments."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from core.errors import GestaltError
from core.progress import SILENT, Progress
from gestaltgen_client import Client, ServiceError

_T = TypeVar("_T")
_READY_S: Final = 180.0
_POLL_S: Final = 0.05
_STOP_S: Final = 15.0
_LAST_LINES: Final = 15


class LocalServiceError(GestaltError):
    """The service did not start; the message ends with the last lines of its log."""


@contextmanager
def run_local_service(
    weights: Path, models: Path | None = None, classifiers: Path | None = None, *, progress: Progress = SILENT
) -> Iterator[str]:
    """Start the service on a free port of the loopback interface, and stop it at the end, whatever happens.

    It keeps its state in a temporary folder, and takes no settings from the environment.

    Args:
        weights: checkpoint of the generator.
        models: folder with further checkpoints.
        classifiers: folder with classifiers.

    Yields:
        The URL of the service, which is ready.

    Raises:
        LocalServiceError: the service ended, or did not become ready within three minutes.
    """
    with tempfile.TemporaryDirectory(prefix="gestaltgen-service-") as scratch:
        further = ["--without-keys", *([] if models is None else ["--models", str(models.resolve())])]
        settings = {} if classifiers is None else {"GESTALTGEN_CLASSIFIERS": str(classifiers.resolve())}
        with start_service(weights, Path(scratch) / "state", further, settings, progress=progress) as url:
            yield url


@contextmanager
def start_service(
    weights: Path,
    state: Path,
    options: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    *,
    progress: Progress = SILENT,
) -> Iterator[str]:
    """Start the service on a free port of the loopback interface, and stop it at the end, whatever happens.

    Args:
        weights: checkpoint of the generator.
        state: folder of its state; its log is beside it.
        options: of `gestaltgen serve`.
        settings: environment variables, the only ones of the service.

    Yields:
        The URL of the service, which is ready.

    Raises:
        LocalServiceError: the service ended, or did not become ready within three minutes.
    """
    port, log = _find_free_port(), state.with_name("service.log")
    command = [sys.executable, "-m", "gestaltgen", "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--state", str(state), "--weights", str(weights.resolve()), *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GESTALTGEN_")}
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment | dict(settings or {}))  # noqa: S603
    try:
        url = f"http://127.0.0.1:{port}"
        progress.say("Starting the service ...")
        call_in_thread(lambda: _wait_until_ready(process, url, log))
        progress.say(f"Service at {url}, weights {weights.name}")
        yield url
    finally:
        _stop(process)


def call_in_thread(work: Callable[[], _T]) -> _T:
    """Call `work` in another thread and return its result, so that an interrupt meets only this wait.

    If an interrupt arrives while httpcore takes its lock, the lock stays taken, and closing the client would wait for
    ever.
    """
    result: Future[_T] = Future()

    def call() -> None:
        try:
            result.set_result(work())
        except Exception as error:
            result.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return result.result()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    with Client(url) as client:
        while True:
            try:
                return client.wait_ready(timeout_s=0)
            except ServiceError as error:
                if process.poll() is not None:
                    end = _read_end(log)
                    raise LocalServiceError(f"the service ended with {process.returncode}:\n{end}") from error
                retry = error.status is None or error.retry_after_s > 0  # it does not answer yet, or asks to wait
                if not retry or time.monotonic() > deadline:
                    raise LocalServiceError(f"the service does not get ready: {error}\n{_read_end(log)}") from error
                time.sleep(_POLL_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate the process; kill it if it does not end in time."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _read_end(log: Path) -> str:
    """Read the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
