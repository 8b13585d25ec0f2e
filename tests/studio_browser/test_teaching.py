"""A quiz in a browser: set up, taken with the keyboard to its result, and accessible on the way."""

from __future__ import annotations

from tests.api.lab import Lab
from tests.studio_browser.conftest import NARROW, Visit, check_accessibility, check_layout


def test_a_quiz_is_taken_with_the_keyboard(lab: Lab, visit: Visit) -> None:
    page = visit(lab.sets_only, "/studio/teach/quiz")
    page.get_by_label("Number of questions").fill("2")
    for name in ("other genetic condition", "unaffected", "infant", "child", "adolescent", "young adult"):
        page.get_by_label(name, exact=True).uncheck()
    page.get_by_role("button", name="Make the quiz").press("Enter")
    page.get_by_role("link", name="Begin").press("Enter")
    for number in (1, 2):
        page.get_by_role("heading", name=f"Picture {number} of 2").wait_for()
        check_layout(page)
        check_accessibility(page)
        page.get_by_label("Williams syndrome").press("Space")
        page.get_by_label("a guess").press("Space")
        page.get_by_role("button", name="Answer").press("Enter")
        page.get_by_role("img", name="average synthetic face").first.wait_for()
        check_accessibility(page)
        page.get_by_role("link", name="Next picture" if number == 1 else "To the result").first.press("Enter")
    page.get_by_text("1 of 2 right").wait_for()
    page.set_viewport_size({"width": NARROW, "height": 800})
    page.reload()
    check_layout(page)
    check_accessibility(page)
