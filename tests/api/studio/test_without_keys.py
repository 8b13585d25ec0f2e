"""The studio of a service without keys, which only this machine can reach."""

from __future__ import annotations

from pathlib import Path

import httpx

from api.app import create_app
from api.settings import Settings
from tests.api.fake import FakeModel, served
from tests.api.serving import serving


def test_without_keys_nobody_signs_in(tmp_path: Path) -> None:
    app = create_app(Settings(state=tmp_path, without_keys=True), load=served(FakeModel()))
    with serving(app, ready=False) as url, httpx.Client(base_url=url, follow_redirects=True) as http:
        page = http.get("/studio/sign-in?next=/studio")
        assert page.url.path == "/studio"
        assert "Sign out" not in page.text
