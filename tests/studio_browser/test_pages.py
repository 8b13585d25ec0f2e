"""Every page of the studio: accessible, without errors of the browser, at rest while it loads, readable when narrow."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from fastapi.routing import iter_route_contexts

from api.studio.application import list_studio_routes
from tests.api.lab import Lab
from tests.studio_browser.conftest import NARROW, Visit, check_accessibility, check_layout

PAGES = [
    route.path
    for route in iter_route_contexts(list_studio_routes())
    if route.path and "GET" in (route.methods or ()) and "{path:path}" not in route.path
]
"""Paths of all pages, and of files that pages refer to, with parameters in braces."""


@pytest.fixture(scope="module")
def things(lab: Lab) -> Mapping[str, str]:
    """What the pages are shown with: value of each parameter of their paths."""
    return {}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_and_does_not_move(lab: Lab, visit: Visit, things: Mapping[str, str], path: str) -> None:
    address = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: things[found[1]], path)
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
