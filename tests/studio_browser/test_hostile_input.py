"""Markup in fields, addresses and names of files, which pages show as text and no browser runs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from playwright.sync_api import Page

from api.studio.pages import SIGN_IN
from experiments.studio.screenshots import list_pages
from tests.api.lab import Lab, good, phantom
from tests.studio_browser.conftest import PageErrors, Visit

MARKUP = """'"></textarea><img data-attack src=/studio/static/icon.svg onload=alert(1)>{{7*7}}"""
FORMS = """() => [...document.querySelectorAll("main form")].filter(
    form => form.querySelector("input:not([type=hidden]), select, textarea"))"""
"""Forms of a document that somebody can fill."""

LIST = f"""html => {{
    const document = new DOMParser().parseFromString(html, "text/html");
    return ({FORMS})().map(form => [form.getAttribute("method"), form.getAttribute("action"),
        ...new Set([...form.elements].map(one => `${{one.tagName}} ${{one.type}} ${{one.name}}`))].join("\\n"));
}}"""
FILL_AND_SUBMIT = f"""([index, markup]) => {{
    const form = ({FORMS})()[index];
    for (const one of form.elements) {{
        if (one.type === "file" || ["csrf", "once"].includes(one.name)) continue;
        if (one.tagName === "SELECT") one.add(new Option(markup, markup, true, true));
        else if (one.tagName !== "BUTTON" && one.tagName !== "FIELDSET") {{ one.type = "text"; one.value = markup; }}
    }}
    HTMLFormElement.prototype.submit.call(form);
}}"""


def check_harmless(page: Page) -> None:
    """Check that a page has no element of the markup."""
    assert page.locator("[data-attack]").count() == 0, page.url


def test_markup_in_every_field_of_every_form_stays_text(
    window: Page, window_errors: PageErrors, addresses: Mapping[str, str]
) -> None:
    seen: set[str] = set()
    for path in list_pages():
        if path == SIGN_IN:
            continue  # it would sign out
        address = addresses.get(path, path)
        answer = window.context.request.get(address)
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        for index, form in enumerate(window.evaluate(LIST, answer.text())):
            if identify(form) in seen:
                continue
            seen.add(identify(form))
            window.goto(address)
            check_harmless(window)
            with window.expect_navigation() as navigation:
                window.evaluate(FILL_AND_SUBMIT, [index, MARKUP])
            assert navigation.value.status < 500, (address, form)
            check_harmless(window)
    assert len(seen) >= 15
    assert not [message for message in window_errors.take() if "Content Security" in message]


def identify(form: str) -> str:
    """Return what a form has in common with the same one on another page: all but ids in its address."""
    return re.sub(r"[0-9a-f]{32}", "", form)


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
