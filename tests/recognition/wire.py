"""A service in this process with small shards, and a wire to it that can be cut."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from api import representations
from api.app import create_app
from api.image_sets import derived_files
from api.settings import Settings
from gestaltgen_client import Client
from recognition.images.samples import Samples
from recognition.images.service_request import ServiceSetRequest
from tests.api.fake import FakeModel, served
from tests.api.serving import serving

SHARD = 10


REQUEST = ServiceSetRequest("age_progression", conditions=("WS", "other"), count=4)
"""Of 40 images, in shards of 10."""


@dataclass
class Wire(httpx.HTTPTransport):
    """What lies between a client and the service.

    Args:
        fail: may answer a request in place of the service, or raise.
    """

    fail: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
    asked: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if "Idempotency-Key" in request.headers:
            self.keys.append(request.headers["Idempotency-Key"])
        return self.fail(request) or super().handle_request(request)

    @property
    def shards(self) -> list[int]:
        """Numbers of the shards that were asked for."""
        return [int(Path(path).stem) for path in self.asked if path.endswith(".tar")]


@dataclass(frozen=True)
class Running:
    url: str
    model: FakeModel

    @contextmanager
    def client(self, wire: Wire | None = None) -> Iterator[Client]:
        with Client(self.url, attempts=1, transport=wire) as client:
            yield client


@contextmanager
def service(state: Path, model: FakeModel) -> Iterator[Running]:
    """One with a model that makes flat colours; its shards have SHARD images."""
    app = create_app(Settings(state=state, without_keys=True), load=served(model))
    with pytest.MonkeyPatch.context() as patched:
        for module in (derived_files, representations):
            patched.setattr(module, "SHARD_IMAGES", SHARD)
        with serving(app) as url:
            yield Running(url, model)


def told(faces: Samples) -> list[tuple[str, str, str | None]]:
    return [(sample.key, sample.person, sample.condition) for sample in faces.samples]


def breaks_at(shard: int) -> Callable[[httpx.Request], None]:
    """The service is gone from the moment that this shard is asked for."""
    gone = threading.Event()

    def fail(request: httpx.Request) -> None:
        if request.url.path.endswith(f"/{shard}.tar"):
            gone.set()
        if gone.is_set():
            raise httpx.ConnectError("refused", request=request)

    return fail
