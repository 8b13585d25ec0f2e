"""A service that is stopped or killed goes on with photographs, edits and packs where it was."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from api.access.api_keys import ApiKeys, Scope
from api.operations.database import Database
from tests.api.lab import (
    CONSENT,
    Lab,
    client,
    files_of,
    good,
    of_sqlite,
    open_lab,
    phantom,
    refused,
    tables_naming,
)
from tests.api.stores import environment, files_in

Inverted = tuple[str, str]


def ask(http: httpx.Client, inverted: Inverted) -> list[str]:
    """Ask for a photograph, an edit and a pack, and do not wait; their paths."""
    sent = http.post("/v1/photos?aligned=true", content=phantom(3), headers=CONSENT)
    edit = http.post(f"/v1/photos/{inverted[0]}/edits", json={"smile": 0.6})
    pack = http.post("/v1/stimuli", json={"photos": inverted, "doubtful": True, "seed": 1})
    return [str(good(answer, 202)["links"]["self"]) for answer in (sent, edit, pack)]


def all_is_there(lab: Lab, asked: list[str], inverted: Inverted) -> None:
    """What was asked for before a service ended is made by the next one, as if nothing had been."""
    photo, edit, pack = map(lab.finished, asked)
    assert [one["state"] for one in (photo, edit, pack)] == ["done"] * 3
    assert photo["quality"] == good(lab.send(phantom(3)))["quality"]
    assert not lab.service.photographs.has_original(photo["id"])
    again = (good(lab.edit(inverted[0], smile=0.6)), good(lab.pack(*inverted, seed=1)))
    for one, other, name in ((edit, again[0], "image"), (pack, again[1], "archive")):
        first, second = (lab.http.get(which["links"][name]) for which in (one, other))
        assert first.status_code == 200
        assert first.content == second.content
    lab.idle()
    assert {job[-2:] for job in lab.jobs()} == {"-1"}


@contextmanager
def process(state: Path, secret: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """The service as a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--port", str(port)]
    settings = {"GESTALTGEN_STATE": str(state), "GESTALTGEN_THREADS": "1"}
    child = subprocess.Popen([*command, "--log-level", "error"], env=environment(state) | settings)  # noqa: S603
    try:
        with client(f"http://127.0.0.1:{port}", secret) as http:
            deadline = time.monotonic() + 60
            while not _ready(http):
                assert child.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield child, http
    finally:
        child.kill()
        child.wait()


def _ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_a_stopped_service_goes_on(tmp_path: Path) -> None:
    with ExitStack() as later, open_lab(tmp_path) as lab:
        inverted = lab.photo(0), lab.photo(1)
        later.enter_context(lab.occupied())
        asked = ask(lab.http, inverted)
        erased = good(lab.send(phantom(2), {"Prefer": ""}), 202)
        lab.until_waiting(4)
    photo = asked[0].rsplit("/", 1)[-1]
    assert files_of(tmp_path, photo) == [f"photos/{photo}/original"]
    with open_lab(tmp_path) as lab:
        good(lab.http.delete(erased["links"]["self"]))
        all_is_there(lab, asked, inverted)
        assert files_of(tmp_path, erased["id"]) == []
        assert tables_naming(tmp_path, erased["id"]) == set()
        assert refused(lab.http.get(erased["links"]["self"]), 404)


@of_sqlite
@pytest.mark.slow
def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    secret, _ = ApiKeys(Database.open(tmp_path).engine).create("lab", list(Scope))
    with open_lab(tmp_path) as lab:
        inverted = lab.photo(0), lab.photo(1)
    with process(tmp_path, secret) as (child, http):
        asked = ask(http, inverted)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not files_in(tmp_path).exists(f"stimuli/{asked[2].rsplit('/', 1)[-1]}/pack.zip")
    with open_lab(tmp_path) as lab:
        all_is_there(lab, asked, inverted)
