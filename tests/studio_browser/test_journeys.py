"""Ways through the studio from the first page to what somebody came for."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from playwright.sync_api import Locator, Page, expect

from tests.api.lab import Lab, phantom
from tests.studio_browser.conftest import Visit, check_accessibility, key_of


def test_an_educator_makes_a_sheet_from_an_empty_service(lab: Lab, visit: Visit) -> None:
    page = visit(lab.other)
    choose(page, "Image sets")
    page.get_by_role("link", name="Make an image set").click()
    page.get_by_role("main").locator("a[href$='/new/age_progression']").click()
    page.get_by_label("Persons with each condition").fill("1")
    page.get_by_role("button", name="Make the images").click()
    faces = page.get_by_alt_text("synthetic face, WS")
    expect(faces.first).to_have_js_property("naturalWidth", 128, timeout=60_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF")


def test_a_researcher_makes_a_pack_of_photographs(lab: Lab, visit: Visit) -> None:
    page = visit(lab.http)
    page.set_default_timeout(60_000)
    for n, condition in enumerate(("WS", "unaffected")):
        choose(page, "Photographs")
        page.get_by_role("link", name="Send a photograph").first.click()
        page.get_by_label("Photograph", exact=True).set_input_files(
            {"name": "a.png", "mimeType": "image/png", "buffer": phantom(n)}
        )
        page.get_by_label("Consent", exact=True).fill(f"form {n}")
        page.get_by_label("Purpose").fill("survey stimuli")
        page.get_by_label("Your name for it").fill(f"journey-{condition}")
        page.get_by_text("Method, and a face that was missed").click()
        page.get_by_label("is an aligned square already").check()
        page.get_by_role("button", name="Send").click()
        page.get_by_alt_text("as the generator reproduces it").wait_for()
    page.goto("/studio/studies/new")
    for condition in ("WS", "unaffected"):
        photo = page.get_by_role("listitem").filter(has_text=f"journey-{condition}")
        photo.get_by_role("checkbox").check()
        photo.get_by_label("Group").fill(condition)
    page.get_by_label("Keep faces whose reconstruction or edit is doubtful").check()
    page.get_by_role("button", name="Make the pack").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the pack").click()
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as pack:
        assert any(name.startswith("key/") or "/key/" in name for name in pack.namelist())


def test_a_doctor_assesses_a_photograph(lab: Lab, visit: Visit, addresses: Mapping[str, str]) -> None:
    page = visit(lab.http)
    choose(page, "Assessments")
    page.locator(f"a[href='{addresses['/studio/assessments/photographs/{photo_id}']}']").first.click()
    page.get_by_label("Syndrome", exact=True).select_option("KdVS")
    page.get_by_label("Sex").select_option("female")
    page.get_by_label("Age in years").fill("6")
    page.get_by_role("button", name="Assess").click()
    page.get_by_text("Probability by model").wait_for()
    expect(page.get_by_text("no diagnosis").first).to_be_visible()
    check_accessibility(page)


def test_the_keyboard_alone_signs_in_and_makes_images(lab: Lab, visit: Visit) -> None:
    page = visit(None)
    go_to(page, page.get_by_label("API key"))
    page.keyboard.type(key_of(lab.other))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").wait_for()
    for href in ("/studio/image-sets", "/studio/image-sets/new", "/studio/image-sets/new/average"):
        go_to(page, page.locator(f"main a[href='{href}']").first)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{href}")
    go_to(page, page.get_by_label("Williams syndrome").first)
    page.keyboard.press("Space")
    go_to(page, page.get_by_role("button", name="Make the images"))
    page.keyboard.press("Enter")
    expect(page.get_by_alt_text("synthetic face").first).to_have_js_property("naturalWidth", 128, timeout=60_000)


def choose(page: Page, part: str) -> None:
    """Go to a part of the studio by the navigation."""
    page.get_by_role("navigation").get_by_role("link", name=part, exact=True).click()


def go_to(page: Page, control: Locator) -> None:
    """Press the Tab key until a control has the focus, which has to be seen."""
    for _ in range(80):
        if control.evaluate("one => one === document.activeElement"):
            assert control.evaluate("one => getComputedStyle(one).outlineStyle !== 'none'")
            return
        page.keyboard.press("Tab")
    raise AssertionError("the keyboard does not reach it")
