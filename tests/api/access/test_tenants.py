"""What each lab may take: requests, images that wait, bytes, models, and time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from api.access.tenants import TenantLimits, Tenants
from api.operations.database import Database
from api.problem_types import ProblemType
from api.problems import Problem
from tests.api.lab import CONSENT, Lab, good, open_lab, phantom, problem_of, refused
from tests.api.stores import files_in

SETS = "/v1/image-sets"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with closing(Database.open(tmp_path)) as database:
        yield database.engine


@pytest.fixture
def tenants(engine: Engine, clock: Clock) -> Tenants:
    return Tenants(engine, clock)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("tenants")) as lab:
        yield lab


@pytest.fixture
def limited(ours: Lab) -> Iterator[Lab]:
    """Without limits at the end of a test."""
    yield ours
    give(ours, TenantLimits())


def give(lab: Lab, limits: TenantLimits, owner: str = "lab") -> None:
    lab.service.tenants.set(owner, limits)


def asked(count: int, seed: int, model: str | None = None) -> dict[str, object]:
    body: dict[str, object] = {"kind": "unrelated", "conditions": ["unaffected"], "ages": ["child"], "count": count}
    return body | {"seed": seed} | ({} if model is None else {"model": model})


# Limits


def test_limits_are_kept_and_taken_away(tenants: Tenants, engine: Engine, clock: Clock) -> None:
    limits, other_process = TenantLimits(600, 5000, 100, ("phantom128",), 3600), Tenants(engine, clock)
    assert tenants.limits("lab") == other_process.limits("lab") == TenantLimits()
    tenants.set("lab", limits)
    assert tenants.limits("lab") == limits
    assert other_process.limits("lab") == TenantLimits()
    clock.now += 1.1
    assert tenants.limits("lab") == other_process.limits("lab") == limits
    assert tenants.limits("other") == TenantLimits()
    assert tenants.list_all() == {"lab": limits}
    tenants.set("lab", TenantLimits(images_waiting=7))
    assert tenants.list_all() == {"lab": TenantLimits(images_waiting=7)}
    tenants.set("lab", TenantLimits())
    assert tenants.list_all() == {}


def test_limits_are_remembered_for_a_second(tenants: Tenants, clock: Clock) -> None:
    assert not tenants.remembers("lab")
    tenants.limits("lab")
    assert tenants.remembers("lab")
    clock.now += 1.1
    assert not tenants.remembers("lab")


def test_requests_come_back_one_by_one(tenants: Tenants, clock: Clock) -> None:
    tenants.set("lab", TenantLimits(requests_per_minute=6))
    for _ in range(6):
        tenants.admit("lab")
    with pytest.raises(Problem) as problem:
        tenants.admit("lab")
    assert (problem.value.status, problem.value.headers["Retry-After"]) == (429, "10")
    tenants.admit("other")
    clock.now += 9.0
    with pytest.raises(Problem) as problem:
        tenants.admit("lab")
    assert problem.value.headers["Retry-After"] == "1"
    clock.now += 1.1
    tenants.admit("lab")
    with pytest.raises(Problem):
        tenants.admit("lab")
    clock.now += 600
    for _ in range(6):
        tenants.admit("lab")
    with pytest.raises(Problem):
        tenants.admit("lab")


# The service


def test_too_many_requests_are_refused_to_who_made_them(limited: Lab) -> None:
    give(limited, TenantLimits(requests_per_minute=2))
    answers = [limited.http.get("/v1/jobs") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 30
    assert limited.other.get("/v1/jobs").status_code == 200


def test_images_that_wait_are_counted(limited: Lab) -> None:
    give(limited, TenantLimits(images_waiting=100))
    requests = list_requests(limited)
    before = limited.service.ownership.weight("lab")
    with limited.occupied():
        too_large = limited.http.post(SETS, json=asked(101, 1))
        assert problem_of(too_large) is ProblemType.TENANT_IMAGES_EXCEEDED
        first = good(limited.http.post(SETS, json=asked(60, 2)), 202)
        assert problem_of(limited.http.post(SETS, json=asked(50, 3))) is ProblemType.TOO_MANY_IMAGES
        assert len(list_requests(limited)) == len(requests) + 1  # nothing is left of those that were refused
        assert limited.service.ownership.weight("lab") > before  # what waits is stored, too
        good(limited.http.post(SETS, json=asked(40, 4)), 202)
        good(limited.other.post(SETS, json=asked(60, 5)), 202)
    limited.finished(f"{SETS}/{first['id']}")
    limited.idle()
    good(limited.http.post(SETS, json=asked(50, 3)), 202)
    limited.idle()


def list_requests(limited: Lab) -> list[str]:
    return [name for name in files_in(limited.state).names("sets") if name.endswith("request.json")]


def test_nothing_new_is_begun_without_room(limited: Lab) -> None:
    made = good(limited.http.post(SETS, json=asked(30, 6), headers={"Prefer": "wait=60"}))
    photo = limited.photo(0)
    manifest = limited.http.get(f"{SETS}/{made['id']}/manifest.jsonl").text
    ownership = limited.service.ownership
    before = ownership.weight("lab")
    assert before > sum(map(len, manifest.splitlines()))
    give(limited, TenantLimits(stored_mb=1))
    assert before >= 1_000_000
    for answer in (
        limited.http.post(SETS, json=asked(30, 7)),
        limited.http.post("/v1/photos", params={"aligned": True}, content=phantom(1), headers=CONSENT),
        limited.edit(photo, direction="smile", strength=0.5),
        limited.pack(photo, photo),
    ):
        assert problem_of(answer) is ProblemType.TENANT_STORAGE_FULL
    good(limited.http.post(SETS, json=asked(30, 6)))
    give(limited, TenantLimits())
    limited.edit(photo, direction="smile", strength=0.5)
    assert ownership.weight("lab") > before
    limited.http.delete(f"/v1/photos/{photo}")
    assert ownership.weight("lab") < before


def test_who_asks_for_a_set_that_is_there_has_its_weight_too(limited: Lab) -> None:
    good(limited.http.post(SETS, json=asked(20, 8), headers={"Prefer": "wait=60"}))
    before = limited.service.ownership.weight("other-lab")
    good(limited.other.post(SETS, json=asked(20, 8)))
    assert limited.service.ownership.weight("other-lab") > before + 20 * 1000


def test_only_their_models_are_there_for_them(limited: Lab) -> None:
    names = [item["name"] for item in good(limited.http.get("/v1/models"))["items"]]
    assert len(names) > 1
    give(limited, TenantLimits(models=(names[1],)))
    assert [item["name"] for item in good(limited.http.get("/v1/models"))["items"]] == names[1:2]
    assert [item["name"] for item in good(limited.other.get("/v1/models"))["items"]] == names
    assert good(limited.http.get("/v1/conditions"))["model"] == names[1]
    answer = limited.http.post(SETS, json=asked(1, 9, names[0]))
    assert problem_of(answer) is ProblemType.REQUEST_INVALID
    assert answer.json()["errors"][0]["accepted"] == names[1:2]
    made = good(limited.http.post(SETS, json=asked(1, 9)), 202)
    weights = {item["name"]: item["weights_sha256"] for item in good(limited.other.get("/v1/models"))["items"]}
    assert made["request"]["weights_sha256"] == weights[names[1]]
    assert limited.http.get(f"/v1/models/{names[0]}/training-images").status_code == 404
    answer = limited.http.post("/v1/photos", params={"model": names[0]}, content=phantom(1), headers=CONSENT)
    refused(answer, 422)
    give(limited, TenantLimits(models=("gone",)))
    assert problem_of(limited.http.get("/v1/models")) is ProblemType.NO_MODEL_ALLOWED
    limited.idle()


def test_photographs_are_kept_no_longer_than_theirs(limited: Lab) -> None:
    give(limited, TenantLimits(photo_ttl_s=3600))
    assert problem_of(limited.send(phantom(2), ttl_s=3601)) is ProblemType.REQUEST_INVALID
    kept = good(limited.send(phantom(2)))
    photo = limited.service.photographs.get(kept["id"])
    assert photo is not None
    assert photo.expires_ms - photo.created_ms == 3600_000
