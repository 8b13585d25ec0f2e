"""Markup in fields, addresses and names of files, which pages show as text and no browser runs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from playwright.sync_api import Page

from experiments.studio.screenshots import list_pages
from tests.api.lab import Lab, good, phantom
from tests.studio_browser.conftest import PageErrors, Visit

MARKUP = """'"></textarea><img data-attack src=/studio/static/icon.svg onload=alert(1)>{{7*7}}"""
FORMS = """forms => forms.filter(form => form.querySelector("input:not([type=hidden]), select, textarea")).length"""
FILL = """([index, markup]) => {
    const form = [...document.querySelectorAll("main form")]
        .filter(form => form.querySelector("input:not([type=hidden]), select, textarea"))[index];
    for (const one of form.elements) {
        if (one.type === "file" || ["csrf", "once"].includes(one.name)) continue;
        if (one.tagName === "SELECT") one.add(new Option(markup, markup, true, true));
        else if (one.tagName !== "BUTTON" && one.tagName !== "FIELDSET") { one.type = "text"; one.value = markup; }
    }
    form.noValidate = true;
}"""


def check_harmless(page: Page) -> None:
    """Check that a page has no element of the markup."""
    assert page.locator("[data-attack]").count() == 0, page.url


@pytest.mark.parametrize("path", [path for path in list_pages() if path != "/studio/sign-in"])
def test_markup_in_every_field_of_every_form_stays_text(
    window: Page, window_errors: PageErrors, addresses: Mapping[str, str], path: str
) -> None:
    page, address = window, addresses.get(path, path)
    if "text/html" not in page.context.request.get(address).headers["content-type"]:
        pytest.skip("is a file")
    page.goto(address)
    for index in range(page.locator("main form").evaluate_all(FORMS)):
        page.goto(address)
        page.evaluate(FILL, [index, MARKUP])
        with page.expect_navigation():
            page.evaluate(
                """index => HTMLFormElement.prototype.submit.call([...document.querySelectorAll("main form")].filter(
                    form => form.querySelector("input:not([type=hidden]), select, textarea"))[index])""",
                index,
            )
        check_harmless(page)
    assert not [message for message in window_errors.take() if "Content Security" in message]


def test_markup_in_names_stays_text_on_every_page_that_shows_them(lab: Lab, visit: Visit) -> None:
    sent = good(lab.send(phantom(0), {"Reference": MARKUP[:100], "Purpose": MARKUP, "Consent-Reference": MARKUP}))
    photo = sent["id"]
    page = visit(lab.http)
    for path in (
        "photographs",
        f"photographs/{photo}",
        f"photographs/{photo}/accesses",
        "studies/new",
        "explanations",
        "assessments",
        f"assessments/photographs/{photo}",
        f"conditions?q={MARKUP}",
        f"image-sets?page={MARKUP}",
        f"explore?condition={MARKUP}&years=5",
    ):
        page.goto(f"/studio/{path}")
        check_harmless(page)
    good(lab.http.delete(f"/v1/photos/{photo}"))
