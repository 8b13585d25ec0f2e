"""The application: `create_app` makes it from settings; its lifespan opens and closes all resources."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any, Final

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI, Response

from api import problems
from api.access.body_limit import BodyLimit
from api.access.key_turns import KeyTurns
from api.access.local_requests import LocalRequests
from api.access.ownership import Kind
from api.access.proxy_users import ProxyUsers
from api.html_pages import answer_page
from api.json_bodies import LARGEST_ORDINARY_BYTES
from api.models.pool import Models, open_models
from api.openapi_page import render_reference
from api.operations.logs import RequestLog
from api.operations.metrics import Metrics
from api.photographs.request_audit import RequestAuditMiddleware
from api.problems import refuse_unknown_query
from api.resources import Resources, reserve_state_folder
from api.routes import (
    administration,
    assessments,
    catalogue,
    edits,
    explanations,
    faces,
    health,
    image_sets,
    jobs,
    metrics,
    photos,
    quizzes,
    receipts,
    set_metadata,
    stimuli,
    verify,
)
from api.schemas.problems import ProblemOut
from api.settings import Settings
from api.studio.answer_analysis import LARGEST_STUDY_BYTES
from api.studio.application import list_studio_routes

_ROUTES_OF_CALLERS: Final = (
    *(image_sets, set_metadata, quizzes, faces, edits, explanations, assessments, photos, receipts),
    *(stimuli, verify, jobs, catalogue, administration),
)
_ROUTES_OF_WORKERS: Final = (health, metrics)

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
    """Create the application of the service.

    Args:
        settings: of the service; None reads them from the environment.
        load: opens the models that render, in the worker's thread.
    """
    settings, service_metrics = settings or Settings(), Metrics(Kind)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with reserve_state_folder(settings):
            service = await anyio.to_thread.run_sync(Resources.open, settings, load, service_metrics)
            app.state.service = service
            try:
                async with service.eraser.erase_regularly():
                    yield
            finally:
                await anyio.to_thread.run_sync(service.close)

    app = FastAPI(
        title="gestaltgen",
        version="1",
        summary="Synthetic face images for medical genetics",
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        routes=[*_join_routes(settings.role).routes, *([] if settings.role == "worker" else list_studio_routes())],
        docs_url=None,  # FastAPI's pages load scripts from another host
        redoc_url=None,
    )
    app.openapi = cache(partial(_openapi, app.openapi))  # type: ignore[method-assign]

    @cache
    def render_page() -> str:
        return render_reference(app.openapi())

    @app.get("/docs", include_in_schema=False)
    def describe_interface() -> Response:
        return answer_page(render_page())

    app.add_middleware(RequestAuditMiddleware)
    app.add_middleware(BodyLimit, limit_of=partial(_largest_body, settings), seconds=settings.body_timeout_s)
    if settings.without_keys:
        app.add_middleware(LocalRequests, hosts=settings.local_hosts)
    else:
        app.add_middleware(KeyTurns)
    app.add_middleware(RequestLog, metrics=service_metrics)
    app.add_middleware(ProxyUsers, proxies=settings.proxy_networks, user_header=settings.user_header)
    problems.install(app)
    return app


@cache
def _join_routes(role: str) -> APIRouter:
    """Return the routes of a role. All applications of a process share them: FastAPI takes 0.3 s to analyse them."""
    joined = APIRouter(
        dependencies=[Depends(refuse_unknown_query)],
        responses={
            422: {
                "model": ProblemOut,
                "description": "A parameter or a field cannot be; `errors` says which.",
            },
            "default": {"model": ProblemOut, "description": "Any other problem (RFC 9457)."},
        },
    )
    for routes in _ROUTES_OF_WORKERS if role == "worker" else (*_ROUTES_OF_CALLERS, *_ROUTES_OF_WORKERS):
        joined.include_router(routes.router)
    return joined


def _largest_body(settings: Settings, path: str) -> int:
    """Return the largest body for a path: pictures may be larger than lists, and lists larger than other JSON."""
    match path.rstrip("/"):
        case "/v1/photos" | "/v1/verify":
            return settings.max_photo_bytes
        case "/studio/photographs":
            return settings.max_photo_bytes + LARGEST_ORDINARY_BYTES  # the other fields of the form
        case "/studio/studies/answers":
            return LARGEST_STUDY_BYTES
        case "/v1/image-sets" | "/v1/stimuli":
            return settings.max_body_bytes
        case _:
            return min(LARGEST_ORDINARY_BYTES, settings.max_body_bytes)


def _openapi(described: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return FastAPI's OpenAPI document, with problems under the media type that they are sent with."""
    document = described()
    for path in document["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                for schema in [*response.get("content", {}).values()]:
                    if str(schema.get("schema", {}).get("$ref", "")).endswith("/ProblemOut"):
                        response["content"] = {problems.MEDIA_TYPE: schema}
    return document
