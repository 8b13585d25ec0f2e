"""The service as several processes on one PostgreSQL database: the gain of a second worker, and the cost of kills."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from benchmarks.harness.figures import Figure, expect_at_least, expect_at_most, expect_none
from benchmarks.load.options import LoadOptions
from benchmarks.load.postgres import run_server
from benchmarks.load.serving import RunningService, hash_stored_files, make_scratch_folder, run_service
from gestaltgen_client import Client, ImageSet

AGES: Final = 5
_SET_IMAGES: Final = 2_000
_BATCH_S: Final = 0.3
_PER_KILL: Final = 4
"""Batches in hand of a process at most: two shares, and of each a chunk and the next one."""


def measure_workers(options: LoadOptions) -> Iterator[Figure]:
    """Measure one large job with one worker, then with two; each renders with one thread."""
    rates = {}
    with run_server() as server:
        for count in (1, 2):
            with make_scratch_folder() as folder, _Processes(folder / "state", server.database(), None) as farm:
                for _ in range(count):
                    farm.start("worker")
                with Client(farm.start("api").url) as client:
                    _ask(client, 1, 2 * 256 * count).wait()
                    began = time.perf_counter()
                    _ask(client, 2, options.images).wait()
                    rates[count] = options.images / (time.perf_counter() - began)
            yield Figure(f"{count} workers, {options.images} images", f"{rates[count]:.1f} images/s")
    yield Figure("gain of the second worker", f"{rates[2] / rates[1]:.2f}")


def kill_several(options: LoadOptions) -> Iterator[Figure]:
    """Kill random ones of an API process and two workers, and compare the image sets with undisturbed ones."""
    draw, roles = random.Random(options.seed), ("api", "worker", "worker")  # noqa: S311
    seeds, killed_s = iter(range(1, 1_000)), dict[int, float]()
    asked: list[int] = []
    with run_server() as server, make_scratch_folder() as folder:
        with _Processes(folder / "state", server.database(), _BATCH_S) as farm:
            processes = [farm.start(role) for role in roles]
            killed = [0, 0]
            for _ in range(options.kills):
                asked += _keep_busy(processes[0], seeds, asked)
                time.sleep(draw.uniform(0.2, 4.0))
                which = draw.randrange(len(roles))
                killed_s[processes[which].process.pid] = time.time()
                processes[which].process.kill()
                processes[which].process.wait()
                killed[which > 0] += 1
                processes[which] = farm.start(roles[which])
            began = time.perf_counter()
            with Client(processes[0].url) as client:
                ended = [_ask(client, seed).wait() for seed in asked]
            seconds = time.perf_counter() - began
            batches = [
                one for one in processes[0].read_started_batches() if len(one["rows"]) > 1
            ]  # else a health check
        with run_service(folder / "whole", pause_s=0) as service, Client(service.url) as client:
            whole = [_ask(client, seed).wait() for seed in asked]
        wrong = sum(
            len(
                dict(
                    hash_stored_files(folder / "state", one.id).items()
                    ^ hash_stored_files(folder / "whole", one.id).items()
                )
            )
            for one in whole
        )
    yield Figure(
        "kills: of the process that answers, of workers", f"{killed[0]}, {killed[1]}", f"{options.kills} in all"
    )
    yield expect_at_least("image sets that were done", len(ended) / len(asked), 1, "{:.0%}")
    yield expect_none("image sets of other ids", len({one.id for one in ended} ^ {one.id for one in whole}))
    yield expect_none("files lost, doubled, or other than undisturbed", wrong)
    yield expect_none("batches that two living processes rendered", len(_find_rendered_twice(batches, killed_s)))
    again = len(batches) - len(asked) * -(-_SET_IMAGES // 32)
    yield expect_at_most("batches rendered again, for each kill", again / options.kills, _PER_KILL, "{:.1f}")
    yield Figure(f"    {len(asked)} sets of {_SET_IMAGES} images; after the last kill", f"{seconds:.0f} s")


class _Processes:
    """Processes that share a database and a state folder; all are stopped at the end."""

    def __init__(self, state: Path, database: str, pause_s: float | None) -> None:
        self._state, self._database, self._pause_s = state, database, pause_s
        self._stack = ExitStack()

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, role: str) -> RunningService:
        one = run_service(self._state, pause_s=self._pause_s, database=self._database, role=role)
        return self._stack.enter_context(one)


def _ask(client: Client, seed: int, images: int = _SET_IMAGES) -> ImageSet:
    return client.create(kind="age_progression", conditions=["WS"], count=images // AGES, seed=1_000_000 * seed)


def _keep_busy(service: RunningService, seeds: Iterator[int], asked: Sequence[int]) -> list[int]:
    """Ask for further sets, so that two are being made; returns their seeds."""
    with Client(service.url) as client:
        at_work = sum(_ask(client, seed).state != "done" for seed in asked)
        more = [next(seeds) for _ in range(2 - at_work)]
        for seed in more:
            _ask(client, seed)
    return more


def _find_rendered_twice(
    batches: Sequence[Mapping[str, Any]], killed_s: Mapping[int, float]
) -> list[Mapping[str, Any]]:
    """Find batches that a process started while another living process had started them."""
    begun: dict[tuple[str, tuple[int, ...]], list[Mapping[str, Any]]] = defaultdict(list)
    for batch in batches:
        begun[batch["set"], tuple(batch["rows"])].append(batch)
    return [
        later
        for times in begun.values()
        for first, later in pairwise(times)
        if first["pid"] != later["pid"] and killed_s.get(first["pid"], float("inf")) > later["at_s"]
    ]
