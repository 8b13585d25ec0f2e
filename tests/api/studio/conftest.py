"""A service behind keys with a model without a network, and browsers of several people, as HTTP clients."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from api.access.api_keys import Scope
from api.app import create_app
from api.resources import Resources
from api.settings import Settings
from tests.api.fake import FakeModel, served
from tests.api.serving import serving


@dataclass(frozen=True)
class Studio:
    """A running service, and its keys: of all permissions, of image sets only, and of another owner.

    Attributes:
        visit: opens the browser of somebody who has signed in with a key.
    """

    url: str
    app: FastAPI
    service: Resources
    key: str
    sets_only: str
    other: str
    visit: Callable[[str], httpx.Client]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    settings = Settings(state=tmp_path_factory.mktemp("studio"))
    app = create_app(settings, load=served(FakeModel()))
    opened: list[httpx.Client] = []
    with serving(app) as url:

        def visit(key: str) -> httpx.Client:
            opened.append(httpx.Client(base_url=url, timeout=60, follow_redirects=True))
            answer = opened[-1].post("/studio/sign-in", data={"key": key})
            assert answer.status_code == 200
            return opened[-1]

        keys = app.state.service.api_keys
        yield Studio(
            url,
            app,
            app.state.service,
            keys.create("lab", [Scope.IMAGE_SETS, Scope.PHOTOS])[0],
            keys.create("lab", [Scope.IMAGE_SETS])[0],
            keys.create("other", [Scope.IMAGE_SETS, Scope.PHOTOS])[0],
            visit,
        )
        for one in opened:
            one.close()


def csrf_of(page: str) -> str:
    """Return the token of the first form of a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert found
    return found[1]
