"""A page in Chromium that stays open while the service restarts.

It is not in `tests/studio_browser`, because the service there lasts, and a process runs one at a time.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from api.access.api_keys import Scope
from api.app import create_app
from api.settings import Settings
from gestaltgen.cli.service.server import open_listener
from tests.api import serving as servers
from tests.api.fake import FakeModel, served
from tests.studio_browser.conftest import open_browser


def test_a_page_goes_on_after_the_service_has_restarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of a set in progress shows the images in the end, though nobody loads it again."""
    settings = Settings(state=tmp_path)
    port = 0
    monkeypatch.setattr(servers, "open_listener", lambda host, _: open_listener(host, port))
    slow, quick = FakeModel(chunk_s=0.2), FakeModel()
    app = create_app(settings, load=served(slow))
    with open_browser() as browser, browser.new_context() as context:
        page = context.new_page()
        with servers.serving(app) as url:
            key, _ = app.state.service.api_keys.create("lab", [Scope.IMAGE_SETS])
            port = int(url.rpartition(":")[2])
            context.request.post(f"{url}/studio/sign-in", form={"key": key})
            page.goto(f"{url}/studio/image-sets/new/age_progression")
            page.get_by_label("Persons with each condition").fill("200")
            page.get_by_role("button", name="Make the images").click()
            page.get_by_role("progressbar").wait_for()
        with servers.serving(create_app(settings, load=served(quick))):
            expect(page.get_by_alt_text("synthetic face").first).to_be_visible(timeout=60_000)
            page.get_by_role("button", name="Sign out").click()  # the form's token holds, too
            page.get_by_label("API key").wait_for()
