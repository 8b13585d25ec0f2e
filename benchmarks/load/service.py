"""The service measured against its targets; each part prints its figures beside the targets.

`python -m benchmarks service --part throughput --images 3000` runs one part; without `--part` all of them run.
It times both sides of a comparison in turns, so that other load affects both. Large jobs and single images render on
all cores, as the service does by default; the other parts render on one.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

import weights
from api.access.api_keys import ApiKeys, Scope
from api.image_sets.rendering import CHUNK_IMAGES
from api.models.generator import GeneratorModel
from api.models.worker import BATCH
from api.operations.database import Database
from api.provenance.claims import Claim
from api.provenance.marks import encode
from benchmarks.harness.choices import check_choices
from benchmarks.harness.figures import Figure, expect_at_least, expect_at_most, expect_none, tabulate_figures
from benchmarks.load import hostile, several
from benchmarks.load.attack import measure_attack
from benchmarks.load.floods import list_floods
from benchmarks.load.generated_requests import run_schemathesis
from benchmarks.load.options import LoadOptions
from benchmarks.load.serving import RunningService, hash_stored_files, make_scratch_folder, run_service
from core.precision import Precision
from gen.sampler import Sampler
from gestaltgen_client import Client

TURN_S: Final = 4.0
"""Seconds for which one side of a comparison runs before the other does."""

_IN_TURN: Final = 25
"""Single images that one side makes before the other does."""

AGES: Final = 5
"""Images of a person in an age progression."""

_console = Console(highlight=False)


def measure_throughput(options: LoadOptions) -> Iterator[Figure]:
    """Measure one large job, from submission to the last stored file, against the generator with its encoder."""
    precisions: list[Precision] = ["float32"]
    if "amx_bf16" in Path("/proc/cpuinfo").read_text():
        precisions.append("bfloat16")
    with (
        make_scratch_folder() as folder,
        run_service(folder / "state", threads=None) as service,
        Client(service.url) as client,
    ):
        for precision in precisions:
            fields: dict[str, Any] = {"kind": "age_progression", "conditions": ["WS"], "precision": precision}
            client.create(**fields, count=2 * CHUNK_IMAGES // AGES, seed=1).wait()
            asked = fields | {"count": options.images // AGES, "seed": 1_000}
            bare = _BareGenerator(asked)
            bare.batch()
            before = service.read_cpu_s(), time.process_time()
            served_s, bare_s = _run_in_turns(service, client, asked, bare)
            cpu_s = service.read_cpu_s() - before[0], time.process_time() - before[1]
            rates = [bare.images / seconds for seconds in (served_s, bare_s)]
            yield Figure(f"{precision}: service, {bare.images} images", f"{rates[0]:.1f} images/s")
            yield Figure(f"{precision}: generator and encoder", f"{rates[1]:.1f} images/s")
            yield expect_at_least(f"{precision}: service / generator", rates[0] / rates[1], 0.9, "{:.1%}")
            each = " and ".join(f"{1000 * seconds / bare.images:.1f}" for seconds in cpu_s)
            yield Figure("    memory of the service", f"{service.read_rss_mb():.0f} MB")
            yield Figure("    CPU of each for an image", f"{each} ms")
            manifest = (next((service.state / "sets").glob(bare.plan.id)) / "manifest.jsonl").read_bytes().splitlines()
            same = sum(json.loads(line)["sha256"] in bare.digests for line in manifest[:BATCH])
            yield Figure("    the same bytes, of the first 32", str(same), str(BATCH), same == BATCH)


class _BareGenerator:
    """The generator with its encoder, batch by batch, without service and storage."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.model = GeneratorModel(weights.default())
        self.plan = self.model.plan(asked, 1_000_000)
        self.images = len(self.plan.rows)
        self.digests: set[str] = set()
        self._sampler = Sampler(self.model.renderer, precision=self.plan.request.precision, batch=BATCH)
        self._claimed = [self.model.describe(self.plan, row) for row in self.plan.rows]
        self._done = 0

    def batch(self, *, count: bool = False) -> bool:
        """Make the next batch, or the first one if it is not to count; returns False after the last."""
        rows = self.plan.rows[self._done : self._done + BATCH]
        images = self._sampler.render(rows, self.plan.request)  # type: ignore[arg-type]
        for image, what in zip(images, self._claimed[self._done :], strict=False):
            png = encode(image, Claim("synthetic", self.model.info.weights_sha256, what))
            if not count:
                self.digests.add(hashlib.sha256(png).hexdigest())
        self._done += len(rows) if count else 0
        return self._done < self.images


def _run_in_turns(
    service: RunningService, client: Client, asked: dict[str, Any], bare: _BareGenerator
) -> tuple[float, float]:
    """Run service and generator in turns for the same images; returns the seconds of each."""
    sealed = service.state / "sets" / bare.plan.id / "manifest.jsonl"
    served_s, bare_s, more = 0.0, 0.0, True
    began = time.perf_counter()
    client.create(**asked)
    while more or not sealed.is_file():
        if not sealed.is_file():
            service.resume()
            while not sealed.is_file() and time.perf_counter() - began < TURN_S:
                time.sleep(0.01)
            service.suspend()
            served_s += time.perf_counter() - began
        began = time.perf_counter()
        while more and time.perf_counter() - began < TURN_S:
            more = bare.batch(count=True)
        bare_s += time.perf_counter() - began
        began = time.perf_counter()
    service.resume()
    return served_s, bare_s


def measure_overhead(options: LoadOptions) -> Iterator[Figure]:
    """Measure small requests: with a model that costs nothing, and with the real one against model and encoder."""
    with make_scratch_folder() as folder, run_service(folder / "state", pause_s=0) as service:
        took = [1000 * seconds for seconds in _ask_each(service, range(options.requests + 20))[20:]]
        what = f"{len(took)} requests of 1 image, model free"
        yield expect_at_most(f"{what}: p50", statistics.median(took), 10, "{:.1f} ms")
        yield expect_at_most(f"{what}: p99", statistics.quantiles(took, n=100)[98], 40, "{:.1f} ms")
    with make_scratch_folder() as folder, run_service(folder / "state", threads=None) as service:
        bare, asked_ms, bare_ms = _BareImages(), [], []
        _ask_each(service, range(20))
        bare.make_each(range(20))
        for start in range(20, 20 + options.requests, _IN_TURN):
            seeds = range(start, start + _IN_TURN)
            service.resume()
            asked_ms += [1000 * seconds for seconds in _ask_each(service, seeds)]
            service.suspend()
            bare_ms += [1000 * seconds for seconds in bare.make_each(seeds)]
        service.resume()
        middle = statistics.median(bare_ms)
        yield Figure("model and PNG, one image: p50", f"{middle:.1f} ms")
        what = f"{len(asked_ms)} requests of 1 image on a kept connection"
        ratios = statistics.median(asked_ms) / middle, statistics.quantiles(asked_ms, n=100)[98] / middle
        yield Figure(f"{what}: p50", f"{statistics.median(asked_ms):.1f} ms")
        yield expect_at_most("    p50 / model and PNG", ratios[0], 1.5, "{:.2f}")
        yield expect_at_most("    p99 / model and PNG", ratios[1], 3, "{:.2f}")


class _BareImages:
    """The generator with its encoder, one image at a time, without a service."""

    def __init__(self) -> None:
        self._model = GeneratorModel(weights.default())

    def make_each(self, seeds: Iterable[int]) -> list[float]:
        """Make one image of each seed; returns the seconds of each."""
        took = []
        for seed in seeds:
            plan = self._model.plan(_one_image(seed), 100)
            began = time.perf_counter()
            (image,) = self._model.render(plan, plan.rows)
            what = self._model.describe(plan, plan.rows[0])
            encode(image, Claim("synthetic", self._model.info.weights_sha256, what))
            took.append(time.perf_counter() - began)
        return took


def measure_batching(options: LoadOptions) -> Iterator[Figure]:
    """Measure clients that each wait for single images, against one client with the same requests in sequence."""
    clients, each, rounds = 8, 25, 4
    with make_scratch_folder() as folder, run_service(folder / "state") as service, ThreadPoolExecutor(clients) as pool:
        _ask_each(service, range(20))
        alone, together = _Side(service), _Side(service)
        seeds = iter(range(1_000, 1_000_000, each))
        for _ in range(rounds):
            with alone.time_turn():
                for _ in range(clients):
                    _ask_each(service, _take_seeds(seeds, each))
            with together.time_turn():
                list(pool.map(lambda own: _ask_each(service, own), [_take_seeds(seeds, each) for _ in range(clients)]))
    images, sides = clients * each * rounds, (alone, together)
    yield Figure("one client", f"{images / alone.seconds:.1f} images/s")
    yield Figure(f"{clients} clients", f"{images / together.seconds:.1f} images/s")
    yield expect_at_least("gain", alone.seconds / together.seconds, 2, "{:.2f}")
    yield Figure("    images in a batch", f"{images / len(together.renders):.1f}")

    def each_image(what: str, total: Callable[[_Side], float]) -> Figure:
        return Figure(f"    {what}", ", ".join(f"{1000 * total(side) / images:.1f}" for side in sides) + " ms")

    yield each_image("for each image, one client and all: all in all", lambda side: side.seconds)
    yield each_image("the render", lambda side: side.total("seconds"))
    yield each_image("of it, running", lambda side: side.total("ran_s"))
    yield each_image("of it, waiting for a core", lambda side: side.total("queued_s"))
    yield each_image("CPU of the service", lambda side: side.cpu_s)
    yield each_image("of it, not rendering", lambda side: side.cpu_s - side.total("ran_s"))
    yield Figure("    gain in the service's CPU", f"{alone.cpu_s / together.cpu_s:.2f}")


class _Side:
    """One side of a comparison that is timed in turns."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self.seconds, self.cpu_s = 0.0, 0.0
        self.renders: list[dict[str, float]] = []

    @contextmanager
    def time_turn(self) -> Iterator[None]:
        before, cpu_s = len(self._service.read_finished_batches()), self._service.read_cpu_s()
        began = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - began
        self.cpu_s += self._service.read_cpu_s() - cpu_s
        self.renders += self._service.read_finished_batches()[before:]

    def total(self, name: str) -> float:
        return sum(render[name] for render in self.renders)


def measure_memory(options: LoadOptions) -> Iterator[Figure]:
    """Measure the service's memory while a client downloads a set's shards and archive many times."""
    with (
        make_scratch_folder() as folder,
        run_service(folder / "state", pause_s=0) as service,
        Client(service.url) as client,
    ):
        image_set = client.create(kind="age_progression", conditions=["WS"], count=400, seed=1).wait()
        paths = [image_set.links["shard"].format(n=n) for n in range(image_set.shards)] + [image_set.links["archive"]]
        wanted, pulled, seen = options.gigabytes * 1e9, 0, []
        http_ = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
        began = time.perf_counter()
        while pulled < wanted:
            for path in paths:
                http_.request("GET", path)
                answer = http_.getresponse()
                while block := answer.read(1 << 20):
                    pulled += len(block)
                    seen.append((pulled, service.read_rss_mb()))
        seconds = time.perf_counter() - began
        flat = [rss for after, rss in seen if after > 0.1 * wanted]
        yield Figure("downloaded", f"{pulled / 1e9:.2f} GB, {pulled / 1e6 / seconds:.0f} MB/s")
        yield Figure("RSS at first, after warm-up, at last", f"{seen[0][1]:.0f}, {flat[0]:.0f}, {flat[-1]:.0f} MB")
        yield expect_at_most("furthest from that after warm-up", max(abs(r - flat[0]) for r in flat), 50, "{:.1f} MB")


def measure_tenants(options: LoadOptions) -> Iterator[Figure]:
    """Measure the small sets of one tenant, alone and while another's job of 100,000 images runs."""
    with make_scratch_folder() as folder:
        with closing(Database.open(folder / "state")) as database:
            keys = ApiKeys(database.engine)
            large, small = (keys.create(name, [Scope.IMAGE_SETS])[0] for name in ("large", "small"))
        with (
            run_service(folder / "state", without_keys="false") as service,
            Client(service.url, key=large) as everything,
            Client(service.url, key=small) as little,
        ):
            seeds = iter(range(1_000_000))

            def ask() -> tuple[float, int]:
                """Return the seconds of a request, and the number of batches that were started before its own."""
                began = time.time()
                asked = little.create(kind="age_progression", conditions=["WS"], count=2, seed=next(seeds))
                while asked.refresh().state != "done":
                    time.sleep(0.01)
                seconds = time.time() - began
                own = next(one["at_s"] for one in service.read_started_batches() if one["set"] == asked.id)
                return seconds, sum(began < one["at_s"] < own for one in service.read_started_batches())

            ask()
            alone = [ask() for _ in range(options.sets)]
            job = everything.create(kind="age_progression", conditions=["WS"], count=20_000, seed=1_000_000)
            while len(service.read_finished_batches()) < options.sets + 3:
                time.sleep(0.1)
            before = len(service.read_finished_batches())
            beside = [ask() for _ in range(options.sets)]
            batch_s = statistics.median(one["seconds"] for one in service.read_finished_batches()[before:])
            job.cancel()
    of = f"{options.sets} jobs of 10 images"
    took = [sorted(seconds for seconds, _ in each) for each in (alone, beside)]
    middle = [statistics.median(each) for each in took]
    yield Figure(f"{of}, alone: median, longest", f"{middle[0]:.2f}, {took[0][-1]:.2f} s")
    yield Figure(f"{of}, beside a job of 100,000", f"{middle[1]:.2f}, {took[1][-1]:.2f} s")
    yield Figure("    a batch of the large job", f"{batch_s:.2f} s")
    yield expect_at_most(
        "    batches begun between request and render", max(others for _, others in beside), 1, "{:.0f}"
    )
    yield expect_at_most("    later by so many batches, median", (middle[1] - middle[0]) / batch_s, 1, "{:.2f}")


def kill_repeatedly(options: LoadOptions) -> Iterator[Figure]:
    """Compare a set whose service is killed many times with one that was made without interruption."""
    draw, pause_s = random.Random(options.seed), 0.05  # noqa: S311
    fields: dict[str, Any] = {
        "kind": "age_progression",
        "conditions": ["WS"],
        "count": options.kill_images // AGES,
        "seed": 7,
    }
    with make_scratch_folder() as folder:
        with run_service(folder / "whole", pause_s=0) as service, Client(service.url) as client:
            set_id = client.create(**fields).wait().id
        whole = hash_stored_files(folder / "whole", set_id)
        killed, early = 0, 0
        while killed < options.kills:
            in_start = killed > 0 and killed % 5 == 0  # some die before they have opened the queue again
            with run_service(folder / "state", pause_s=pause_s, ready=not in_start) as service:
                if killed == 0:
                    with Client(service.url) as client:
                        client.create(**fields)
                time.sleep(draw.uniform(0, 4 if in_start else 1.5))
                early += (folder / "state" / "sets" / set_id / "manifest.jsonl").is_file()
                service.process.kill()
                service.process.wait()
            killed += 1
        with run_service(folder / "state", pause_s=0) as service, Client(service.url) as client:
            client.image_set(set_id).wait()
            client.create(**fields)
        rows = [index for batch in service.read_started_batches() if len(batch["rows"]) > 1 for index in batch["rows"]]
        found = hash_stored_files(folder / "state", set_id)
        manifest = [json.loads(line) for line in _read_file(folder, set_id, "manifest.jsonl").splitlines()]
        lost = set(range(options.kill_images)) ^ {line["index"] for line in manifest}
        wrong = [one for one in manifest if found.get(one["file"]) != one["sha256"]]
        strange = found.keys() - {line["file"] for line in manifest} - {"manifest.jsonl", "request.json"}
        left = [path.name for path in (folder / "state" / "sets").iterdir() if path.name != set_id]
        with closing(sqlite3.connect(folder / "state" / "service.sqlite")) as database:
            (known,) = database.execute("select count(distinct number) from pictures where subject = ?", [set_id])
    yield Figure("kills, of them after the set was done", f"{killed}, {early}", f"{options.kills}, 0", not early)
    yield expect_none("images lost", len(lost))
    yield expect_none("images doubled", len(manifest) - len({line["index"] for line in manifest}))
    yield expect_none("files missing or with another sha256", len(wrong))
    yield expect_none("files that belong to no image", len(strange) + len(left))
    yield expect_none("images that verification would not know", options.kill_images - known[0])
    yield expect_none("files other than those of an undisturbed run", len(dict(found.items() ^ whole.items())))
    again = len(rows) - options.kill_images
    yield expect_at_most("images rendered again, for each kill", again / killed, 2 * CHUNK_IMAGES, "{:.1f}")
    often = max(sum(1 for one in rows if one == index) for index in set(rows))
    yield Figure("most times that one image was rendered", str(often))


def send_hostile(options: LoadOptions) -> Iterator[Figure]:
    """Send hostile requests, and compare the statuses with the expected ones."""
    with make_scratch_folder() as folder, run_service(folder / "state", pause_s=0, body_timeout_s="2") as service:
        for case in hostile.send_hostile_requests(service):
            expected = ", ".join(map(str, case.expected))
            yield Figure(case.name, f"{case.status}", expected, case.status in case.expected)
        with Client(service.url) as client:
            client.wait_ready(timeout_s=5)
            made = client.create(kind="age_progression", conditions=["WS"], count=1, seed=99, wait_s=10)
            yield Figure("afterwards, ready and an image set", made.state, "done", made.state == "done")
        failures = (folder / "state.log").read_text().count("Traceback")
        yield expect_none("tracebacks in the service's log", failures)


PARTS: Final[dict[str, Callable[[LoadOptions], Iterator[Figure]]]] = {
    "throughput": measure_throughput,
    "overhead": measure_overhead,
    "batching": measure_batching,
    "tenants": measure_tenants,
    "memory": measure_memory,
    "kills": kill_repeatedly,
    "workers": several.measure_workers,
    "several-kills": several.kill_several,
    "hostile": send_hostile,
    "attack": measure_attack,
    "schemathesis": run_schemathesis,
}

_FLOODS: Final = tuple(list_floods("", ""))


def main(
    part: Annotated[
        list[str] | None, typer.Option(help=f"Run only this part; repeatable. One of {', '.join(PARTS)}.")
    ] = None,
    images: Annotated[int, typer.Option(help="Number of images of the large job.")] = LoadOptions.images,
    requests: Annotated[int, typer.Option(help="Number of small requests that are timed.")] = LoadOptions.requests,
    sets: Annotated[int, typer.Option(help="Number of small sets beside a large one.")] = LoadOptions.sets,
    gigabytes: Annotated[float, typer.Option(help="Gigabytes to download.")] = LoadOptions.gigabytes,
    kills: Annotated[int, typer.Option(help="Number of kills of the service.")] = LoadOptions.kills,
    kill_images: Annotated[int, typer.Option(help="Number of images of the set meanwhile.")] = LoadOptions.kill_images,
    examples: Annotated[int, typer.Option(help="Number of examples for each operation.")] = LoadOptions.examples,
    schemathesis: Annotated[
        str | None, typer.Option(help="Command of Schemathesis, if it is not on the PATH.")
    ] = LoadOptions.schemathesis,
    seed: Annotated[int, typer.Option(help="Seed of the kills and examples.")] = LoadOptions.seed,
    attack_seconds: Annotated[float, typer.Option(help="Seconds of each flood.")] = LoadOptions.attack_seconds,
    flood: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this flood; repeatable. One of: {'; '.join(_FLOODS)}."),
    ] = None,
) -> None:
    """Measure the service against its targets."""
    check_choices("part", part or (), PARTS)
    check_choices("flood", flood or (), _FLOODS)
    options = LoadOptions(
        images, requests, sets, gigabytes, kills, kill_images, examples, schemathesis, seed, attack_seconds,
        tuple(flood or ()),
    )  # fmt: skip
    for name in part or PARTS:
        load = os.getloadavg()[0]
        began = time.perf_counter()
        _console.print(tabulate_figures(f"service, {name}", PARTS[name](options)))
        _console.print(
            f"{time.perf_counter() - began:.0f} s; load {load:.1f} before, {os.getloadavg()[0]:.1f} after, "
            f"{os.cpu_count()} cores\n"
        )


def _take_seeds(starts: Iterator[int], count: int) -> range:
    start = next(starts)
    return range(start, start + count)


def _one_image(seed: int) -> dict[str, Any]:
    """Return a request for one image."""
    return {"kind": "age_related", "conditions": ["WS"], "ages": ["young_adult"], "count": 1, "seed": seed}


def _ask_each(service: RunningService, seeds: Iterable[int]) -> list[float]:
    """Ask for one image with each of these seeds over one connection; returns the seconds of each request."""
    connection, took = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60), []
    headers = {"Content-Type": "application/json", "Prefer": "wait=10"}
    for seed in seeds:
        began = time.perf_counter()
        connection.request("POST", "/v1/image-sets", json.dumps(_one_image(seed)), headers)
        answer = connection.getresponse()
        said = answer.read()
        took.append(time.perf_counter() - began)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {said.decode()}")
    connection.close()
    return took


def _read_file(folder: Path, set_id: str, name: str) -> bytes:
    return (folder / "state" / "sets" / set_id / name).read_bytes()
