"""Users whom a proxy has signed in: only a trusted proxy can, for one user at a time."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from api.access.api_keys import Scope
from api.access.proxy_users import ProxyUsers, find_proxy_user
from api.access.sessions import COOKIE
from api.app import create_app
from api.settings import Settings
from tests.api.fake import FakeModel, served
from tests.api.serving import serving
from tests.api.studio.conftest import csrf_of

HEADER = "X-Remote-User"


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """URL and resources of a service behind a proxy on loopback."""
    settings = Settings(
        state=tmp_path_factory.mktemp("ward"), user_header=HEADER, trusted_proxies="127.0.0.1", user_scopes="photos"
    )
    app = create_app(settings, load=served(FakeModel()))
    with serving(app) as url:
        yield url, app.state.service


def come(url: str, user: str) -> httpx.Client:
    """Browser of somebody whom the proxy has signed in."""
    return httpx.Client(base_url=url, headers={HEADER: user}, follow_redirects=True)


def test_a_user_continues_as_themselves_with_the_scopes_of_users(ward: tuple[str, Any]) -> None:
    url, _ = ward
    with come(url, "ada@ward.example") as http:
        page = http.get("/studio/service")
        assert page.url.path == "/studio/sign-in"
        assert "ada@ward.example" in page.text
        page = http.post("/studio/sign-in", data={"next": "/studio/service"})
        assert page.url.path == "/studio/service"
        assert "ada@ward.example" in page.text
        assert http.get("/v1/photos").status_code == 200
        assert http.get("/v1/image-sets").status_code == 403
        assert http.post("/studio/sign-out", data={"csrf": csrf_of(page.text)}).url.path == "/studio/sign-in"
        assert http.get("/v1/photos").status_code == 401


def test_a_session_is_of_one_user_and_of_requests_of_the_proxy(ward: tuple[str, Any]) -> None:
    url, service = ward
    with come(url, "ada") as http:
        http.post("/studio/sign-in", data={})
        session = {"Cookie": f"{COOKIE}={http.cookies[COOKIE]}"}
    caller = service.sessions.find_caller(session["Cookie"].partition("=")[2], "ada")
    assert (caller.owner, caller.scopes) == ("ada", {Scope.PHOTOS})
    assert httpx.get(f"{url}/v1/photos", headers=session | {HEADER: "ada"}).status_code == 200
    for other in ({}, {HEADER: "bob"}, {HEADER: ""}):
        assert httpx.get(f"{url}/v1/photos", headers=session | other).status_code == 401
    twice = [*session.items(), (HEADER, "bob"), (HEADER, "ada")]
    assert httpx.get(f"{url}/v1/photos", headers=twice).status_code == 401
    assert httpx.get(f"{url}/v1/photos", headers={HEADER: "ada"}).status_code == 401  # a header alone is no session


@pytest.mark.parametrize("user", ["service", "ada lovelace", "<b>ada</b>", "a" * 65])
def test_a_user_whose_name_no_owner_can_have_is_refused(ward: tuple[str, Any], user: str) -> None:
    url, _ = ward
    with come(url, user) as http:
        answer = http.post("/studio/sign-in", data={})
        assert answer.status_code == 403
        assert "<b>ada" not in answer.text
        assert COOKIE not in http.cookies


def test_a_user_can_take_a_key_instead(ward: tuple[str, Any]) -> None:
    url, service = ward
    secret, _ = service.api_keys.create("lab", [Scope.IMAGE_SETS])
    with come(url, "ada") as http:
        assert "lab" in http.post("/studio/sign-in", data={"key": secret}).text
        assert http.get("/v1/image-sets").status_code == 200


@pytest.mark.parametrize(
    ("client", "believed"),
    [
        ("10.0.0.5", True),
        ("::ffff:10.0.0.5", True),
        ("fd00::7", True),
        ("10.0.1.5", False),
        ("127.0.0.1", False),
        ("a-name", False),
    ],
)
def test_only_trusted_proxies_are_believed(client: str, believed: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope)
        await JSONResponse([request.url.scheme, find_proxy_user(request)])(scope, receive, send)

    trusting = ProxyUsers(app, (ip_network("10.0.0.0/24"), ip_network("fd00::/16")), HEADER)
    sent = {HEADER: "ada", "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.5"}
    answer = TestClient(trusting, client=(client, 1)).get("/", headers=sent).json()
    assert answer == (["https", "ada"] if believed else ["http", None])


@pytest.mark.parametrize(
    "given",
    [
        {"user_header": HEADER},
        {"user_header": HEADER, "trusted_proxies": "10.0.0.5", "without_keys": True},
        {"user_header": "X Remote", "trusted_proxies": "10.0.0.5"},
        {"trusted_proxies": "proxy.example"},
        {"user_scopes": "image-sets, admin"},
    ],
)
def test_settings_that_would_trust_too_much_are_refused(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        Settings(state=tmp_path, **given)
