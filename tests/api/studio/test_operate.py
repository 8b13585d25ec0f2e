"""Pages of jobs, models, conditions and the service."""

from __future__ import annotations

import re

import pytest

from api.access.api_keys import Scope
from api.access.ownership import Kind
from api.access.tenants import TenantLimits
from api.operations.clock import now_ms
from api.photographs.records import EditRecord, FaceReference, PhotographFace, SyntheticFace, new_id
from tests.api.studio.conftest import Studio, csrf_of


def test_a_job_is_listed_followed_and_cancelled(studio: Studio) -> None:
    http = studio.visit(studio.key)
    assert "There are no jobs yet" in http.get("/studio/jobs").text
    [model] = [studio.service.worker.models.default]
    model.chunk_s = 1.0  # type: ignore[attr-defined]
    try:
        asked = {"kind": "unrelated", "conditions": ["WS"], "count": 20}
        answer = http.post("/v1/image-sets", json=asked, headers={"Authorization": f"Bearer {studio.key}"}).json()
        job = answer["links"]["job"].rpartition("/")[2]
        assert f"/studio/jobs/{job}" in http.get("/studio/jobs").text
        page = http.get(f"/studio/jobs/{job}").text
        assert f'data-events="/v1/jobs/{job}/events"' in page
        assert f"/studio/image-sets/{answer['id']}" in page
        ended = http.post(f"/studio/jobs/{job}/cancel", data={"csrf": csrf_of(page)})
    finally:
        model.chunk_s = 0.0  # type: ignore[attr-defined]
    assert ended.url.path == f"/studio/jobs/{job}"
    assert "cancelled" in ended.text
    assert "data-events" not in ended.text


@pytest.mark.parametrize(
    ("face", "page"),
    [(PhotographFace("p1"), "/studio/photographs/p1"), (SyntheticFace("s1", 3), "/studio/image-sets/s1/images/3")],
)
def test_a_job_that_failed_says_why_and_leads_to_what_it_works_on(
    studio: Studio, face: FaceReference, page: str
) -> None:
    service, http, edit = studio.service, studio.visit(studio.key), new_id()
    service.edits.add(EditRecord(edit, "lab", face, {"smile": 0.2}, now_ms()))
    service.ownership.give(edit, Kind.EDIT, "lab")
    job = service.jobs.submit(Kind.EDIT, edit, 1, "lab")
    http.get(f"/v1/jobs/{job.id}/events")  # until it has ended
    shown = http.get(f"/studio/jobs/{job.id}").text
    assert "failed" in shown
    assert 'role="alert"' in shown
    assert f'href="{page}/edits/{edit}"' in shown


def test_older_jobs_are_on_further_pages(studio: Studio) -> None:
    http = studio.visit(studio.other)
    for seed in range(3):
        asked = {"kind": "unrelated", "conditions": ["WS"], "count": 1, "seed": seed}
        http.post("/v1/image-sets", json=asked, headers={"Authorization": f"Bearer {studio.other}"})
    seen = []
    path = "/studio/jobs?limit=1"
    while path:
        page = http.get(path).text
        seen += re.findall(r"/studio/jobs/(\S+?)\"", page)
        older = re.search(r'href="(/studio/jobs\?[^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert len(seen) == len(set(seen)) == 3


def test_cards_are_rendered_without_html_of_theirs(studio: Studio) -> None:
    http = studio.visit(studio.sets_only)
    page = http.get("/studio/models").text
    assert "/studio/models/fake" in page
    assert "Models of syndromes" not in page
    page = http.get("/studio/models/fake").text
    assert "<h2>Fake</h2>" in page
    assert "<script>alert" not in page
    assert 'href="https://example.org/"' in page
    assert "f" * 64 in page
    assert http.get("/studio/models/none").status_code == 404
    assert http.get("/studio/models/syndromes/KdVS").status_code == 403
    assert http.get("/v1/models/fake/cards").json()["cards"]["generator"].startswith("# Fake")


def test_conditions_are_found_by_name_identifier_gene_and_feature(studio: Studio) -> None:
    http = studio.visit(studio.sets_only)
    for query in ("williams", "OMIM:194050", "Long philtrum"):
        assert "Williams syndrome" in http.get("/studio/conditions", params={"q": query}).text
    answer = http.get("/studio/conditions", params={"q": "<b>nothing"})
    assert answer.status_code == 200
    assert "<b>nothing" not in answer.text
    page = http.get("/studio/conditions/WS").text
    assert "HP:0000343" in page
    assert "OMIM:194050" in page
    assert http.get("/studio/conditions/none").status_code == 404


def test_the_service_says_what_is_stored_and_allowed(studio: Studio) -> None:
    studio.service.tenants.set("limited", TenantLimits(stored_mb=5, images_waiting=123))
    secret, _ = studio.service.api_keys.create("limited", [Scope.IMAGE_SETS])
    page = studio.visit(secret).get("/studio/service").text
    assert "The service is ready" in page
    assert "5.0 MB" in page
    assert "123" in page


def test_administrators_make_and_revoke_keys_and_limit_owners(studio: Studio) -> None:
    secret, _ = studio.service.api_keys.create("office", [Scope.ADMIN])
    http = studio.visit(secret)
    home = http.get("/studio").text
    assert "/studio/keys" in home
    assert "/studio/jobs" not in home
    csrf = csrf_of(http.get("/studio/keys").text)
    refused = http.post("/studio/keys", data={"csrf": csrf, "owner": "<b>", "ttl_s": ""})
    assert refused.status_code == 422
    assert 'id="owner-error"' in refused.text
    assert "scopes-error" in refused.text
    assert "<b>" not in refused.text
    asked = {"csrf": csrf, "owner": "guest", "scopes": ["image-sets", "photos"], "ttl_s": "86400"}
    made = re.search(r"gestaltgen_[\w-]{43}", http.post("/studio/keys", data=asked).text)
    assert made
    caller = studio.service.api_keys.find_caller(made[0])
    assert caller
    assert caller.owner == "guest"
    assert caller.scopes == {Scope.IMAGE_SETS, Scope.PHOTOS}
    assert made[0] not in http.get("/studio/keys").text
    assert http.post(f"/studio/keys/{caller.key}/revoke", data={"csrf": csrf}).url.path == "/studio/keys"
    assert studio.service.api_keys.find_caller(made[0]) is None
    assert "guest" in http.get("/studio/tenants").text
    wrong = http.post("/studio/tenants/guest", data={"csrf": csrf, "stored_mb": "much"})
    assert wrong.status_code == 422
    assert "stored_mb-error" in wrong.text
    http.post("/studio/tenants/guest", data={"csrf": csrf, "stored_mb": "12", "models": "fake, other"})
    assert studio.service.tenants.list_all()["guest"] == TenantLimits(stored_mb=12, models=("fake", "other"))
    assert "fake, other" in http.get("/studio/tenants/guest").text


def test_others_manage_no_keys(studio: Studio) -> None:
    http = studio.visit(studio.key)
    page = http.get("/studio/service").text
    assert "/studio/keys" not in page
    for path in ("/studio/keys", "/studio/tenants", "/studio/tenants/lab"):
        assert http.get(path).status_code == 403
        assert http.post(path, data={"csrf": csrf_of(page)}).status_code in (403, 405)
