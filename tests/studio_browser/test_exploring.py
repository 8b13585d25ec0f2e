"""Sliders: the face follows them, fast changes do not pile up, and without a script a button draws the face."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.api.lab import Lab
from tests.studio_browser.conftest import NARROW, Visit, check_accessibility, check_layout

WAIT_MS = 30_000
SHOWN = "/studio/explore?condition=WS&years=6&seed=7&other=8"


def test_the_face_follows_a_slider_and_fast_changes_do_not_pile_up(lab: Lab, visit: Visit) -> None:
    page = visit(lab.sets_only, SHOWN)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/face" in request.url else None)
    page.get_by_label("Age").evaluate(
        """slider => { for (slider.value = 10; slider.value < 50; slider.stepUp())
            slider.dispatchEvent(new Event("input", {bubbles: true})); }"""
    )
    expect(page.get_by_role("img", name="49 years (older adult)")).to_be_visible(timeout=WAIT_MS)
    assert "years=49" in page.url
    assert {re.findall(r"years=(\d+)", url)[0] for url in asked} == {"10", "49"}

    page.get_by_label("Two persons side by side").check()
    page.get_by_label("The same person without the condition").check()
    expect(page.get_by_role("img", name="unaffected")).to_have_count(2, timeout=WAIT_MS)
    page.get_by_role("button", name="Another person").click()
    expect(page.get_by_label("Number of the person")).not_to_have_value("7", timeout=WAIT_MS)
    check_accessibility(page)

    page.get_by_label("Number of the person").fill("12")
    page.get_by_label("Number of the person").press("Enter")
    expect(page.get_by_role("img", name="Person 12").first).to_be_visible(timeout=WAIT_MS)
    assert "seed=12&" in page.url


def test_a_choice_by_arrow_keys_acts_when_it_is_settled(lab: Lab, visit: Visit) -> None:
    page = visit(lab.sets_only, "/studio/explore?model=phantom128&seed=7&other=8")
    generator = page.get_by_label("Generator")
    generator.focus()
    generator.evaluate("select => select.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown'}))")
    generator.evaluate("select => { select.selectedIndex = 1; select.dispatchEvent(new Event('change')); }")
    page.get_by_label("Age").press("ArrowRight")  # as the focus leaves the choice, it is settled
    page.wait_for_url("**model=portraits128**", timeout=WAIT_MS)


def test_on_a_narrow_screen_the_face_stays_in_sight(lab: Lab, visit: Visit) -> None:
    page = visit(lab.sets_only, SHOWN, NARROW)
    page.get_by_label("Variety").press("ArrowLeft")
    page.wait_for_url("**truncation=0.5**", timeout=WAIT_MS)
    expect(page.get_by_role("img", name="Person 7")).to_be_in_viewport(ratio=1)
    check_layout(page)
    page.get_by_label("Two persons side by side").check()
    expect(page.get_by_label("Number of the second person")).to_be_visible()
    expect(page.get_by_role("img", name="Person 8")).to_be_in_viewport(ratio=1, timeout=WAIT_MS)

    page.get_by_text("Menu: Explore one person").click()
    check_accessibility(page)
    page.get_by_role("navigation").get_by_role("link", name="Service").click()
    page.get_by_text("Menu: Service").wait_for()


def test_without_a_script_a_button_draws_the_face(lab: Lab, visit: Visit) -> None:
    page = visit(lab.sets_only, SHOWN, java_script_enabled=False)
    page.get_by_label("Age").press("ArrowRight")
    page.get_by_role("button", name="Draw").click()
    expect(page.get_by_role("img", name="7 years (child)")).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("button", name="Keep as an image set").click()
    expect(page.get_by_role("status").filter(has_text="Kept")).to_be_visible(timeout=WAIT_MS)
