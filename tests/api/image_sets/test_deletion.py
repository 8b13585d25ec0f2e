"""`DELETE /v1/image-sets/{id}`, with two owners."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api.access.api_keys import ApiKeys, Scope
from api.app import create_app
from api.operations.database import Database
from api.problem_types import ProblemType
from api.resources import Resources
from api.settings import Settings
from tests.api.fake import FakeModel, served
from tests.api.serving import serving
from tests.api.stores import files_in

SETS = "/v1/image-sets"
BODY = {"kind": "age_progression", "conditions": ["WS"], "count": 2}


@dataclass(frozen=True)
class Owners:
    """A service with keys of two owners, and one of the first owner for photographs alone."""

    first: httpx.Client
    second: httpx.Client
    photos_only: httpx.Client
    model: FakeModel
    service: Resources
    state: Path


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owners]:
    state, model = tmp_path_factory.mktemp("state"), FakeModel()
    with closing(Database.open(state)) as database:
        keys = ApiKeys(database.engine)
        secrets = [
            keys.create("first", list(Scope))[0],
            keys.create("second", list(Scope))[0],
            keys.create("first", [Scope.PHOTOS])[0],
        ]
    app = create_app(Settings(state=state, without_keys=False), load=served(model))
    with ExitStack() as stack:
        url = stack.enter_context(serving(app))
        first, second, photos_only = (
            stack.enter_context(httpx.Client(base_url=url, timeout=90, headers={"Authorization": f"Bearer {secret}"}))
            for secret in secrets
        )
        yield Owners(first, second, photos_only, model, app.state.service, state)


def create(http: httpx.Client, seed: int, **headers: str) -> str:
    answer = http.post(SETS, json=BODY | {"seed": seed}, headers={"Prefer": "wait=60", **headers})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def files_of(owners: Owners, set_id: str) -> list[str]:
    return files_in(owners.state).names(f"sets/{set_id}")


def test_a_deleted_set_leaves_nothing_and_can_be_made_again(owners: Owners, caplog: pytest.LogCaptureFixture) -> None:
    set_id = create(owners.first, 1, **{"Idempotency-Key": "one"})
    assert owners.first.get(f"{SETS}/{set_id}/archive.zip").status_code == 200
    png = owners.first.get(f"{SETS}/{set_id}/images/0").content
    assert files_of(owners, set_id)
    assert owners.service.ownership.weight("first") > 0
    with caplog.at_level(logging.INFO, "gestaltgen.image_sets"):
        answer = owners.first.delete(f"{SETS}/{set_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert any(set_id in record.getMessage() for record in caplog.records)
    assert files_of(owners, set_id) == []
    assert list((owners.state / "cache").glob(f"{set_id}*")) == []
    assert owners.service.ownership.weight("first") == 0
    assert owners.first.get(SETS).json()["items"] == []
    again = owners.first.delete(f"{SETS}/{set_id}")
    assert (again.status_code, again.json()["type"]) == (404, ProblemType.IMAGE_SET_NOT_FOUND.uri)
    rendered = owners.model.rendered
    assert create(owners.first, 1, **{"Idempotency-Key": "one"}) == set_id
    assert owners.model.rendered == rendered + 10
    assert owners.first.get(f"{SETS}/{set_id}/images/0").content == png


def test_another_owner_keeps_the_set(owners: Owners) -> None:
    set_id = create(owners.first, 2)
    assert create(owners.second, 2, **{"Idempotency-Key": "mine"}) == set_id
    assert owners.first.delete(f"{SETS}/{set_id}").status_code == 204
    assert owners.first.get(f"{SETS}/{set_id}").status_code == 404
    kept = owners.second.get(f"{SETS}/{set_id}").json()
    assert (kept["state"], kept["done"]) == ("done", 10)
    assert owners.second.get(f"{SETS}/{set_id}/images/9").status_code == 200
    other = owners.second.post(SETS, json=BODY | {"seed": 77}, headers={"Idempotency-Key": "mine"})
    assert other.json()["type"] == ProblemType.IDEMPOTENCY_KEY_REUSED.uri
    assert owners.second.delete(f"{SETS}/{set_id}").status_code == 204
    assert files_of(owners, set_id) == []


def test_neither_strangers_nor_keys_without_the_scope_delete_a_set(owners: Owners) -> None:
    set_id = create(owners.first, 3)
    for http, kind in (
        (owners.second, ProblemType.IMAGE_SET_NOT_FOUND),
        (owners.photos_only, ProblemType.SCOPE_MISSING),
    ):
        answer = http.delete(f"{SETS}/{set_id}")
        assert (answer.status_code, answer.json()["type"]) == (kind.status, kind.uri)
    assert owners.first.get(f"{SETS}/{set_id}/images/0").status_code == 200


def test_the_job_of_a_deleted_set_is_cancelled_and_leaves_nothing(owners: Owners) -> None:
    owners.model.chunk_s = 0.2
    try:
        asked = owners.first.post(SETS, json=BODY | {"seed": 4, "count": 100}).json()
        while owners.first.get(f"{SETS}/{asked['id']}").json()["done"] == 0:
            time.sleep(0.01)
        assert owners.first.delete(f"{SETS}/{asked['id']}").status_code == 204
    finally:
        owners.model.chunk_s = 0
    assert owners.first.get(asked["links"]["job"]).status_code == 404
    deadline = time.monotonic() + 30
    while not owners.service.jobs.is_idle() or files_of(owners, asked["id"]):
        assert time.monotonic() < deadline, files_of(owners, asked["id"])
        time.sleep(0.02)
    assert owners.service.store.request(asked["id"]) is None


def test_a_job_that_another_owner_waits_for_goes_on(owners: Owners) -> None:
    owners.model.chunk_s = 0.1
    try:
        asked = owners.first.post(SETS, json=BODY | {"seed": 5, "count": 20}).json()
        owners.second.post(SETS, json=BODY | {"seed": 5, "count": 20})
        assert owners.first.delete(f"{SETS}/{asked['id']}").status_code == 204
    finally:
        owners.model.chunk_s = 0
    waited = owners.second.post(SETS, json=BODY | {"seed": 5, "count": 20}, headers={"Prefer": "wait=60"})
    assert (waited.status_code, waited.json()["id"]) == (200, asked["id"])
