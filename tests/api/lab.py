"""The service with the shipped phantoms, behind keys: of a lab, of its image sets only, and of another lab."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import httpx
import pytest
from PIL import Image
from sqlalchemy import MetaData, Table, create_engine, inspect, select
from torch import Tensor

from api.access.api_keys import ApiKeys, Scope
from api.app import create_app
from api.models.pool import Models, open_models
from api.operations.database import Database
from api.operations.state_folder import RECEIPTS
from api.photographs.edits import Edits
from api.photographs.storage import Photographs
from api.photographs.survey_packs import SurveyPacks
from api.problem_types import ProblemType
from api.resources import Resources
from api.settings import Settings
from editing.directions import Direction
from editing.latent_editor import LatentEditor
from faces.images import Pixels, encode_png
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from inversion.inverter import Inverter
from inversion.result import Inversion
from tests.api.serving import serving
from tests.api.stores import files_in

Json = dict[str, Any]
CONSENT = {"Consent-Reference": "study-7/form-12", "Purpose": "tests of the service"}
WAIT = {"Prefer": "wait=60"}


of_sqlite: Final = pytest.mark.skipif(
    "GESTALTGEN_TEST_POSTGRESQL" in os.environ, reason="it is about the files of SQLite"
)


@dataclass(frozen=True)
class Lab:
    """A running service.

    Attributes:
        http: of the lab's key, for everything.
        key: its id.
        sets_only: of a key of the same owner, for image sets alone.
        other: of another owner, for everything.
    """

    http: httpx.Client
    key: str
    sets_only: httpx.Client
    other: httpx.Client
    state: Path
    service: Resources

    def send(self, picture: bytes, headers: Json | None = None, **params: Any) -> httpx.Response:
        """Send an aligned photograph, and wait for its inversion unless the headers say otherwise."""
        headers = CONSENT | WAIT | (headers or {})
        return self.http.post("/v1/photos", params={"aligned": True} | params, content=picture, headers=headers)

    def photo(self, n: int, **params: Any) -> str:
        """Id of a photograph of a phantom that is inverted."""
        sent = good(self.send(phantom(n), **params))
        assert sent["state"] == "done"
        return str(sent["id"])

    def edit(self, photo: str, headers: Json | None = None, **body: Any) -> httpx.Response:
        """Ask for an edit, and wait."""
        return self.http.post(f"/v1/photos/{photo}/edits", json=body, headers=WAIT | (headers or {}))

    def pack(self, *photos: str, headers: Json | None = None, **body: Any) -> httpx.Response:
        """Ask for a survey pack, doubtful faces too, and wait."""
        body = {"photos": photos, "doubtful": True} | body
        return self.http.post("/v1/stimuli", json=body, headers=WAIT | (headers or {}))

    def finished(self, path: str) -> Json:
        """What is at a path, once its job has ended."""
        deadline = time.monotonic() + 60
        while (seen := good(self.http.get(path)))["state"] not in ("done", "failed", "cancelled"):
            assert time.monotonic() < deadline, seen
            time.sleep(0.02)
        return seen

    def jobs(self) -> list[str]:
        """Ids of all jobs of the lab."""
        found: list[str] = []
        path: str | None = "/v1/jobs?limit=100"
        while path is not None:
            page = good(self.http.get(path))
            found += [job["id"] for job in page["items"]]
            path = page["next"]
        return found

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that soon will be."""
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def until_waiting(self, jobs: int = 1) -> None:
        """Wait until so many jobs wait for the networks, which are occupied."""
        self.until(lambda: self.service.worker.waiting["large"] >= jobs)

    def idle(self) -> None:
        """Wait until no job is at work, erased and cancelled ones included."""
        self.until(self.service.jobs.is_idle)

    @contextmanager
    def occupied(self) -> Iterator[threading.Event]:
        """The networks are busy until the event is set, the service is stopped, or the block ends."""
        both_begun, go_on, worker = threading.Barrier(3), threading.Event(), self.service.worker

        def work(_: Models) -> None:
            both_begun.wait(20)
            while not (go_on.is_set() or worker.stopping):
                go_on.wait(0.01)

        threads = [threading.Thread(target=partial(worker.call, work, small=small)) for small in (True, False)]
        for thread in threads:
            thread.start()
        try:
            both_begun.wait(20)
            yield go_on
        finally:
            go_on.set()
            for thread in threads:
                thread.join()


@contextmanager
def open_lab(
    state: Path, load: Callable[[Settings], Models] = lambda _: _shipped_models(), **settings: Any
) -> Iterator[Lab]:
    """A service on a state folder, with new keys, and with the shipped models unless others are loaded.

    It computes each face once in a process; `forget_faces` lets it compute anew.
    """
    with closing(Database.open(state)) as database:
        keys = ApiKeys(database.engine)
        secret, known = keys.create("lab", list(Scope))
        secrets = secret, keys.create("lab", [Scope.IMAGE_SETS])[0], keys.create("other-lab", list(Scope))[0]
    app = create_app(Settings(state=state, without_keys=False, threads=1, **settings), load=load)
    with (
        remember_faces(),
        serving(app) as url,
        client(url, secrets[0]) as ours,
        client(url, secrets[1]) as sets_only,
        client(url, secrets[2]) as other,
    ):
        yield Lab(ours, known.id, sets_only, other, state, app.state.service)


@cache
def _shipped_models() -> Models:
    """The shipped phantoms, loaded once for all labs of a process; it has one at a time."""
    return open_models(Settings(threads=1))


_results: Final[dict[Hashable, Any]] = {}


@contextmanager
def remember_faces() -> Iterator[None]:
    """Invert each face once, edit it once in each way, and later answer from memory: tests send the same few."""
    with ExitStack() as patches:
        for owner, name in ((Inverter, "invert"), (LatentEditor, "to_smile"), (LatentEditor, "edit")):
            patches.enter_context(patch.object(owner, name, _remember(getattr(owner, name))))
        yield


def forget_faces() -> None:
    """Compute from now on what was remembered."""
    _results.clear()


def _remember(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that computes each result once."""

    def answer(*arguments: Any, **named: Any) -> Any:
        key = (
            method.__name__,
            *map(_identify, arguments),
            *((name, _identify(value)) for name, value in named.items()),
        )
        if key not in _results:
            _results[key] = method(*arguments, **named)
        return _results[key]

    return answer


def _identify(argument: Any) -> Hashable:
    """Return a key of an argument of these methods; a face that was inverted differs from one of another generator."""
    match argument:
        case Tensor():
            return argument.numpy().tobytes()
        case Inversion():
            offsets = tuple((name, _identify(value)) for name, value in sorted(argument.offsets.items()))
            return _identify(argument.w), offsets, _identify(argument.reconstruction), argument.precision
        case Direction():
            return argument.name
        case LatentEditor():
            return None
        case _:
            return argument  # type: ignore[no-any-return]


def client(url: str, secret: str) -> httpx.Client:
    """One that sends a key."""
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=90)


@cache
def phantom(n: int) -> bytes:
    """PNG of a drawn face, aligned, 128 px."""
    return encode_png(draw_phantom(nth_phantom(3, n), 128).image)


def saved(image: Pixels, pillow_format: str, **options: Any) -> bytes:
    """A file by Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, pillow_format, **options)
    return buffer.getvalue()


def good(answer: httpx.Response, *status: int) -> Json:
    """The JSON of an answer with a status: 200 unless said otherwise."""
    assert answer.status_code in (status or (200,)), answer.text
    found: Json = answer.json()
    return found


def refused(answer: httpx.Response, status: int) -> str:
    """The detail of a problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    return str(answer.json()["detail"])


def problem_of(answer: httpx.Response) -> ProblemType:
    """Return the type of a problem, which its status follows from."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    kind = next(kind for kind in ProblemType if kind.uri == answer.json()["type"])
    assert answer.status_code == kind.status == answer.json()["status"]
    return kind


def files_of(state: Path, subject: str) -> list[str]:
    """Every file, in a state folder or in the store of its service, whose path names something, but for receipts."""
    names = {path.relative_to(state).as_posix() for path in state.rglob("*") if path.is_file()}
    names |= set(files_in(state).names(""))
    return sorted(name for name in names if subject in name and not name.startswith(RECEIPTS))


def tables_naming(state: Path, subject: str) -> set[str]:
    """The tables, of the service and of its queue, that name something in any column."""
    engines = [Database.at(state).engine]
    if engines[0].dialect.name == "sqlite":
        engines.append(create_engine(f"sqlite:///{state / 'jobs.sqlite'}"))
    found = set()
    for engine in engines:
        there = inspect(engine)
        schemas = ("public", "dbos") if engine.dialect.name == "postgresql" else (None,)
        tables = [(name, schema) for schema in schemas for name in there.get_table_names(schema)]
        for name, schema in tables:
            table = Table(name, MetaData(), schema=schema, autoload_with=engine)
            with engine.connect() as connection:
                if any(subject in str(cell) for row in connection.execute(select(table)) for cell in row):
                    found.add(name)
        engine.dispose()
    return found - {"audit"}


def all_files(state: Path) -> dict[str, bytes]:
    """Every file that may hold pixels of photographs."""
    files, found = files_in(state), dict[str, bytes]()
    for folder in ("photos", "edits", "stimuli"):
        found |= {f"{folder}/{name}": files.read(f"{folder}/{name}") for name in files.names(folder)}
    return found


def add_slowly(monkeypatch: pytest.MonkeyPatch, store: Photographs | Edits | SurveyPacks) -> None:
    """Make a store add records so slowly that requests that come at once overlap."""
    add: Callable[[Any], None] = store.add

    def slow(record: object) -> None:
        time.sleep(0.1)
        add(record)

    monkeypatch.setattr(store, "add", slow)
