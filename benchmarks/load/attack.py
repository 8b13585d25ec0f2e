"""The share of one owner while another attacks the service."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from api.access.api_keys import ApiKeys, Scope
from api.operations.database import Database
from benchmarks.harness.figures import Figure, expect_at_most
from benchmarks.load.floods import EVENT_STREAMS, PHOTO, draw_face, list_floods
from benchmarks.load.options import LoadOptions
from benchmarks.load.serving import RunningService, make_scratch_folder, run_service
from gestaltgen_client import Client, ImageSet

SLOWER: Final = 3.0
"""Ratio that the p99 under attack may have to that in quiet."""

LIVEZ_MS: Final = 100.0
LARGER: Final = 1.5
"""Ratio that the memory under attack may have to that in quiet."""

_PAUSE_S: Final = 0.02
_SEEDS: Final = count(1)


@dataclass
class Observation:
    """Measurements of one interval: by a normal owner, a monitor and the operator.

    Attributes:
        reads_ms, sets_ms: times of reading requests, and of requests for one image that is waited for.
        livez_ms: times of `/livez`.
        rss_mb: memory of the service.
        refused: requests of the normal owner that were not answered with 200.
    """

    reads_ms: list[float] = field(default_factory=list)
    sets_ms: list[float] = field(default_factory=list)
    livez_ms: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    refused: int = 0


def measure_attack(options: LoadOptions) -> Iterator[Figure]:
    """Measure the requests of one owner in quiet, and during each flood of another."""
    with make_scratch_folder() as folder:
        with closing(Database.open(folder / "state")) as database:
            keys = ApiKeys(database.engine)
            abusive, normal = (keys.create(name, [Scope.IMAGE_SETS, Scope.PHOTOS])[0] for name in ("abusive", "normal"))
        with (
            run_service(folder / "state", pause_s=0, without_keys="false") as service,
            Client(service.url, key=abusive) as attacker,
            Client(service.url, key=normal) as owner,
        ):
            kept = _warm_up(attacker), _warm_up(owner)
            _observe(service, normal, kept[1], 1)
            quiet = _observe(service, normal, kept[1], options.attack_seconds)
            yield Figure(
                "quiet: p99 of reads, of small sets", f"{_p99(quiet.reads_ms):.0f}, {_p99(quiet.sets_ms):.0f} ms"
            )
            yield Figure("    longest of /livez", f"{max(quiet.livez_ms):.0f} ms")
            yield Figure("    memory", f"{max(quiet.rss_mb):.0f} MB")
            for name in options.flood or list_floods("", ""):
                with _own_job(attacker, name) as job, _flood(service, abusive, name, kept[0].id, job, options) as said:
                    seen = _observe(service, normal, kept[1], options.attack_seconds)
                answers = ", ".join(f"{count} x {status}" for status, count in sorted(said.items()))
                yield Figure(f"{name}: answers", answers)
                yield from _compare(quiet, seen)


def _compare(quiet: Observation, seen: Observation) -> Iterator[Figure]:
    for what, before, during in (("reads", quiet.reads_ms, seen.reads_ms), ("small sets", quiet.sets_ms, seen.sets_ms)):
        ratio = _p99(during) / _p99(before)
        yield expect_at_most(f"    p99 of {what}, {_p99(during):.0f} ms, to that in quiet", ratio, SLOWER, "{:.1f}")
    yield expect_at_most("    longest of /livez", max(seen.livez_ms), LIVEZ_MS, "{:.0f} ms")
    yield expect_at_most("    memory to that in quiet", max(seen.rss_mb) / max(quiet.rss_mb), LARGER, "{:.2f}")
    yield Figure("    the normal owner's requests, refused", f"{len(seen.reads_ms + seen.sets_ms)}, {seen.refused}")


def _warm_up(client: Client) -> ImageSet:
    """Make an image set, and send a photograph and a picture to recognise, so that everything is loaded."""
    made = client.create(kind="age_progression", conditions=["WS"], count=40, seed=next(_SEEDS)).wait()
    about = PHOTO | {"Prefer": "wait=60"}
    client.send("POST", "v1/photos?aligned=true", content=draw_face(1), headers=about, timeout=90)
    client.send("POST", "v1/verify", content=made.item(0).image)
    return made


@contextmanager
def _own_job(client: Client, flood: str) -> Iterator[str]:
    """Begin a long job of an owner for a flood that follows it; all jobs are cancelled at the end of the context."""
    if flood == EVENT_STREAMS:
        client.create(kind="age_progression", conditions=["WS"], count=19_000, seed=next(_SEEDS))
    try:
        yield _list_jobs(client)[0]["id"]
    finally:
        while unfinished := [job for job in _list_jobs(client) if job["state"] in ("queued", "running")]:
            for job in unfinished:
                client.send("POST", f"v1/jobs/{job['id']}/cancel")
            time.sleep(0.2)


def _list_jobs(client: Client) -> Sequence[dict[str, Any]]:
    page: dict[str, Any] = client.send("GET", "v1/jobs?limit=100").json()
    return list(page["items"])


@contextmanager
def _flood(
    service: RunningService, key: str, name: str, set_id: str, job: str, options: LoadOptions
) -> Iterator[dict[str, int]]:
    """Send a flood from a process of its own; yields the number of answers by status, filled at the end."""
    command = [sys.executable, "-m", "benchmarks.load.floods", str(service.port), key, name]
    command += [str(options.attack_seconds + 1), set_id, job]
    answers: dict[str, int] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
        yield answers
        said, _ = process.communicate(timeout=60)
    answers |= json.loads(said)


def _observe(service: RunningService, key: str, kept: ImageSet, seconds: float) -> Observation:
    """Send the requests of a normal owner for some seconds, and watch `/livez` and memory."""
    seen, until = Observation(), time.monotonic() + seconds

    def watch() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
            while time.monotonic() < until:
                seen.livez_ms.append(_time_request(connection, "GET", "/livez")[0])
                seen.rss_mb.append(service.read_rss_mb())
                time.sleep(_PAUSE_S)

    watching = threading.Thread(target=watch)
    watching.start()
    headers = {"Authorization": f"Bearer {key}"}
    reads = ("/v1/models", f"/v1/image-sets/{kept.id}", f"/v1/image-sets/{kept.id}/images/0", "/v1/jobs")
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        while time.monotonic() < until:
            for path in reads:
                took_ms, status = _time_request(connection, "GET", path, headers)
                seen.reads_ms.append(took_ms)
                seen.refused += status != 200
                time.sleep(_PAUSE_S)
            asked = {"kind": "age_related", "conditions": ["WS"], "ages": ["child"], "count": 1, "seed": next(_SEEDS)}
            more = {"Content-Type": "application/json", "Prefer": "wait=30"}
            took_ms, status = _time_request(
                connection, "POST", "/v1/image-sets", headers | more, json.dumps(asked).encode()
            )
            seen.sets_ms.append(took_ms)
            seen.refused += status != 200
            time.sleep(_PAUSE_S)
    watching.join()
    return seen


def _time_request(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> tuple[float, int]:
    """Send a request; returns milliseconds and status."""
    began = time.perf_counter()
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    answer.read()
    return 1000 * (time.perf_counter() - began), answer.status


def _p99(times: Sequence[float]) -> float:
    return sorted(times)[int(0.99 * (len(times) - 1))]
