"""Every page of the studio: accessible, without errors of the browser, at rest while it loads, readable when narrow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page

from experiments.studio.screenshots import list_pages
from tests.api.lab import Lab
from tests.studio_browser.conftest import (
    NARROW,
    WIDE,
    PageErrors,
    Visit,
    check_accessibility,
    check_layout,
)

RULES_OF_STYLES = ("color-contrast", "scrollable-region-focusable", "target-size")
"""Rules whose answer depends on the width of the window or on its colours."""


@pytest.mark.parametrize("path", list_pages())
def test_a_page_is_accessible_and_at_rest(
    window: Page, window_errors: PageErrors, addresses: Mapping[str, str], path: str
) -> None:
    address = addresses.get(path, path)
    answer = window.context.request.get(address)
    assert answer.ok
    if not answer.headers["content-type"].startswith("text/html"):
        pytest.skip("is a file")
    window.set_viewport_size({"width": WIDE, "height": 900})
    window.emulate_media(color_scheme="light")
    window.goto(address)
    check_layout(window)
    check_accessibility(window)
    window.set_viewport_size({"width": NARROW, "height": 900})
    window.emulate_media(color_scheme="dark")
    window.reload()
    check_layout(window)
    check_accessibility(window, *RULES_OF_STYLES)
    assert window_errors.take() == []


def test_times_are_shown_in_the_zone_of_the_reader(lab: Lab, visit: Visit, addresses: Mapping[str, str]) -> None:
    path = addresses["/studio/photographs/{photo_id}"]
    text = {}
    for zone, script in (("Asia/Kolkata", True), ("Asia/Kolkata", False)):
        page = visit(lab.http, path, timezone_id=zone, java_script_enabled=script)
        [first, *_] = page.locator("time").all()
        text[script] = first.inner_text()
        if script:
            check_layout(page)
    assert text[False].endswith(" UTC")
    assert text[True].endswith(" GMT+5:30")
    shown, utc = (datetime.strptime(text[script][:16], "%Y-%m-%d %H:%M") for script in (True, False))
    assert shown - utc == timedelta(hours=5, minutes=30)


@pytest.mark.parametrize("path", ["/studio/sign-in", "/studio/nothing-is-here"])
def test_pages_for_strangers_and_of_problems_are_accessible(lab: Lab, visit: Visit, path: str) -> None:
    page = visit(None if path == "/studio/sign-in" else lab.http, path, NARROW, color_scheme="dark")
    check_layout(page)
    check_accessibility(page)
