"""Sessions of the studio: they begin with a key, end with it, and no other site can use them."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from api.access.api_keys import Scope
from api.access.sessions import COOKIE, LIFETIME
from api.access.tickets import LIFETIME as TICKET_LIFETIME
from api.operations import clock
from tests.api.studio.conftest import Studio, csrf_of


def test_a_key_opens_a_session_and_the_cookie_is_kept_from_scripts_and_other_sites(studio: Studio) -> None:
    with httpx.Client(base_url=studio.url) as http:
        answer = http.post("/studio/sign-in", data={"key": f" {studio.key}\n", "next": "/studio?a=1"})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/studio?a=1")
        attributes = answer.headers["Set-Cookie"].lower()
        assert "httponly" in attributes
        assert "samesite=strict" in attributes
        assert studio.key not in attributes
        page = http.get("/studio")
        assert page.status_code == 200
        assert "lab" in page.text
        assert page.headers["Cache-Control"] == "no-store"
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy


def test_a_wrong_key_is_refused_beside_its_field(studio: Studio) -> None:
    answer = httpx.post(f"{studio.url}/studio/sign-in", data={"key": "gestaltgen_<b>wrong</b>"})
    assert answer.status_code == 422
    assert 'aria-describedby="key-hint key-error"' in answer.text
    assert "<b>wrong" not in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("page", ["/studio", "/studio/anything"])
def test_without_a_session_a_page_leads_to_the_one_to_sign_in(studio: Studio, page: str) -> None:
    answer = httpx.get(studio.url + page)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/studio/sign-in")


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example/studio", "//elsewhere.example", "/v1/jobs", "/studio\\@x"]
)
def test_signing_in_leads_to_pages_of_the_studio_only(studio: Studio, target: str) -> None:
    answer = httpx.post(f"{studio.url}/studio/sign-in", data={"key": studio.key, "next": target})
    assert answer.headers["Location"] == "/studio"


def test_a_session_reads_the_routes_of_programs_and_changes_nothing_there(studio: Studio) -> None:
    http = studio.visit(studio.key)
    assert http.get("/v1/image-sets").status_code == 200
    assert http.post("/v1/image-sets", json={"kind": "age_progression"}).status_code == 401
    assert studio.visit(studio.sets_only).get("/v1/syndromes").status_code == 403


def test_a_session_ends_with_its_key_with_its_time_and_when_its_owner_signs_out(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, record = studio.service.api_keys.create("lab", [Scope.IMAGE_SETS])
    http = studio.visit(secret)
    assert "Sign out" in http.get("/studio").text
    studio.service.api_keys.revoke(record.id)
    assert http.get("/v1/image-sets").status_code == 401
    assert http.get("/studio").url.path == "/studio/sign-in"

    http = studio.visit(studio.key)
    token = http.cookies[COOKIE]
    assert studio.service.sessions.find_caller(token)
    later = clock.now() + LIFETIME + timedelta(seconds=1)
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: later)
        assert studio.service.sessions.find_caller(token) is None

    answer = http.post("/studio/sign-out", data={"csrf": csrf_of(http.get("/studio").text)})
    assert answer.url.path == "/studio/sign-in"
    assert studio.service.sessions.find_caller(token) is None


def test_a_form_of_another_site_or_session_is_refused(studio: Studio) -> None:
    http = studio.visit(studio.key)
    token = csrf_of(http.get("/studio").text)
    theirs = csrf_of(studio.visit(studio.other).get("/studio").text)
    for sent in ({}, {"csrf": theirs}, {"csrf": "é"}):
        assert http.post("/studio/sign-out", data=sent).status_code == 403
    for header in ({"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert http.post("/studio/sign-out", data={"csrf": token}, headers=header).status_code == 403
    assert http.get("/studio").url.path == "/studio"
    assert http.post("/studio/sign-out", data={"csrf": token}, headers={"Origin": studio.url}).status_code == 200


def test_what_is_missing_is_a_page(studio: Studio) -> None:
    http = studio.visit(studio.key)
    answer = http.get("/studio/<script>alert(1)</script>")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<script>alert" not in answer.text
    assert 'href="/studio"' in http.get("/", headers={"Accept": "text/html"}).text
    assert http.get("/studio/static/studio.css").status_code == 200


def test_a_ticket_signs_in_once_and_for_a_short_time(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    key = studio.service.api_keys.find_caller(studio.key)
    assert key
    ticket = studio.service.tickets.issue(key.key)
    stored = b"".join(path.read_bytes() for path in studio.service.settings.state.glob("*.sqlite*"))
    assert ticket.encode() not in stored
    with httpx.Client(base_url=studio.url) as http:
        answer = http.get("/studio/sign-in", params={"ticket": ticket})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/studio")
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "lab" in http.get("/studio").text
        again = http.get("/studio/sign-in", params={"ticket": ticket})  # of a person who is signed in
        assert (again.status_code, again.headers["Location"]) == (303, "/studio")
    late = studio.service.tickets.issue(key.key)
    with monkeypatch.context() as patch:
        moment = clock.now() + TICKET_LIFETIME
        patch.setattr(clock, "now", lambda: moment)
        assert studio.service.tickets.redeem(late) is None
    for used in (ticket, late, "unknown", "é"):
        answer = httpx.get(f"{studio.url}/studio/sign-in", params={"ticket": used})
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers
        assert "For a new address, press Ctrl-C" in answer.text


def test_no_header_signs_in_anybody_unless_a_setting_names_it(studio: Studio) -> None:
    for name in ("X-Remote-User", "Remote-User", "X-Forwarded-User"):
        answer = httpx.post(f"{studio.url}/studio/sign-in", headers={name: "lab"}, data={"next": "/studio"})
        assert answer.status_code == 422
        assert "Set-Cookie" not in answer.headers
