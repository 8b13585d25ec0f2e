"""Signing in and out with a browser, by keyboard and without JavaScript, and what a session is protected from."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from api.access.sessions import COOKIE
from tests.api.lab import Lab
from tests.studio_browser.conftest import Visit, check_accessibility, key_of, sign_in


@pytest.mark.parametrize("javascript", [True, False])
def test_a_key_opens_the_page_that_was_asked_for(lab: Lab, visit: Visit, javascript: bool) -> None:
    page = visit(None, "/studio?asked=1", java_script_enabled=javascript)
    sign_in(page, lab.http)
    expect(page).to_have_url(f"{lab.http.base_url}/studio")
    [cookie] = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Strict")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API key").wait_for()
    assert page.context.cookies() == []


def test_a_wrong_key_is_said_beside_its_field_which_the_keyboard_alone_reaches(lab: Lab, visit: Visit) -> None:
    page = visit(None)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type("gestaltgen_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_label("API key")).to_have_attribute("aria-invalid", "true")
    check_accessibility(page)
    page.get_by_label("API key").focus()
    page.keyboard.type(key_of(lab.http))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").wait_for()


def test_a_form_without_the_token_of_its_session_changes_nothing(lab: Lab, visit: Visit) -> None:
    page, theirs = visit(lab.http), visit(lab.other)
    foreign = theirs.locator("input[name=csrf]").first.input_value()
    for token in ("", "0" * 64, foreign):
        page.goto("/studio")
        page.evaluate("token => { for (const one of document.getElementsByName('csrf')) one.value = token; }", token)
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("alert").wait_for()
    page.goto("/studio")
    page.get_by_role("button", name="Sign out").wait_for()


def test_another_site_cannot_send_forms(lab: Lab, visit: Visit) -> None:
    page = visit(lab.http)
    token = page.locator("input[name=csrf]").first.input_value()
    form = f"""<form method="post" action="{lab.http.base_url}/studio/sign-out">
        <input name="csrf" value="{token}"><button>Go</button></form>"""
    page.route("http://elsewhere.example/", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto("http://elsewhere.example/")
    page.get_by_role("button").click()
    page.get_by_label("API key").or_(page.get_by_role("alert")).wait_for()
    page.goto("/studio")
    page.get_by_role("button", name="Sign out").wait_for()
