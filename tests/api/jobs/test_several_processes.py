"""Several processes that share a PostgreSQL database and a folder of images."""

from __future__ import annotations

import io
import math
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gestaltgen_client import Client
from tests.api.postgres import Server, running_server
from tests.api.processes import process
from tests.api.stores import bucket_url

ASKED: dict[str, Any] = {"kind": "age_progression", "conditions": ["WS", "other"], "count": 64}
IMAGES = 640


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with running_server() as server:
        yield server


@contextmanager
def farm(
    state: Path, database: str, workers: int, chunk_s: float
) -> Iterator[tuple[Client, list[subprocess.Popen[bytes]]]]:
    """One process that answers and some that work."""
    with ExitStack() as stack:
        _, client = stack.enter_context(process(state, chunk_s, database=database, role="api"))
        started = [process(state, chunk_s, database=database, role="worker") for _ in range(workers)]
        yield client, [stack.enter_context(one)[0] for one in started]


def shares(database: str) -> list[tuple[str, str, int]]:
    """(id, executor, recoveries) of all shares."""
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "SELECT workflow_uuid, executor_id, recovery_attempts FROM dbos.workflow_status WHERE name = 'share'"
        )
        return [(str(one[0]), str(one[1]), int(one[2])) for one in found]


def test_two_workers_share_one_job(tmp_path: Path, postgres: Server) -> None:
    database = postgres.database()
    with farm(tmp_path, database, 2, 0.1) as (client, _):
        done = client.create(**ASKED).wait(timeout_s=60)
        assert [item.index for item in done] == list(range(IMAGES))
    found = shares(database)
    assert len(found) == math.ceil(IMAGES / 256)
    assert len({executor for _, executor, _ in found}) == 2


def test_what_a_killed_worker_had_is_done_by_another_within_a_minute(tmp_path: Path, postgres: Server) -> None:
    database = postgres.database()
    with farm(tmp_path, database, 2, 0.2) as (client, workers):
        asked = client.create(**ASKED)
        while asked.refresh().done < 128:
            time.sleep(0.05)
        workers[0].kill()
        killed = time.monotonic()
        done = asked.wait(timeout_s=120)
        assert time.monotonic() - killed < 60
        assert [item.index for item in done] == list(range(IMAGES))
    assert sorted(share for share, _, _ in shares(database)) == sorted(
        f"{asked.id}-1/{n}" for n in range(0, IMAGES, 256)
    )


def test_a_database_that_crashed_loses_nothing(tmp_path: Path, postgres: Server) -> None:
    database = postgres.database()
    with farm(tmp_path, database, 1, 0.2) as (client, _):
        asked = client.create(**ASKED)
        for done, away_s in ((128, 0), (320, 5)):
            while asked.refresh().done < done:
                time.sleep(0.05)
            postgres.crash(away_s)
        assert len(list(asked.wait(timeout_s=120))) == IMAGES


def test_processes_with_folders_of_their_own_share_a_store(tmp_path: Path, postgres: Server) -> None:
    shared = {"database": postgres.database(), "storage": bucket_url(str(tmp_path))}
    with ExitStack() as stack:
        _, client = stack.enter_context(process(tmp_path / "api", 0.05, role="api", **shared))
        for name in ("one", "other"):
            stack.enter_context(process(tmp_path / name, 0.05, role="worker", **shared))
        done = client.create(kind="age_progression", conditions=["WS", "other"], count=8).wait(timeout_s=60)
        assert [item.index for item in done] == list(range(80))
        with zipfile.ZipFile(io.BytesIO(client.send("GET", done.links["archive"]).content)) as archive:
            assert sum(name.endswith(".png") for name in archive.namelist()) == 80
    assert not list(tmp_path.rglob("*.png"))
