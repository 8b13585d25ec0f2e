"""The application: settings in, FastAPI out; everything it owns is opened and closed by its lifespan."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import anyio.to_thread
from fastapi import FastAPI

from api import problems
from api.idempotency import Keys
from api.jobs import Jobs
from api.limits import BodyLimit
from api.model import Model
from api.routes import catalogue, health, image_sets, jobs
from api.schemas import ProblemOut
from api.service import Service
from api.settings import Settings
from api.storage import Store, only_user_of
from api.worker import Worker

DESCRIPTION: Final = """
Synthetic faces of people with a genetic condition at a chosen age, as labelled image sets for training and
teaching.

1. `POST /v1/image-sets` with a kind, conditions and a count. The answer names the set; its id is the hash of
   the complete request, so the same request is the same set, for ever.
2. Wait: `Prefer: wait=30`, or poll the set, or follow its job's events.
3. Fetch `shards/{n}.tar` (WebDataset), single images, or a zip. Every image has a sha256 in `manifest.jsonl`,
   and says in its own PNG that it is synthetic.

The shipped weights draw **phantoms**: test objects whose truth is known. They are not patients, not derived
from patients, and no basis for a diagnosis. Errors are `application/problem+json`.
"""


def create_app(settings: Settings | None = None, *, load: Callable[[Settings], Model] | None = None) -> FastAPI:
    """The service.

    Args:
        settings: None reads them from the environment.
        load: makes the model that renders, in the worker's thread; None takes the settings' checkpoint.
    """
    settings = settings or Settings()
    load = load or generator_of

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with only_user_of(settings.state):
            service = await anyio.to_thread.run_sync(_open, settings, load)
            app.state.service = service
            try:
                yield
            finally:
                await anyio.to_thread.run_sync(service.jobs.close)

    app = FastAPI(
        title="gestaltgen",
        version="1",
        summary="Synthetic face images for medical genetics",
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        responses={
            422: {
                "model": ProblemOut,
                "description": "A parameter or a field cannot be; `errors` says which.",
            },
            "default": {"model": ProblemOut, "description": "Any other problem (RFC 9457)."},
        },
    )
    app.openapi = partial(_openapi, app.openapi)  # type: ignore[method-assign]
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    problems.install(app)
    for routes in (image_sets, jobs, catalogue, health):
        app.include_router(routes.router)
    return app


def _openapi(described: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """FastAPI's description, with problems under the media type that they are sent with."""
    document = described()
    for path in document["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                for schema in [*response.get("content", {}).values()]:
                    if str(schema.get("schema", {}).get("$ref", "")).endswith("/ProblemOut"):
                        response["content"] = {problems.MEDIA_TYPE: schema}
    return document


def generator_of(settings: Settings) -> Model:
    """The settings' checkpoint."""
    from api import generator  # PyTorch, in the worker's thread, so that the service answers at once

    return generator.load(settings)


def _open(settings: Settings, load: Callable[[Settings], Model]) -> Service:
    store = Store(settings.state)
    worker = Worker(partial(load, settings))
    try:
        queue = Jobs(
            settings.state,
            store,
            worker,
            max_images=settings.max_images_per_set,
            concurrent_sets=settings.concurrent_sets,
        )
    except BaseException:
        worker.close()
        raise
    return Service(settings, store, worker, queue, Keys(settings.state))
