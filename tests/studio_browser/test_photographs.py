"""Photographs with a browser: sent, compared with their edit, and erased, with and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.api.lab import Lab, phantom
from tests.studio_browser.conftest import Visit, check_accessibility


@pytest.mark.parametrize("javascript", [True, False])
def test_a_photograph_is_sent_edited_and_erased(lab: Lab, visit: Visit, javascript: bool) -> None:
    page = visit(lab.http, "/studio/photographs/new", java_script_enabled=javascript)
    page.set_default_timeout(90_000)
    page.get_by_label("Photograph", exact=True).set_input_files(
        {"name": "Anna Schmidt.png", "mimeType": "image/png", "buffer": phantom(0)}
    )
    page.get_by_label("Consent", exact=True).fill("form 12")
    page.get_by_label("Purpose").fill("research")
    page.get_by_text("Method, and a face that was missed").click()
    page.get_by_label("is an aligned square already").check()
    page.get_by_role("button", name="Send").click()
    reproduced = page.get_by_role("heading", name="The reconstruction is good")
    if not javascript:
        lab.finished(f"/v1/photos/{page.url.rpartition('/')[2]}")
        page.reload()
    reproduced.wait_for()
    page.get_by_role("slider", name="Smile").fill("0.8")
    page.get_by_role("button", name="Edit").first.click()
    if not javascript:
        edit = page.url.partition("#")[0].partition("/photographs/")[2]
        lab.finished(f"/v1/photos/{edit}")
        page.reload()
    page.get_by_role("link", name="Download the edited face").wait_for()
    if javascript:
        expect(page.get_by_alt_text("edited")).to_have_js_property("naturalWidth", 128)
    page.get_by_text("Erase…").click()
    page.get_by_role("button", name="Erase everything").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the receipt").click()
    assert download.value.suggested_filename.startswith("receipt-")
    if javascript:
        check_accessibility(page)


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(lab: Lab, visit: Visit) -> None:
    page = visit(lab.http, "/studio/photographs/new")
    chosen = page.get_by_label("Photograph", exact=True)
    assert chosen.get_attribute("data-largest") == "20000000"
    chosen.evaluate("input => { input.dataset.largest = 1000; }")
    chosen.set_input_files({"name": "face.png", "mimeType": "image/png", "buffer": bytes(1001)})
    assert "20 MB" in chosen.evaluate("input => input.validationMessage")
    chosen.set_input_files({"name": "face.png", "mimeType": "image/png", "buffer": bytes(1000)})
    assert not chosen.evaluate("input => input.validationMessage")
