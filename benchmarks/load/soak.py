"""Hours of mixed load, and whether memory, open files and threads of the service grow with it.

`python -m benchmarks soak --minutes 15` makes, downloads and deletes image sets, sends, edits and erases photographs,
recognises pictures, follows jobs and sends bad requests, all at once. Nothing is kept, so that nothing should grow.
"""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer
from rich.console import Console

from api.access.api_keys import ApiKeys, Scope
from api.operations.database import Database
from benchmarks.harness.figures import Figure, tabulate_figures
from benchmarks.load.floods import PHOTO, draw_face
from benchmarks.load.serving import RunningService, make_scratch_folder, run_service

WARM_UP: Final = 0.5
"""Share of the time that is left out: caches fill, and libraries are loaded."""

SAMPLE_S: Final = 2.0

GROWTH: Final = 0.05
"""Share of its median by which a flat quantity may grow, by the fitted line over the time that counts."""

CONNECTION_FILES: Final = 3
"""Files that one or two more connections to SQLite take, of which each pool opens five at most as they are needed."""

TRACEBACK_CHARACTERS: Final = 4_000
"""Length of what is shown of a traceback."""

_FACES: Final = 8
_TENTHS: Final = 10
_SEEDS: Final = count(1)


@dataclass(frozen=True)
class Sample:
    """Sizes of the service at one time.

    Attributes:
        at_s: seconds since the load began.
        rss_mb: resident memory.
        files: open files and connections.
        threads: threads.
    """

    at_s: float
    rss_mb: float
    files: int
    threads: int


def measure_slope(samples: Sequence[Sample], read: Callable[[Sample], float], slack: float = 0) -> tuple[float, bool]:
    """Fit a line to a quantity; returns its growth in an hour, and whether it is flat.

    Args:
        samples: those after the warm-up.
        read: reads the quantity of a sample.
        slack: growth that is allowed besides the share.
    """
    times, values = [one.at_s for one in samples], [read(one) for one in samples]
    slope, _ = statistics.linear_regression(times, values)
    return 3600 * slope, slope * (times[-1] - times[0]) <= slack + GROWTH * statistics.median(values)


def make_sets(http: httpx.Client) -> None:
    """Make image sets of different sizes, read them in every form, and delete them."""
    for persons in (1, 4, 40):
        body = {"kind": "age_progression", "conditions": ["WS"], "count": persons, "seed": next(_SEEDS)}
        made = http.post("/v1/image-sets", json=body, headers={"Prefer": "wait=30"}).json()
        while made["state"] not in ("done", "failed", "cancelled"):
            with http.stream("GET", f"{made['links']['job']}/events") as events:
                for _ in events.iter_raw():
                    pass
            made = http.get(made["links"]["self"]).json()
        for path in ("manifest.jsonl", "images/0", "images/0?format=webp", "shards/0.tar", "archive.zip", "sheet.png"):
            http.get(f"/v1/image-sets/{made['id']}/{path}").read()
        http.delete(f"/v1/image-sets/{made['id']}")


def edit_photographs(http: httpx.Client) -> None:
    """Send two photographs, edit one, pack both, and erase them."""
    wait, pictures = {"Prefer": "wait=60"}, [draw_face(next(_SEEDS) % _FACES) for _ in range(2)]
    sent = [http.post("/v1/photos?aligned=true", content=one, headers=PHOTO | wait).json()["id"] for one in pictures]
    http.post(f"/v1/photos/{sent[0]}/edits", json={"direction": "age", "strength": 1}, headers=wait)
    http.post("/v1/stimuli", json={"photos": sent, "doubtful": True}, headers=wait)
    for photo in sent:
        http.get(f"/v1/photos/{photo}/accesses")
        http.delete(f"/v1/photos/{photo}")


def send_other_requests(http: httpx.Client) -> None:
    """Recognise a picture, look things up, and send requests that are refused."""
    http.post("/v1/verify", content=draw_face(next(_SEEDS) % _FACES))
    for path in (
        "/v1/models",
        "/v1/conditions",
        "/v1/jobs",
        "/v1/photos",
        "/v1/image-sets/none",
        "/metrics",
        "/readyz",
    ):
        http.get(path)
    http.post("/v1/image-sets", json={"kind": "unrelated", "count": -1, "unknown": 1})
    http.post("/v1/image-sets", content=b"[" * 10_000, headers={"Content-Type": "application/json"})
    http.post("/v1/photos", content=draw_face(0)[:5000], headers=PHOTO)
    http.get("/v1/models", headers={"Authorization": "Bearer unknown"})
    time.sleep(0.2)


def put_load(service: RunningService, key: str, seconds: float) -> tuple[list[Sample], Counter[str]]:
    """Put mixed load on a service for some seconds; returns samples, and the rounds of each sort of load."""
    began, rounds, ended, samples = time.monotonic(), Counter[str](), threading.Event(), list[Sample]()
    failures: list[Exception] = []

    def repeat(work: Callable[[httpx.Client], None]) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        while not ended.is_set():
            with httpx.Client(base_url=service.url, headers=headers, timeout=600) as http:
                try:
                    work(http)
                    rounds[work.__name__] += 1
                except Exception as error:
                    failures.append(error)
                    ended.set()

    threads = [threading.Thread(target=repeat, args=[work]) for work in LOADS]
    for thread in threads:
        thread.start()
    while time.monotonic() - began < seconds and not ended.wait(SAMPLE_S):
        samples.append(_take_sample(service, time.monotonic() - began))
    ended.set()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return samples, rounds


LOADS: Final = (make_sets, edit_photographs, send_other_requests)


def _take_sample(service: RunningService, at_s: float) -> Sample:
    process = Path(f"/proc/{service.process.pid}")
    return Sample(
        at_s, service.read_rss_mb(), len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))
    )


def measure_soak(minutes: float) -> list[Figure]:
    """Run a service under mixed load, and judge what grows."""
    with make_scratch_folder() as folder:
        with closing(Database.open(folder / "state")) as database:
            key, _ = ApiKeys(database.engine).create("soak", [Scope.IMAGE_SETS, Scope.PHOTOS])
        with run_service(folder / "state", pause_s=0, without_keys="false", metrics="anyone") as service:
            samples, rounds = put_load(service, key, 60 * minutes)
            cpu_s = service.read_cpu_s()
        said = (folder / "state.log").read_text()
    counted = [one for one in samples if one.at_s >= WARM_UP * 60 * minutes]
    figures = [Figure(f"rounds of {name}", str(number)) for name, number in sorted(rounds.items())]
    figures.append(Figure("processor time of the service", f"{cpu_s:.0f} s"))
    quantities: dict[str, tuple[Callable[[Sample], float], float]] = {
        "memory, MB": (lambda one: one.rss_mb, 0),
        "open files": (lambda one: one.files, CONNECTION_FILES),
        "threads": (lambda one: one.threads, 1),
    }
    for name, (read, slack) in quantities.items():
        slope, flat = measure_slope(counted, read, slack)
        ends = [round(tenth * len(samples) / _TENTHS) for tenth in range(_TENTHS + 1)]
        tenths = [statistics.median(map(read, samples[start:stop])) for start, stop in pairwise(ends)]
        figures.append(Figure(f"{name}: medians of tenths of the time", ", ".join(f"{one:.0f}" for one in tenths)))
        figures.append(Figure("    growth in an hour", f"{slope:+.1f}, {'flat' if flat else 'grows'}", "flat", flat))
    tracebacks = [said[at.start() : at.start() + TRACEBACK_CHARACTERS] for at in re.finditer("Traceback", said)]
    figures.append(Figure("tracebacks in the log", str(len(tracebacks)), "0", not tracebacks))
    figures += [Figure("    traceback", one) for one in tracebacks]
    return figures


def main(minutes: Annotated[float, typer.Option(help="Minutes of load.")] = 120.0) -> None:
    """Put mixed load on the service for hours, and tell what grows."""
    table = tabulate_figures(f"soak, {minutes:g} minutes", measure_soak(minutes))
    Console(highlight=False).print(table)
