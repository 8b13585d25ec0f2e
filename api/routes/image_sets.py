"""Image sets: ask for one, follow it, fetch its files."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any, Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi import Path as PathParam

from api.derived import StoredFile, shard_count
from api.problems import Problem, field_error, of_request
from api.routes.files import file_response
from api.schemas import ImageSetBody, ImageSetOut, ImageSetPage, ProblemOut
from api.service import CompleteSet, KnownSet, Service, ServiceDep
from api.storage import StoredRequest
from api.views import image_set_out, set_path
from faces.errors import RequestError

_POLL_S: Final = 0.05


def _problem(description: str) -> dict[str, Any]:
    return {"model": ProblemOut, "description": description}


router = APIRouter(prefix="/v1/image-sets", tags=["image sets"])
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    206: {"description": "The bytes that `Range` asked for."},
    304: {"description": "The caller's copy, named in `If-None-Match`, is the one."},
    404: _problem("There is no such image set, or no such file in it."),
    409: _problem("The image set is not complete yet."),
    416: {"description": "The range lies outside the file."},
}


def json_body_only(request: Request) -> None:
    """Refuse a body that does not say it is JSON.

    Raises:
        Problem: 415.
    """
    given = request.headers.get("Content-Type", "")
    media_type = given.partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(
            415,
            f"Content-Type is {given[:80]!r}; expected application/json.",
            headers={"Accept": "application/json"},
        )


@router.post(
    "",
    status_code=202,
    response_model=ImageSetOut,
    dependencies=[Depends(json_body_only)],
    summary="Make an image set",
    responses={
        200: {
            "model": ImageSetOut,
            "description": "It is complete: it was made before, or within `Prefer: wait`.",
        },
        400: _problem("The body is not JSON, or a header is malformed."),
        413: _problem("The body is too large."),
        415: _problem("The body is not application/json."),
        422: _problem("A field cannot be; `errors` says which, and what is accepted."),
        503: _problem("The weights are still being loaded; try again after `Retry-After` seconds."),
    },
)
async def create(
    service: ServiceDep,
    body: ImageSetBody,
    response: Response,
    prefer: Annotated[
        str | None,
        Header(description="`wait=N` waits up to N seconds for the set to be complete.", examples=["wait=10"]),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        Header(description="Any text of your own; a second, different request with it is refused."),
    ] = None,
) -> ImageSetOut:
    """The same request always names the same image set: asked again, it is answered from the store.

    Answers 202 with the set and its job (`links.job`), or 200 if the set is complete. A set whose job failed
    or was cancelled goes on where it stopped.
    """
    wait_s = _wait_s(prefer, service.settings.max_wait_s)
    deadline = time.monotonic() + (wait_s or 0)
    while service.worker.loading and time.monotonic() < deadline:
        await anyio.sleep(_POLL_S)
    known = await anyio.to_thread.run_sync(_submit, service, body, idempotency_key)
    answer = await anyio.to_thread.run_sync(image_set_out, service, known)
    while answer.state in ("queued", "running") and time.monotonic() < deadline:
        await anyio.sleep(_POLL_S)
        answer = await anyio.to_thread.run_sync(image_set_out, service, known)
    response.status_code = 200 if answer.state == "done" else 202
    response.headers["Location"] = set_path(known.id)
    if wait_s is not None:
        response.headers["Preference-Applied"] = f"wait={wait_s:g}"
    return answer


def _submit(service: Service, body: ImageSetBody, key: str | None) -> StoredRequest:
    asked = {"precision": service.settings.precision} | body.asked()
    limit = service.settings.max_images_per_set
    for field, value in (("count", body.count), ("seeds", len(body.seeds or ()))):
        if value is not None and value > limit:
            message = f"{value} is too many; a set has at most {limit} images: ask for several sets"
            raise Problem(
                422,
                f"{field}: {message}",
                errors=[field_error(field, message, value, accepted={"le": limit})],
            )
    model = service.worker.model
    try:
        plan = model.plan(asked, limit)
    except RequestError as error:
        names = {"conditions": model.info.conditions, "partners": model.info.conditions}
        names["ages"] = tuple(age.name for age in model.info.ages)
        raise of_request(error, asked, names) from error
    if key is not None:
        service.keys.claim(key, asked)
    service.jobs.submit(plan)
    return StoredRequest(plan.id, len(plan.rows), plan.asked, plan.resolved)


def _wait_s(prefer: str | None, longest_s: float) -> float | None:
    """Seconds that `Prefer: wait=N` asks for, at most `longest_s`; None without it (RFC 7240)."""
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?", prefer or "", re.IGNORECASE)
    return min(float(found[1]), longest_s) if found else None


@router.get("", response_model=ImageSetPage, summary="List image sets", responses={422: _problem("A bad page.")})
def index(
    service: ServiceDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Image sets on a page.")] = 20,
    after: Annotated[str, Query(description="The id that the page before ended with.")] = "",
) -> ImageSetPage:
    """Every image set in the store, in the order of their ids."""
    ids = [set_id for set_id in service.store.ids() if set_id > after]
    found = [service.store.request(set_id) for set_id in ids[:limit]]
    return ImageSetPage(
        items=[image_set_out(service, request) for request in found if request is not None],
        next=f"/v1/image-sets?limit={limit}&after={ids[limit - 1]}" if len(ids) > limit else None,
    )


@router.get(
    "/{set_id}",
    response_model=ImageSetOut,
    summary="An image set and its progress",
    responses={404: _problem("There is no such image set.")},
)
def show(service: ServiceDep, known: KnownSet) -> ImageSetOut:
    """State, progress and links; `request` says exactly what the images are."""
    return image_set_out(service, known)


@router.head("/{set_id}/manifest.jsonl", include_in_schema=False)
@router.get("/{set_id}/manifest.jsonl", summary="The manifest", responses=_FILE, response_class=Response)
def manifest(request: Request, service: ServiceDep, known: CompleteSet) -> Response:
    """One JSON object per line and image: labels, soft label, seed, file, size and sha256."""
    found = service.derived.manifest(known.id)
    return file_response(request, found.path, found.sha256, "application/x-ndjson")


@router.head("/{set_id}/images/{n}", include_in_schema=False)
@router.get("/{set_id}/images/{n}", summary="An image", responses=_FILE, response_class=Response)
def image(
    request: Request,
    service: ServiceDep,
    known: CompleteSet,
    n: Annotated[int, PathParam(description="The image's index, from 0.")],
) -> Response:
    """A PNG that carries its provenance as iTXt: synthetic, which set, which row, which weights."""
    if not 0 <= n < known.images:
        raise Problem(404, f"There is no image {n}; the image set has images 0 to {known.images - 1}.")
    line = service.store.manifest(known.id)[n]
    return file_response(request, service.store.folder(known.id) / line["file"], line["sha256"], "image/png")


@router.head("/{set_id}/shards/{n}.tar", include_in_schema=False)
@router.get("/{set_id}/shards/{n}.tar", summary="A WebDataset shard", responses=_FILE, response_class=Response)
def shard(
    request: Request,
    service: ServiceDep,
    known: CompleteSet,
    n: Annotated[int, PathParam(description="The shard's number, from 0.")],
) -> Response:
    """Up to 1000 samples: `NNNNNN.png`, `NNNNNN.json` (manifest line) and `NNNNNN.cls` (class index)."""
    shards = shard_count(known.images)
    if not 0 <= n < shards:
        raise Problem(404, f"There is no shard {n}; the image set has shards 0 to {shards - 1}.")
    return _derived(request, service.derived.shard(known.id, n), "application/x-tar", f"{known.id[:16]}-{n:06d}.tar")


@router.head("/{set_id}/archive.zip", include_in_schema=False)
@router.get("/{set_id}/archive.zip", summary="Everything in one file", responses=_FILE, response_class=Response)
def archive(request: Request, service: ServiceDep, known: CompleteSet) -> Response:
    """A zip of the images, the manifest and the request."""
    return _derived(request, service.derived.archive(known.id), "application/zip", f"{known.id[:16]}.zip")


@router.head("/{set_id}/sheet.png", include_in_schema=False)
@router.get("/{set_id}/sheet.png", summary="A contact sheet", responses=_FILE, response_class=Response)
def sheet(request: Request, service: ServiceDep, known: CompleteSet) -> Response:
    """The set at a glance: persons as rows and ages as columns, marked as synthetic."""
    return _derived(request, service.derived.sheet(known.id), "image/png", None)


def _derived(request: Request, found: StoredFile, media_type: str, name: str | None) -> Response:
    return file_response(request, found.path, found.sha256, media_type, name)
