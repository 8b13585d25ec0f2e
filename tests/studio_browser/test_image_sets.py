"""Image sets in a browser: from a form to a sheet, with scripts and without."""

from __future__ import annotations

from tests.api.lab import Lab
from tests.studio_browser.conftest import Visit


def test_a_form_says_what_it_takes_and_leads_to_the_sheet(lab: Lab, visit: Visit) -> None:
    page = visit(lab.http, "/studio/image-sets/new/age_progression")
    page.get_by_label("Persons with each condition").fill("1")
    page.get_by_text("15 images").wait_for()
    page.get_by_label("Williams syndrome").uncheck()
    page.get_by_text("10 images").wait_for()
    page.get_by_text("The same request for programs").click()
    assert '"count": 1' in page.locator("#code-curl").inner_text()
    page.get_by_role("button", name="Copy").first.wait_for()
    page.get_by_role("button", name="Make the images").click()
    page.get_by_role("table").wait_for(timeout=120_000)  # the events of its job have ended
    page.get_by_alt_text("synthetic face, 22q11DS, child, person 1").click()
    page.get_by_role("button", name="Edit the face").first.wait_for()


def test_forms_and_sheets_need_no_scripts(lab: Lab, visit: Visit) -> None:
    page = visit(lab.http, "/studio/image-sets/new/unrelated", java_script_enabled=False)
    page.get_by_label("Williams syndrome").uncheck()
    page.get_by_role("button", name="What would it take?").click()
    page.get_by_text("40 images").wait_for()
    assert not page.get_by_label("Williams syndrome").is_checked()
    with page.expect_navigation():
        page.get_by_role("button", name="Make the images").click()
    lab.finished(page.url.replace("/studio", "/v1"))
    page.reload()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")
