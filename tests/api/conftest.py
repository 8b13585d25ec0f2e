"""One service for each test file; tests that break or restart theirs start their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.operations.database import Database
from api.settings import Settings
from gestaltgen_client import Client
from tests.api import stores
from tests.api.fake import FakeModel, served
from tests.api.lab import Lab, open_lab
from tests.api.postgres import running_server
from tests.api.serving import serving
from tests.open_databases import close_databases

__all__ = ["close_databases"]


@pytest.fixture(scope="session", autouse=True)
def on_postgresql() -> Iterator[None]:
    """With GESTALTGEN_TEST_POSTGRESQL set, services of this process that name no database have one there, by folder."""
    if "GESTALTGEN_TEST_POSTGRESQL" not in os.environ:
        yield
        return
    with running_server() as server, pytest.MonkeyPatch.context() as patch:
        urls: dict[Path, str] = {}
        opened: list[Database] = []
        sqlite = Database.at

        def at(state: Path, url: str | None = None) -> Database:
            opened.append(sqlite(state, url or urls.get(state) or urls.setdefault(state, server.database())))
            return opened[-1]

        patch.setattr(Database, "at", at)
        yield
        for database in opened:  # those that no test closed
            database.close()


@dataclass(frozen=True)
class Running:
    url: str
    http: httpx.Client
    client: Client
    model: FakeModel
    state: Path


@pytest.fixture(scope="session", autouse=True)
def storage() -> Iterator[None]:
    """Services keep things in the store that the environment names."""
    with stores.in_use():
        yield


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("state")
    model = FakeModel()
    settings = Settings(state=state, max_images_per_set=5000, without_keys=True)
    with (
        serving(create_app(settings, load=served(model))) as url,
        httpx.Client(base_url=url, timeout=90) as http,
        Client(url) as client,
    ):
        yield Running(url, http, client, model, state)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The service with the shipped phantoms, behind keys."""
    with open_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab
