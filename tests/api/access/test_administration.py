"""Keys and limits over REST: who may manage them, what is shown, and what the audit record has of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from api.access.api_keys import ANYONE, Scope
from api.app import create_app
from api.problem_types import ProblemType
from api.settings import Settings
from gestaltgen_client import Client, ServiceError
from tests.api.fake import FakeModel, served
from tests.api.lab import problem_of
from tests.api.serving import caller, serving


@dataclass(frozen=True)
class Administration:
    service: Any
    url: str
    admin: httpx.Client
    lab: httpx.Client


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administration]:
    app = create_app(Settings(state=tmp_path_factory.mktemp("office")), load=served(FakeModel()))
    with (
        serving(app) as url,
        caller(app, url, "office", Scope.ADMIN) as admin,
        caller(app, url, "lab", Scope.IMAGE_SETS, Scope.PHOTOS, Scope.METRICS) as lab,
    ):
        yield Administration(app.state.service, url, admin, lab)


def test_a_key_is_made_shown_once_and_revoked(office: Administration) -> None:
    answer = office.admin.post("/v1/keys", json={"owner": "new-lab", "scopes": ["photos", "image-sets"], "ttl_s": 3600})
    assert answer.status_code == 201
    made = answer.json()
    bearer = {"Authorization": f"Bearer {made['key']}"}
    assert httpx.get(f"{office.url}/v1/models", headers=bearer).status_code == 200
    listed = office.admin.get("/v1/keys")
    assert made["key"] not in listed.text
    [key] = [one for one in listed.json()["items"] if one["id"] == made["id"]]
    assert (key["owner"], key["scopes"], key["state"]) == ("new-lab", ["image-sets", "photos"], "valid")
    assert office.admin.post(f"/v1/keys/{made['id']}/revoke").json()["state"] == "revoked"
    assert httpx.get(f"{office.url}/v1/models", headers=bearer).status_code == 401
    entries = [entry for entry in office.service.audit.entries() if entry.photo == f"key {made['id']}"]
    assert [(entry.owner, entry.action, entry.outcome) for entry in entries] == [
        ("office", "POST /v1/keys", "done"),
        ("office", "POST /v1/keys/{key_id}/revoke", "done"),
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"owner": "../lab"}, "owner"),
        ({"owner": "service"}, "owner"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"ttl_s": 1}, "ttl_s"),
        ({"key": "gestaltgen_mine"}, "key"),
    ],
)
def test_a_key_that_cannot_be_is_refused(office: Administration, change: dict[str, Any], field: str) -> None:
    before = office.service.api_keys.list_all()
    answer = office.admin.post("/v1/keys", json={"owner": "lab", "scopes": ["photos"]} | change)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)
    assert office.service.api_keys.list_all() == before


def test_other_keys_manage_nothing_and_administrators_see_nothing_else(office: Administration) -> None:
    body = {"owner": "lab", "scopes": ["admin"]}
    for method, path in (("GET", "keys"), ("POST", "keys"), ("POST", "keys/x/revoke"), ("GET", "tenants")):
        assert problem_of(office.lab.request(method, f"/v1/{path}", json=body)) is ProblemType.SCOPE_MISSING
    assert problem_of(office.lab.put("/v1/tenants/lab", json={})) is ProblemType.SCOPE_MISSING
    for path in ("image-sets", "photos", "jobs", "models"):
        assert problem_of(office.admin.get(f"/v1/{path}")) is ProblemType.SCOPE_MISSING
    assert problem_of(office.admin.post("/v1/keys/none/revoke")) is ProblemType.KEY_NOT_FOUND
    assert Scope.ADMIN not in ANYONE.scopes


def test_owners_are_limited_through_the_client(office: Administration) -> None:
    key = office.admin.headers["Authorization"].removeprefix("Bearer ")
    with Client(office.url, key=key) as client:
        made = client.create_key("limited", ["image-sets"])
        assert made["id"] in [one["id"] for one in client.api_keys()]
        limits = client.limit_tenant("limited", stored_mb=5, models=["fake"])["limits"]
        assert (limits["stored_mb"], limits["models"], limits["images_waiting"]) == (5, ["fake"], None)
        [tenant] = [one for one in client.tenants() if one["owner"] == "limited"]
        assert (tenant["keys"], tenant["stored_bytes"], tenant["limits"]) == (1, 0, limits)
        client.limit_tenant("limited")
        assert "limited" not in office.service.tenants.list_all()
        assert client.revoke_key(made["id"])["state"] == "revoked"
        with pytest.raises(ServiceError):
            client.limit_tenant("limited", stored_mb=0)
