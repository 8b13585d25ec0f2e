"""Every page of the studio: accessible, without errors of the browser, at rest while it loads, readable when narrow."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from fastapi.routing import iter_route_contexts

from api.studio.application import list_studio_routes
from api.studio.quiz_runs import QuizRun
from tests.api.lab import WAIT, Lab, good
from tests.studio_browser.conftest import NARROW, Visit, check_accessibility, check_layout

SET = {"kind": "age_progression", "conditions": ["WS", "unaffected"], "count": 1, "seed": 5}

PAGES = [
    route.path
    for route in iter_route_contexts(list_studio_routes())
    if route.path and "GET" in (route.methods or ()) and "{path:path}" not in route.path
]
"""Paths of all pages, and of files that pages refer to, with parameters in braces."""


@pytest.fixture(scope="module")
def addresses(lab: Lab) -> Mapping[str, str]:
    """An address for each path with parameters, at which there is something to see."""
    image_set = good(lab.http.post("/v1/image-sets", json=SET, headers=WAIT))["id"]
    image_edits = f"/image-sets/{image_set}/images/1/edits"
    image_edit = good(lab.http.post(f"/v1{image_edits}", json={"smile": 0.8}, headers=WAIT))
    photo, erased = lab.photo(0), lab.photo(1)
    edit = good(lab.edit(photo, smile=0.8))["id"]
    good(lab.http.delete(f"/v1/photos/{erased}"))
    run = QuizRun([image_set], 2, 0, after_each=False, confidence=True, answers=[(0, 5), (0, 1)])
    quiz = lab.service.quiz_tokens.seal(run.to_json())
    face = {"face": {"photo": photo}, "methods": ["gradient", "gradcam"]}
    explanation = good(lab.http.post("/v1/explanations", json=face, headers=WAIT))["id"]
    asked = {"photo": photo, "syndrome": "KdVS", "age": 60}
    assessment = good(lab.http.post("/v1/assessments", json=asked, headers=WAIT))["id"]
    pack = good(lab.pack(photo, lab.photo(2)))["id"]
    return {
        "/studio/studies/{pack_id}": f"/studio/studies/{pack}",
        "/studio/explanations/sets/{set_id}": f"/studio/explanations/sets/{image_set}",
        "/studio/explanations/sets/{set_id}/images/{n}": f"/studio/explanations/sets/{image_set}/images/0",
        "/studio/explanations/photographs/{photo_id}": f"/studio/explanations/photographs/{photo}",
        "/studio/explanations/{explanation_id}": f"/studio/explanations/{explanation}",
        "/studio/assessments/photographs/{photo_id}": f"/studio/assessments/photographs/{photo}",
        "/studio/assessments/{assessment_id}": f"/studio/assessments/{assessment}",
        "/studio/photographs/{photo_id}": f"/studio/photographs/{photo}",
        "/studio/photographs/{photo_id}/edits/{edit_id}": f"/studio/photographs/{photo}/edits/{edit}",
        "/studio/photographs/{photo_id}/accesses": f"/studio/photographs/{photo}/accesses",
        "/studio/photographs/{photo_id}/receipt": f"/studio/photographs/{erased}/receipt",
        "/studio/image-sets/new/{kind}": "/studio/image-sets/new/blended",
        "/studio/image-sets/{set_id}": f"/studio/image-sets/{image_set}",
        "/studio/image-sets/{set_id}/images/{n}": f"/studio/image-sets/{image_set}/images/1",
        "/studio/image-sets/{set_id}/images/{n}/edits/{edit_id}": f"/studio{image_edits}/{image_edit['id']}",
        "/studio/teach/sheet/{set_id}": f"/studio/teach/sheet/{image_set}",
        "/studio/teach/quiz/{set_id}": f"/studio/teach/quiz/{image_set}",
        "/studio/teach/run": f"/studio/teach/run?at={quiz}",
        "/studio/teach/run/answers.csv": f"/studio/teach/run/answers.csv?at={quiz}",
        "/studio/teach/run/picture": f"/studio/teach/run/picture?of={lab.service.quiz_tokens.seal([image_set, 0])}",
        "/studio/jobs/{job_id}": image_edit["links"]["job"].replace("/v1", "/studio"),
        "/studio/models/{name}": "/studio/models/phantom128",
        "/studio/models/syndromes/{name}": "/studio/models/syndromes/KdVS",
        "/studio/conditions/{name:path}": "/studio/conditions/WS",
    }


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_and_does_not_move(
    lab: Lab, visit: Visit, addresses: Mapping[str, str], path: str
) -> None:
    address = addresses[path] if "{" in path else addresses.get(path, path)
    page = visit(lab.http, "/studio/static/icon.svg")
    answer = page.context.request.get(address)
    assert answer.ok
    if not answer.headers["content-type"].startswith("text/html"):
        pytest.skip("is a file")
    page.goto(address)
    check_layout(page)
    check_accessibility(page)
    page.set_viewport_size({"width": NARROW, "height": 800})
    page.emulate_media(color_scheme="dark")
    page.reload()
    check_layout(page)
    check_accessibility(page)


@pytest.mark.parametrize("path", ["/studio/sign-in", "/studio/nothing-is-here"])
def test_pages_that_are_not_asked_for_are_accessible(lab: Lab, visit: Visit, path: str) -> None:
    whose = None if path == "/studio/sign-in" else lab.http
    page = visit(whose, path, width=NARROW, color_scheme="dark")
    check_layout(page)
    check_accessibility(page)
