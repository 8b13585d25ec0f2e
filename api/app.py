"""The application: settings in, FastAPI out; everything it owns is opened and closed by its lifespan."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, nullcontext
from functools import cache, partial
from typing import Any, Final

import anyio.to_thread
from fastapi import Depends, FastAPI

from api import problems
from api.access.api_keys import ApiKeys
from api.access.body_limit import BodyLimit
from api.access.idempotency import IdempotencyKeys
from api.access.ownership import Kind, Ownership
from api.access.tenants import Tenants
from api.encryption.key_store import SubjectKeys, secret_of
from api.encryption.sealed_files import SealedFiles
from api.image_sets.creation import ImageSets, SetWork
from api.image_sets.file_cache import Cache
from api.image_sets.storage import Store
from api.jobs.job_list import Jobs
from api.models.pool import Models, open_models
from api.models.worker import Worker
from api.operations.database import Database
from api.operations.file_stores import open_files
from api.operations.logs import RequestLog
from api.operations.metrics import Metrics
from api.operations.state_folder import CACHE, check_layout, lock_state_folder
from api.photographs.audit import Audit, purpose_of
from api.photographs.erasure import sweeping
from api.photographs.intake import Decoder
from api.photographs.job_context import EditWork, JobContext, PackWork, PhotoWork
from api.photographs.request_audit import RequestAuditMiddleware
from api.photographs.storage import Photographs
from api.problems import refuse_unknown_query
from api.provenance.content_credentials import open_credentials
from api.provenance.marks import Marker
from api.provenance.registry import Registry
from api.resources import Resources
from api.routes import catalogue, edits, health, image_sets, jobs, metrics, photos, stimuli, verify
from api.schemas import ProblemOut
from api.settings import Settings

_OF_CALLERS: Final = (image_sets, edits, photos, stimuli, verify, jobs, catalogue)
_OF_WORKERS: Final = (health, metrics)

DESCRIPTION: Final = """
Synthetic faces of people with a genetic condition at a chosen age, as labelled image sets for training and teaching;
and photographs rendered again with another expression, for research.

Every request carries an API key: `Authorization: Bearer KEY`. What belongs to another owner is not found.

1. `POST /v1/image-sets` with a kind, conditions and a count. The answer names the set; its id is the hash of
   the complete request, so the same request is the same set, for ever.
2. Wait: `Prefer: wait=30`, or poll the set, or follow its job's events.
3. Fetch `shards/{n}.tar` (WebDataset), single images, or a zip. Every image has a sha256 in `manifest.jsonl`,
   and says in its own file that it is synthetic.

Photographs: `POST /v1/photos` with the file as the body, then `POST /v1/photos/{id}/edits`. They are deleted when they
are inverted, all that follows from them when its time is over, and everything at once by `DELETE`.

The shipped weights draw **phantoms**: test objects whose truth is known. They are not patients, not derived
from patients, and no basis for a diagnosis. Errors are `application/problem+json`.
"""


def create_app(settings: Settings | None = None, *, load: Callable[[Settings], Models] = open_models) -> FastAPI:
    """The service.

    Args:
        settings: None reads them from the environment.
        load: opens the models that render, in the worker's thread.
    """
    settings, counted = settings or Settings(), Metrics(Kind)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with held(settings):
            service = await anyio.to_thread.run_sync(_open, settings, load, counted)
            app.state.service = service
            try:
                async with sweeping(service):
                    yield
            finally:
                await anyio.to_thread.run_sync(_close, service)

    app = FastAPI(
        title="gestaltgen",
        version="1",
        summary="Synthetic face images for medical genetics",
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        dependencies=[Depends(refuse_unknown_query)],
        responses={
            422: {
                "model": ProblemOut,
                "description": "A parameter or a field cannot be; `errors` says which.",
            },
            "default": {"model": ProblemOut, "description": "Any other problem (RFC 9457)."},
        },
    )
    app.openapi = cache(partial(_openapi, app.openapi))  # type: ignore[method-assign]
    app.add_middleware(RequestAuditMiddleware)
    app.add_middleware(BodyLimit, limit_of=partial(_largest_body, settings), seconds=settings.body_timeout_s)
    app.add_middleware(RequestLog, metrics=counted)
    problems.install(app)
    for routes in _OF_WORKERS if settings.role == "worker" else (*_OF_CALLERS, *_OF_WORKERS):
        app.include_router(routes.router)
    return app


def held(settings: Settings) -> AbstractContextManager[None]:
    """The state folder against a second service, unless they share a database.

    Raises:
        ConfigError: another service has it.
    """
    return nullcontext() if settings.database else lock_state_folder(settings.state)


def _largest_body(settings: Settings, path: str) -> int:
    """Pictures may be larger than JSON."""
    pictures = path.rstrip("/") in ("/v1/photos", "/v1/verify")
    return settings.max_photo_bytes if pictures else settings.max_body_bytes


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


def _open(settings: Settings, load: Callable[[Settings], Models], counted: Metrics) -> Resources:
    credentials = open_credentials(settings)
    with ExitStack() as opened:
        database = Database.open(settings.state, settings.database_url)
        opened.callback(database.close)
        check_layout(settings.state)
        files = open_files(settings.storage, settings.state)
        cache = Cache(settings.state / CACHE, settings.cache_mb << 20)
        engine, store, audit = database.engine, Store(files, counted), Audit.open(database)
        opened.callback(audit.close)
        ownership, registry, secret = Ownership(engine), Registry(engine), secret_of(database)
        tenants = Tenants(engine)
        purposes = partial(purpose_of, named=settings.named_purposes, secret=secret)
        sealed = SealedFiles(files, SubjectKeys.open(database, settings.server_keys))
        photographs = Photographs(sealed, database, audit, purposes)
        marker = Marker(secret)
        worker = Worker(partial(load, settings), counted)
        opened.callback(worker.close)
        sets = SetWork(
            store,
            worker,
            registry,
            ownership,
            max_images=settings.max_images_per_set,
            max_waiting=settings.max_waiting,
            metrics=counted,
        )
        decoder = Decoder(max_pixels=settings.max_photo_pixels)
        desk = JobContext(
            photographs, worker, decoder, marker, registry, ownership, sets.face, settings.precision, counted
        )
        queue = Jobs(
            database,
            {
                Kind.IMAGE_SET: sets,
                Kind.PHOTO: PhotoWork(desk),
                Kind.EDIT: EditWork(desk),
                Kind.STIMULI: PackWork(desk),
            },
            concurrent=0 if settings.role == "api" else settings.concurrent_jobs,
            most_open=(settings.max_open_jobs, settings.max_open_jobs_per_owner),
            check_images=tenants.check_images,
            metrics=counted,
            lost=partial(os.kill, os.getpid(), signal.SIGTERM),
        )
        opened.pop_all()  # it is the service's now, which is closed by `_close`
    return Resources(
        settings=settings,
        database=database,
        store=store,
        worker=worker,
        jobs=queue,
        sets=ImageSets(store, sets, queue, ownership, at_once=settings.role == "all"),
        keys=IdempotencyKeys(engine),
        api_keys=ApiKeys(engine),
        ownership=ownership,
        tenants=tenants,
        photographs=photographs,
        audit=audit,
        registry=registry,
        marker=marker,
        credentials=credentials,
        decoder=decoder,
        metrics=counted,
        cache=cache,
    )


def _close(service: Resources) -> None:
    """Finish the batch in hand; jobs go on when the service starts again."""
    service.worker.close()
    service.jobs.stop()
    service.audit.close()
    service.database.close()
