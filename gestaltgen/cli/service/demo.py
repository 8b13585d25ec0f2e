"""`gestaltgen demo`: start the service, ask it over HTTP for image sets, check and show what comes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

import weights as shipped
from gestaltgen.cli.console import make_console
from gestaltgen_client import Client, ImageSet, Item, ServiceError

NOTICE: Final = (
    "Phantoms are not patients. These faces are synthetic, drawn by a network that has only seen drawings, "
    "and are no basis for a diagnosis."
)
_T = TypeVar("_T")
_READY_S: Final = 180.0
_SET_S: Final = 300.0
_console = make_console()


class DemoError(Exception):
    """The demonstration did not work; the message says what a person can do."""


@dataclass(frozen=True)
class Outcome:
    """What came of one image set.

    Args:
        seconds: from asking to the last verified image.
    """

    name: str
    image_set: ImageSet
    seconds: float
    sheet: Path


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the images and contact sheets.")] = Path("demo"),
    people: Annotated[int, typer.Option(min=1, max=1000, help="People per condition.")] = 4,
    weights: Annotated[Path | None, typer.Option(help="Checkpoint; unset takes the shipped one.")] = None,
) -> None:
    """Start the service, ask for an image set of each kind over HTTP, check every image, and store them.

    Takes well under a minute on a laptop without a GPU.
    """
    _console.print(f"[bold]gestaltgen demo[/]  {NOTICE}\n")
    with stops_on_terminate():
        try:
            with running_service(weights or shipped.default()) as service:
                outcomes = _in_thread(lambda: run(service, out, people=people))
        except (DemoError, ServiceError, TimeoutError, OSError) as error:
            _console.print("\n[red]The demo failed:[/]", end=" ")
            _console.print(str(error), markup=False, soft_wrap=True)  # a path that is wrapped cannot be copied
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            _console.print("\nInterrupted; the service is stopped.")
            raise typer.Exit(130) from None
    _report(outcomes, out)


def run(service: str, out: Path, *, people: int) -> list[Outcome]:
    """Make, check and store an image set of each kind, asked of the service at this URL.

    Raises:
        DemoError: what came is not what was asked for.
        ServiceError: the service refused or failed.
    """
    with Client(service) as client:
        conditions = [condition["name"] for condition in client.conditions()["conditions"]]
        fewer = -(-people // 2)
        sets: dict[str, dict[str, Any]] = {
            "age_progression": {"conditions": conditions, "count": people},
            "age_related": {"conditions": conditions, "count": fewer},
            "unrelated": {"conditions": conditions, "count": fewer},
            "blended": {"count": 1, "blend": 0.55},
            "average": {"conditions": conditions},
        }
        outcomes = []
        with _progress() as progress:
            for kind, fields in sets.items():
                outcomes.append(_one(client, kind, fields, out, conditions, progress))
        again = client.create(kind="age_progression", **sets["age_progression"])
        if again.id != outcomes[0].image_set.id or again.state != "done":
            raise DemoError("the same request did not give the same image set; please report this")
        return outcomes


def _one(
    client: Client, kind: str, fields: Mapping[str, Any], out: Path, conditions: list[str], progress: Progress
) -> Outcome:
    task = progress.add_task(kind.replace("_", " "), total=None)
    began = time.perf_counter()
    asked = client.create(kind=kind, **fields)
    image_set = asked.wait(lambda s: progress.update(task, completed=s.done, total=s.total), timeout_s=_SET_S)
    items = list(image_set)
    seconds = time.perf_counter() - began
    _check(kind, items, image_set, conditions)
    folder = image_set.download(out / kind)
    sheet = out / f"{kind}.png"
    sheet.write_bytes(image_set.sheet())
    progress.update(task, completed=len(items), total=len(items))
    return Outcome(folder.name, image_set, seconds, sheet)


def _check(kind: str, items: list[Item], image_set: ImageSet, conditions: list[str]) -> None:
    """The labels are what was asked for; the client has checked the sha256 of every image."""
    wrong = None
    if [item.index for item in items] != list(range(len(image_set))):
        wrong = "images are missing or out of order"
    for item in items:
        row = item.row
        if len(item.soft_label) != len(conditions) or abs(sum(item.soft_label) - 1) > 1e-6:
            wrong = f"image {item.index} has the soft label {item.soft_label}"
        elif conditions[item.class_index] != row["condition"]:
            wrong = f"image {item.index} has class {item.class_index} but condition {row['condition']}"
        elif kind != "blended" and item.soft_label[item.class_index] != 1:
            wrong = f"image {item.index} is not labelled {row['condition']} alone"
        elif kind == "blended" and abs(item.soft_label[item.class_index] - 0.55) > 1e-6:
            wrong = f"image {item.index} has {item.soft_label[item.class_index]} of its condition, not 0.55"
        elif item.array().std() == 0:
            wrong = f"image {item.index} is blank"
    if wrong is not None:
        raise DemoError(f"{kind}: {wrong}; please report this")


def _in_thread(work: Callable[[], _T]) -> _T:
    """What `work` returns, done in another thread: an interrupt then meets only this wait.

    One that lands while httpcore takes its lock leaves it taken, and closing the client would wait for ever.
    """
    result: Future[_T] = Future()

    def to_the_end() -> None:
        try:
            result.set_result(work())
        except Exception as error:
            result.set_exception(error)

    threading.Thread(target=to_the_end, daemon=True).start()
    return result.result()


@contextmanager
def running_service(weights: Path, models: Path | None = None) -> Iterator[str]:
    """The service as a process of its own on a free loopback port, ready; stopped whatever happens.

    Args:
        models: folder of further checkpoints.
    """
    with tempfile.TemporaryDirectory(prefix="gestaltgen-demo-") as scratch:
        port = _free_port()
        log = Path(scratch) / "service.log"
        command = [sys.executable, "-m", "gestaltgen", "serve", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--state", str(Path(scratch) / "state"), "--weights", str(weights.resolve()), "--without-keys"]
        command += [] if models is None else ["--models", str(models.resolve())]
        own = {name: value for name, value in os.environ.items() if not name.startswith("GESTALTGEN_")}
        with log.open("wb") as stream:
            process = subprocess.Popen(command, stdout=stream, stderr=stream, env=own)  # noqa: S603
        try:
            url = f"http://127.0.0.1:{port}"
            _in_thread(lambda: _await_ready(process, url, log))
            yield url
        finally:
            _stop(process)


def _await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    with Client(url) as client, _console.status("Starting the service …"):
        while True:
            try:
                client.wait_ready(timeout_s=0)
                break
            except ServiceError as error:
                if process.poll() is not None:
                    raise DemoError(f"the service ended with {process.returncode}:\n{_tail(log)}") from error
                wait = error.status is None or error.retry_after_s > 0  # it does not answer yet, or says: later
                if not wait or time.monotonic() > deadline:
                    raise DemoError(f"the service does not get ready: {error}\n{_tail(log)}") from error
        model = client.models()[0]
    _console.print(f"Service at {url}, {model['resolution']} px weights {model['weights_sha256'][:12]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def stops_on_terminate() -> Iterator[None]:
    """Let a termination signal end the program as Ctrl-C does, so that no process that it began outlives it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=_console,
        transient=True,
    )


def _report(outcomes: list[Outcome], out: Path) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("kind", "images", "seconds", "images/s", "contact sheet"):
        table.add_column(title, justify="left" if title in ("kind", "contact sheet") else "right", no_wrap=True)
    for outcome in outcomes:
        images = len(outcome.image_set)
        rate = f"{images / outcome.seconds:.0f}"
        table.add_row(outcome.name, str(images), f"{outcome.seconds:.1f}", rate, str(outcome.sheet))
    _console.print(table)
    images = sum(len(outcome.image_set) for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    _console.print(
        f"\n{images} images, every checksum and label verified, {images / seconds:.0f} images/s over HTTP. "
        f"Asked again, the same request gave the same set.\n"
    )
    _console.print(f"Look at [bold]{out / 'age_progression.png'}[/]; images and manifests are in {out}/<kind>/.")
    _console.print(NOTICE)
    (out / "demo.json").write_text(
        json.dumps({o.name: {"image_set": o.image_set.id, "images": len(o.image_set)} for o in outcomes}, indent=1)
    )
