"""Who may do what: every route wants a key, and what belongs to another owner is not found."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from typer.testing import CliRunner

from api.access.api_keys import Scope
from api.access.ownership import Kind
from api.access.sessions import COOKIE
from api.app import create_app
from api.dependencies import (
    OWNER_CHECKS,
    AnyCaller,
    KnownSet,
    RequireScope,
    find_assessment,
    find_explanation,
    find_image_edit,
    find_image_set,
    find_job,
    find_photograph,
    find_photograph_edit,
    find_receipt,
    find_survey_pack,
)
from api.operations.clock import now_ms
from api.photographs.records import (
    AssessmentRecord,
    EditRecord,
    ExplanationRecord,
    FaceReference,
    PackRecord,
    Photograph,
    PhotographFace,
    SyntheticFace,
    new_id,
)
from api.problem_types import ProblemType
from api.settings import Settings
from gestaltgen.cli import main
from tests.api.fake import FakeModel, served
from tests.api.lab import of_sqlite, problem_of
from tests.api.serving import caller, serving

OPEN: Final = {"/", "/livez", "/readyz", "/docs", "/openapi.json", "/studio/sign-in"}
FILES: Final = "/studio/static"
PAGES: Final = "/studio"
CHECKS: Final[Mapping[str, set[Callable[..., Any]]]] = {
    "set_id": {find_image_set},
    "job_id": {find_job},
    "photo_id": {find_photograph, find_receipt},
    "edit_id": {find_photograph_edit, find_image_edit},
    "pack_id": {find_survey_pack},
    "explanation_id": {find_explanation},
    "assessment_id": {find_assessment},
}
PLACES: Final = {"n", "name", "method", "path", "version", "kind", "key_id", "owner"}
"""Parameters that name nobody's object: a place in one, the name of a model, method or kind of set, or what an
administrator looks after."""

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104  to be refused
SETS: Final = "/v1/image-sets"
SMALL: Final = {"kind": "unrelated", "conditions": ["WS"], "count": 1}


def every_route(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Path and route of all, those of included routers and of mounted applications too."""
    for route in routes:
        if (included := getattr(route, "effective_candidates", None)) is not None:
            yield from every_route(included(), prefix)
        elif isinstance(route, Mount) and route.routes:
            yield from every_route(route.routes, prefix + route.path)
        else:
            yield prefix + route.path, route


def depends_on(route: Any) -> list[Any]:
    """All that is called before a route's function; nothing for routes that are not FastAPI's."""

    def below(dependant: Any) -> Iterator[Any]:
        for one in dependant.dependencies:
            yield one.call
            yield from below(one)

    dependant = getattr(route, "dependant", None)
    return [] if dependant is None else list(below(dependant))


def parameters(path: str) -> set[str]:
    return {part.split("}")[0].split(":")[0] for part in path.split("{")[1:]}


def unguarded(routes: Iterable[Any]) -> list[str]:
    """What is wrong with routes that anybody could use, or with an object of somebody else's."""
    found = []
    for path, route in every_route(routes):
        if path in OPEN or path == FILES:
            continue
        calls = depends_on(route)
        if not any(isinstance(call, RequireScope) for call in calls):
            found.append(f"{path} needs no key")
        for name in sorted(parameters(path) - PLACES):
            if not CHECKS.get(name, set()) & set(calls):
                found.append(f"{path} does not check whose {name} is")
    return found


def test_every_route_needs_a_key_and_checks_whose_objects_are() -> None:
    app = create_app()
    assert unguarded(app.routes) == []
    assert len(list(every_route(app.routes))) > 40
    assert set().union(*CHECKS.values()) == OWNER_CHECKS
    described = set(app.openapi()["paths"])
    assert described <= {path for path, _ in every_route(app.routes)}


def test_what_is_of_persons_needs_the_scope_for_it() -> None:
    wanted = {"/v1/photos": Scope.PHOTOS, "/v1/stimuli": Scope.PHOTOS, SETS: Scope.IMAGE_SETS}
    wanted |= dict.fromkeys(("/v1/keys", "/v1/tenants", "/studio/keys", "/studio/tenants"), Scope.ADMIN)
    checked = 0
    for path, route in every_route(create_app().routes):
        for start, scope in wanted.items():
            if path.startswith(start):
                assert any(isinstance(call, RequireScope) and call.scope == (scope,) for call in depends_on(route)), (
                    path
                )
                checked += 1
    assert checked > 30


def test_the_walk_finds_what_it_is_for() -> None:
    """A toy application with one good route, and bad ones wherever routes can be."""

    def good(known: KnownSet) -> None: ...
    def keyless() -> None: ...
    def careless(set_id: str, caller: AnyCaller) -> None: ...
    def unknown(report_id: str, caller: AnyCaller) -> None: ...
    def wrong(photo_id: str, known: KnownSet, set_id: str = "") -> None: ...
    def indirect(inner: None = Depends(good)) -> None: ...

    app, inner, outer = FastAPI(docs_url=None, redoc_url=None), APIRouter(), APIRouter()
    app.get("/good/{set_id}")(good)
    app.get("/indirect/{set_id}/{n}")(indirect)
    assert unguarded(app.routes) == []

    app.get("/direct")(keyless)
    app.get("/careless/{set_id}")(careless)
    app.get("/unknown/{report_id}")(unknown)
    app.get("/wrong/{photo_id}")(wrong)
    app.websocket("/socket")(keyless)
    app.add_route("/plain", lambda request: PlainTextResponse(""))
    inner.get("/nested")(keyless)
    outer.include_router(inner, prefix="/inner")
    app.include_router(outer, prefix="/outer")
    app.mount("/mounted", Starlette(routes=[Route("/leaf", lambda request: PlainTextResponse(""))]))
    assert sorted(unguarded(app.routes)) == [
        "/careless/{set_id} does not check whose set_id is",
        "/direct needs no key",
        "/mounted/leaf needs no key",
        "/outer/inner/nested needs no key",
        "/plain needs no key",
        "/socket needs no key",
        "/unknown/{report_id} does not check whose report_id is",
        "/wrong/{photo_id} does not check whose photo_id is",
    ]


@dataclass(frozen=True)
class Guarded:
    """A service with keys, and two owners that know nothing of each other."""

    app: FastAPI
    url: str
    model: FakeModel
    state: Path
    alice: httpx.Client
    bob: httpx.Client
    nobody: httpx.Client

    def make(self, http: httpx.Client, **fields: Any) -> dict[str, Any]:
        """A complete set."""
        answer = http.post(SETS, json=SMALL | fields, headers={"Prefer": "wait=60"})
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    state, model = tmp_path_factory.mktemp("state"), FakeModel()
    app = create_app(Settings(state=state), load=served(model))
    with ExitStack() as stack:
        url = stack.enter_context(serving(app))
        alice, bob = (stack.enter_context(caller(app, url, owner)) for owner in ("alice", "bob"))
        nobody = stack.enter_context(httpx.Client(base_url=url, timeout=60))
        yield Guarded(app, url, model, state, alice, bob, nobody)


def photograph(guarded: Guarded, owner: str) -> str:
    """Id of a photograph that is listed, without a file."""
    service, photo_id = guarded.app.state.service, new_id()
    service.photographs.add(
        Photograph(
            id=photo_id,
            owner=owner,
            model="fake",
            consent="study-7",
            purpose="a test",
            keep_original=False,
            aligned=False,
            created_ms=now_ms(),
            expires_ms=now_ms() + 3_600_000,
            media_type="image/png",
        )
    )
    service.ownership.give(photo_id, Kind.PHOTO, owner)
    return photo_id


def an_edit(guarded: Guarded, owner: str, face: FaceReference) -> str:
    service, edit = guarded.app.state.service, new_id()
    service.edits.add(EditRecord(edit, owner, face, {"smile": 0.2}, now_ms()))
    service.ownership.give(edit, Kind.EDIT, owner)
    return edit


@pytest.fixture(scope="module")
def alices(guarded: Guarded) -> dict[str, dict[str, str]]:
    """Ids of hers for each kind of path, by the names of their parameters."""
    large = guarded.alice.post(SETS, json=SMALL | {"count": 20, "seed": 7}).json()
    made = guarded.make(guarded.alice, seed=6)
    photo, service, pack = photograph(guarded, "alice"), guarded.app.state.service, new_id()
    service.survey_packs.add(
        PackRecord(pack, "alice", (photo, photograph(guarded, "alice")), {}, now_ms(), now_ms() + 3_600_000)
    )
    service.ownership.give(pack, Kind.STIMULI, "alice")
    explanation = ExplanationRecord(new_id(), "alice", PhotographFace(photo), {"methods": ["gradcam"]}, now_ms())
    service.explanations.add(explanation)
    service.ownership.give(explanation.id, Kind.EXPLANATION, "alice")
    assessment = AssessmentRecord(new_id(), "alice", PhotographFace(photo), {"syndrome": "KdVS"}, now_ms())
    service.assessments.add(assessment)
    service.ownership.give(assessment.id, Kind.ASSESSMENT, "alice")
    return {
        SETS: {"set_id": made["id"], "n": "0", "edit_id": an_edit(guarded, "alice", SyntheticFace(made["id"], 0))},
        "/v1/jobs": {"job_id": large["links"]["job"].rpartition("/")[2]},
        "/v1/photos": {"photo_id": photo, "edit_id": an_edit(guarded, "alice", PhotographFace(photo))},
        "/v1/receipts": {"photo_id": photo},
        "/v1/stimuli": {"pack_id": pack, "version": "A", "n": "1"},
        "/v1/explanations": {"explanation_id": explanation.id, "method": "gradcam"},
        "/v1/assessments": {"assessment_id": assessment.id},
    }


def all_requests() -> list[tuple[str, str]]:
    """Method and path of everything that is not open."""
    routes = every_route(create_app().routes)
    closed = [(path, route) for path, route in routes if path not in OPEN and path != FILES]
    return sorted({(method, path) for path, route in closed for method in route.methods})


def test_without_a_key_nothing_is_answered(guarded: Guarded) -> None:
    for method, path in all_requests():
        filled = path.replace("{n}", "0").replace("{", "").replace("}", "")
        if path.startswith(PAGES):
            answer = guarded.nobody.request(method, filled)
            assert answer.status_code == 303, (method, path)
            assert answer.headers["Location"].startswith("/studio/sign-in")
            continue
        answer = guarded.nobody.request(method, filled, json={})
        assert answer.status_code == 401, (method, path, answer.text)
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="gestaltgen"'
        if method != "HEAD":
            assert problem_of(answer) is ProblemType.API_KEY_MISSING


def test_what_is_open_is_so(guarded: Guarded) -> None:
    for path in OPEN:
        assert guarded.nobody.get(path).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        b"Bearer gestaltgen_0000000000000000000000000000000000000000000",
        b"Bearer",
        b"Basic dXNlcjpwYXNz",
        b"Bearer \xff\xfe",
        b"",
    ],
)
def test_a_wrong_key_is_refused(guarded: Guarded, header: bytes) -> None:
    answer = guarded.nobody.get("/v1/models", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "0000" not in answer.text


def test_a_key_is_the_whole_key(guarded: Guarded) -> None:
    keys = guarded.app.state.service.api_keys
    secret, known = keys.create("carol", [Scope.IMAGE_SETS])
    for given, status in (
        (secret, 200),
        (secret[:-1], 401),
        (secret + "x", 401),
        (secret.swapcase(), 401),
        (known.id, 401),
    ):
        answer = guarded.nobody.get("/v1/models", headers={"Authorization": f"bearer {given}"})
        assert answer.status_code == status


def test_a_key_ends_when_its_time_is_over(guarded: Guarded) -> None:
    end = datetime.now(UTC) + timedelta(seconds=2)
    secret, _ = guarded.app.state.service.api_keys.create("carol", [Scope.IMAGE_SETS], end)
    bearer = {"Authorization": f"Bearer {secret}"}
    assert guarded.nobody.get("/v1/models", headers=bearer).status_code == 200
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()))
    answer = guarded.nobody.get("/v1/models", headers=bearer)
    assert problem_of(answer) is ProblemType.API_KEY_INVALID
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_key_ends_at_once_and_the_next_one_finds_everything(guarded: Guarded) -> None:
    keys = guarded.app.state.service.api_keys
    secret, known = keys.create("dora", [Scope.IMAGE_SETS])
    with caller(guarded.app, guarded.url, "dora") as other:
        bearer = {"Authorization": f"Bearer {secret}"}
        made = guarded.nobody.post(SETS, json=SMALL, headers=bearer | {"Prefer": "wait=60"}).json()
        keys.revoke(known.id)
        answer = guarded.nobody.get("/v1/models", headers=bearer)
        assert (answer.status_code, "WWW-Authenticate" in answer.headers) == (401, True)
        assert other.get(f"{SETS}/{made['id']}").status_code == 200


def test_a_key_opens_what_its_scopes_say(guarded: Guarded) -> None:
    service = guarded.app.state.service
    photo = photograph(guarded, "erin")
    photo_job = service.jobs.submit(Kind.PHOTO, photo, 1, "erin")
    with (
        caller(guarded.app, guarded.url, "erin", Scope.IMAGE_SETS) as sets,
        caller(guarded.app, guarded.url, "erin", Scope.PHOTOS) as photos,
        caller(guarded.app, guarded.url, "erin") as both,
    ):
        made = sets.post(SETS, json=SMALL | {"seed": 30, "count": 10}).json()
        for http, path in ((sets, "/v1/photos"), (sets, f"/v1/photos/{photo}"), (photos, SETS)):
            answer = http.get(path)
            assert problem_of(answer) is ProblemType.SCOPE_MISSING
        assert photos.post(SETS, json=SMALL).status_code == 403
        assert sets.post("/v1/stimuli", json={"photos": ["a", "b"]}).status_code == 403
        set_job = made["links"]["job"].rpartition("/")[2]
        for http, jobs in ((sets, {set_job}), (photos, {photo_job.id}), (both, {set_job, photo_job.id})):
            assert http.get("/v1/models").status_code == 200
            assert {job["id"] for job in http.get("/v1/jobs").json()["items"]} == jobs
            for job in (set_job, photo_job.id):
                assert http.get(f"/v1/jobs/{job}").status_code == (200 if job in jobs else 404)
                if job not in jobs:
                    assert http.post(f"/v1/jobs/{job}/cancel").status_code == 404


def test_what_belongs_to_another_owner_is_not_found(guarded: Guarded, alices: dict[str, dict[str, str]]) -> None:
    asked = 0
    for method, path in all_requests():
        if not parameters(path) - PLACES or path.startswith(PAGES):
            continue
        [ids] = [ids for start, ids in alices.items() if path.startswith(start)]
        answer = guarded.bob.request(method, path.format(**ids), json={"smile": 0.2})
        assert answer.status_code == 404, (method, path, answer.text)
        asked += 1
    assert asked > 30
    for path in (
        f"{SETS}/{{set_id}}",
        f"{SETS}/{{set_id}}/images/{{n}}",
        f"{SETS}/{{set_id}}/images/{{n}}/edits/{{edit_id}}",
    ):
        assert guarded.alice.get(path.format(**alices[SETS])).status_code == 200
    for path in ("/v1/photos/{photo_id}", "/v1/photos/{photo_id}/edits/{edit_id}"):
        assert guarded.alice.get(path.format(**alices["/v1/photos"])).status_code == 200
    assert guarded.alice.get("/v1/jobs/{job_id}".format(**alices["/v1/jobs"])).status_code == 200
    assert guarded.alice.get("/v1/stimuli/{pack_id}".format(**alices["/v1/stimuli"])).status_code == 200
    explanation = "/v1/explanations/{explanation_id}".format(**alices["/v1/explanations"])
    assert guarded.alice.get(explanation).status_code == 200
    assessment = "/v1/assessments/{assessment_id}".format(**alices["/v1/assessments"])
    assert guarded.alice.get(assessment).status_code == 200
    accesses = guarded.alice.get("/v1/photos/{photo_id}/accesses".format(**alices["/v1/photos"])).json()
    assert {access["owner"] for access in accesses["items"]} == {"alice"}


def test_pages_of_what_belongs_to_another_owner_are_not_found(
    guarded: Guarded, alices: dict[str, dict[str, str]]
) -> None:
    service = guarded.app.state.service
    bob = service.api_keys.find_caller(guarded.bob.headers["Authorization"].removeprefix("Bearer "))
    token = service.sessions.begin(bob.key)
    session, csrf = {"Cookie": f"{COOKIE}={token}"}, service.sessions.derive_csrf_token(token)
    ids = {name: value for of_kind in alices.values() for name, value in of_kind.items()}
    assert guarded.nobody.get("/studio", headers=session).status_code == 200
    for method, path in all_requests():
        if path.startswith(PAGES) and parameters(path) - PLACES:
            edit = alices["/v1/photos" if "{photo_id}" in path else SETS]["edit_id"]
            filled = path.format(**ids | {"edit_id": edit})
            answer = guarded.nobody.request(method, filled, headers=session, data={"csrf": csrf})
            assert answer.status_code == 404, (method, path, answer.text)


def test_what_belongs_to_another_owner_is_in_no_list(guarded: Guarded, alices: dict[str, dict[str, str]]) -> None:
    with caller(guarded.app, guarded.url, "frank") as frank:
        for path, known in ((SETS, "set_id"), ("/v1/jobs", "job_id"), ("/v1/photos", "photo_id")):
            assert frank.get(path).json()["items"] == []
            assert alices[path][known] in [
                item["id"] for item in guarded.alice.get(f"{path}?limit=100").json()["items"]
            ]
        photos = {"photos": [alices["/v1/photos"]["photo_id"], photograph(guarded, "frank")]}
        assert frank.post("/v1/stimuli", json=photos).status_code == 404


def test_an_edit_of_a_shared_image_is_the_one_owners(guarded: Guarded) -> None:
    made = guarded.make(guarded.alice, seed=40)
    guarded.make(guarded.bob, seed=40)
    edits = f"{SETS}/{made['id']}/images/0/edits"
    edit = an_edit(guarded, "alice", SyntheticFace(made["id"], 0))
    assert [item["id"] for item in guarded.alice.get(edits).json()["items"]] == [edit]
    assert guarded.bob.get(edits).json()["items"] == []
    for path in (edit, f"{edit}/image.png", f"{edit}/before.png"):
        assert guarded.bob.get(f"{edits}/{path}").status_code == 404
    assert guarded.alice.get(f"{SETS}/{made['id']}/images/1/edits/{edit}").status_code == 404


def test_two_owners_of_one_set_both_see_it_and_it_is_rendered_once(guarded: Guarded) -> None:
    body, before = SMALL | {"seed": 50, "count": 20}, guarded.model.rendered
    first, second = (http.post(SETS, json=body).json() for http in (guarded.alice, guarded.bob))
    assert first["id"] == second["id"]
    for http in (guarded.alice, guarded.bob):
        assert http.post(SETS, json=body, headers={"Prefer": "wait=60"}).status_code == 200
        assert first["id"] in [item["id"] for item in http.get(f"{SETS}?limit=100").json()["items"]]
        assert http.get(f"{SETS}/{first['id']}/images/99").status_code == 200
        http.get(f"{first['links']['job']}/events")  # until it has ended, a moment after its set is complete
        assert http.get(first["links"]["job"]).json()["state"] == "done"
    assert guarded.model.rendered == before + 100


def test_one_owner_does_not_stop_what_another_asked_for_too(guarded: Guarded) -> None:
    body = SMALL | {"seed": 60, "count": 40}
    guarded.model.chunk_s = 1.0
    try:
        job = guarded.alice.post(SETS, json=body).json()["links"]["job"]
        theirs = guarded.bob.post(SETS, json=body).json()["links"]["self"]
        answer = guarded.bob.post(f"{job}/cancel").json()
        assert (answer["state"], answer["detached"]) == ("cancelled", True)
        assert guarded.bob.get(theirs).status_code == 404
    finally:
        guarded.model.chunk_s = 0.0
    assert guarded.alice.post(SETS, json=body, headers={"Prefer": "wait=60"}).json()["links"]["job"] == job
    guarded.alice.get(f"{job}/events")  # until it has ended, a moment after its set is complete
    assert guarded.alice.get(job).json()["state"] == "done"


@of_sqlite
def test_a_key_is_nowhere_in_the_clear(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    keys = guarded.app.state.service.api_keys
    secret, known = keys.create("grace", list(Scope))
    bearer = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "the-idempotency-key"}
    with caplog.at_level(logging.DEBUG):
        assert guarded.nobody.post(SETS, json=SMALL | {"seed": 70}, headers=bearer).status_code in (200, 202)
        answers = [
            guarded.nobody.get(path, headers=bearer)
            for path in ("/v1/jobs", "/v1/photos/none", "/nothing", "/v1/models")
        ]
        keys.revoke(known.id)
        answers.append(guarded.nobody.get("/v1/models", headers=bearer))
    assert answers[-1].status_code == 401
    assert "gestaltgen.requests" in {record.name for record in caplog.records}
    body = secret.removeprefix("gestaltgen_")
    assert body not in caplog.text
    assert not any(body in answer.text for answer in answers)
    kept = b"".join(path.read_bytes() for path in guarded.state.rglob("*") if path.is_file())
    assert known.id.encode() in kept
    assert b"grace" in kept
    assert body.encode() not in kept
    assert b"the-idempotency-key" not in kept


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.168.1.7", "example.org", ""])
def test_without_keys_only_this_machine_is_let_in(host: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        Settings(state=tmp_path, host=host, without_keys=True)
    assert not Settings(state=tmp_path, host=host).without_keys
    for loopback in ("127.0.0.1", "::1", "localhost"):
        assert Settings(state=tmp_path, host=loopback, without_keys=True).without_keys


def test_serve_refuses_to_let_everybody_in(tmp_path: Path) -> None:
    options = ["serve", "--without-keys", "--host", EVERYWHERE, "--state", str(tmp_path / "state")]
    result = CliRunner().invoke(main.app, options)
    assert result.exit_code == 2
    assert EVERYWHERE in result.stderr
    assert not (tmp_path / "state").exists()
