"""Routes of image sets: create one, follow it, fetch its files, delete it."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as PathParam

from api.access.api_keys import Caller
from api.access.ownership import Kind
from api.dependencies import CompleteSet, ImageSetsCaller, KnownImage, KnownSet, ServiceDep, find_model
from api.file_responses import bytes_response, cached_file, cached_picture
from api.image_sets.derived_files import shard_count
from api.image_sets.storage import StoredRequest
from api.models.model import RenderPlan
from api.problem_types import ProblemType
from api.problems import Problem, convert_request_error
from api.provenance.marks import MEDIA_TYPES, ImageFormat, read_claim
from api.representations import describe_image_set, set_path
from api.request_headers import (
    FILE,
    POLL_S,
    IdempotencyKey,
    Prefer,
    json_body_only,
    parse_wait_seconds,
    problem,
    wait_for_answer,
)
from api.resources import Resources
from api.schemas import ImageSetBody, ImageSetOut, ImageSetPage
from core.errors import ImageSetTooLargeError, RequestError
from faces.images import read_image

router = APIRouter(prefix="/v1/image-sets", tags=["image sets"])

_log = logging.getLogger("gestaltgen.image_sets")


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
        400: problem("The body is not JSON, or a header is malformed."),
        413: problem("The body is too large."),
        415: problem("The body is not application/json."),
        422: problem("A field cannot be; `errors` says which, and what is accepted."),
        503: problem("The weights are still being loaded; try again after `Retry-After` seconds."),
    },
)
async def create(
    service: ServiceDep,
    caller: ImageSetsCaller,
    body: ImageSetBody,
    response: Response,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> ImageSetOut:
    """Request an image set. The same request always gives the same set, from the store if it is there already.

    Answers 202 with the set and its job (`links.job`), or 200 if the set is complete. A small set that the caller waits
    for is rendered at once, without a job. A set whose job failed or was cancelled continues where it stopped. Images
    that are already in other sets, for example because the count was increased, are not rendered again.
    """
    wait_s = parse_wait_seconds(prefer, service.settings.max_wait_s)
    deadline = time.monotonic() + (wait_s or 0)
    while service.worker.loading and time.monotonic() < deadline:
        await anyio.sleep(POLL_S)
    plan, known, small = await anyio.to_thread.run_sync(_ask, service, caller, body, idempotency_key)
    response.headers["Location"] = set_path(known.id)
    made = False
    if wait_s and small:
        thread = anyio.CapacityLimiter(1)  # its own: what waits for the model must not hold up other requests
        with anyio.move_on_after(deadline - time.monotonic()):
            await anyio.to_thread.run_sync(service.sets.make_now, plan, abandon_on_cancel=True, limiter=thread)
            made = True
    if not made:
        await anyio.to_thread.run_sync(service.sets.submit, plan, caller.owner)
    found = await wait_for_answer(lambda: describe_image_set(service, known), response, wait_s, deadline)
    response.status_code = 200 if found.state == "done" else 202
    return found


def _plan(service: Resources, caller: Caller, body: ImageSetBody) -> RenderPlan:
    """Plan the image set of a request.

    Raises:
        Problem: 422, a field that cannot be; 403, the caller has no model.
    """
    limit = service.settings.max_images_per_set
    for field, value in (("count", body.count), ("total_images", body.total_images), ("seeds", len(body.seeds or ()))):
        if value is not None and value > limit:
            raise convert_request_error(ImageSetTooLargeError(field, value, limit), {field: value}, {})
    model, asked = find_model(service, caller, body.model), body.dump_fields()
    names: dict[str, Any] = {"conditions": model.info.conditions, "partners": model.info.conditions}
    names["ages"] = tuple(age.name for age in model.info.ages)
    try:
        return model.plan({"precision": service.settings.precision, "model": model.info.name} | asked, limit)
    except RequestError as error:
        raise convert_request_error(error, asked, names) from error


def _ask(
    service: Resources, caller: Caller, body: ImageSetBody, key: str | None
) -> tuple[RenderPlan, StoredRequest, bool]:
    """Plan a request, write down that it was made, and tell whether it can be done at once."""
    plan = _plan(service, caller, body)
    if not service.store.is_complete(plan.id):
        service.check_bytes(caller)
    service.keys.claim(caller.owner, key, plan.resolved, plan.id)
    return plan, service.sets.ask(plan, caller.owner), service.sets.can_be_made_now(plan)


@router.get("", response_model=ImageSetPage, summary="List image sets", responses={422: problem("A bad page.")})
def index(
    service: ServiceDep,
    caller: ImageSetsCaller,
    limit: Annotated[int, Query(ge=1, le=100, description="Image sets on a page.")] = 20,
    after: Annotated[str, Query(description="The id that the page before ended with.")] = "",
) -> ImageSetPage:
    """Every image set that you asked for, in the order of their ids."""
    ids, more = service.ownership.page(Kind.IMAGE_SET, caller.owner, limit, after)
    found = [service.store.request(set_id) for set_id in ids]
    return ImageSetPage(
        items=[describe_image_set(service, request) for request in found if request is not None],
        next=f"/v1/image-sets?limit={limit}&after={ids[-1]}" if more else None,
    )


@router.get(
    "/{set_id}",
    response_model=ImageSetOut,
    summary="An image set and its progress",
    responses={404: problem("There is no such image set.")},
)
def show(service: ServiceDep, known: KnownSet) -> ImageSetOut:
    """State, progress and links; `request` says exactly what the images are."""
    return describe_image_set(service, known)


@router.delete(
    "/{set_id}",
    status_code=204,
    response_class=Response,
    summary="Delete an image set",
    responses={404: problem("There is no such image set.")},
)
def delete(service: ServiceDep, caller: ImageSetsCaller, known: KnownSet) -> None:
    """Deletes the set with its files, your edits of its images and its Idempotency-Keys, and cancels its job. If
    another owner asked for the same set, they keep it, and only your edits and your access to it go."""
    for edit in service.edits.list_of_parent(known.id):
        if edit.owner == caller.owner:
            service.eraser.erase_edit(edit)
            service.registry.forget(edit.id)
    service.keys.forget(known.id, caller.owner)
    deleted = service.sets.delete(known.id, caller.owner)
    if deleted:
        service.cache.delete(known.id)
    _log.info(
        "image set %s was deleted for %s with key %s; %s",
        known.id,
        caller.owner,
        caller.key,
        "its files are gone" if deleted else "other owners keep it",
    )


@router.head("/{set_id}/manifest.jsonl", include_in_schema=False)
@router.get("/{set_id}/manifest.jsonl", summary="The manifest", responses=FILE, response_class=Response)
def manifest(request: Request, service: ServiceDep, known: CompleteSet) -> Response:
    """One JSON object per line and image: labels, soft label, seed, file, size and sha256."""
    return bytes_response(request, service.store.manifest_file(known.id), "application/x-ndjson")


@router.head("/{set_id}/images/{n}", include_in_schema=False)
@router.get("/{set_id}/images/{n}", summary="An image", responses=FILE, response_class=Response)
def image(
    request: Request,
    service: ServiceDep,
    known: KnownImage,
    format: Annotated[  # noqa: A002
        ImageFormat, Query(description="`png` as stored; `webp`, lossless; `jpeg`, for pages and slides.")
    ] = "png",
) -> Response:
    """A picture that carries its provenance: synthetic, of which row, by which weights and software."""
    image_set, n = known
    line = service.store.manifest(image_set.id)[n]
    if format == "png":
        return bytes_response(request, service.store.image_file(image_set.id, n), "image/png", line["sha256"])
    [stored] = service.store.read_images(image_set.id, [line])
    claim = read_claim(stored)
    if claim is None:
        raise Problem(
            ProblemType.IMAGE_FORMAT_UNAVAILABLE,
            "The stored image is of an earlier version of the service; ask for it as png.",
        )
    pixels = read_image(stored)
    with service.metrics.encode_seconds.labels(format).time():
        data = service.marker.encode(pixels, claim, format)
    data = service.credentials.sign(data)
    return bytes_response(request, data, MEDIA_TYPES[format])


@router.head("/{set_id}/shards/{n}.tar", include_in_schema=False)
@router.get("/{set_id}/shards/{n}.tar", summary="A WebDataset shard", responses=FILE, response_class=Response)
def shard(
    request: Request,
    service: ServiceDep,
    known: CompleteSet,
    n: Annotated[int, PathParam(description="The shard's number, from 0.")],
) -> Response:
    """Up to 1000 samples: `NNNNNN.png`, `NNNNNN.json` (manifest line) and `NNNNNN.cls` (class index)."""
    shards = shard_count(known.images)
    if not 0 <= n < shards:
        raise Problem(
            ProblemType.SHARD_NOT_FOUND, f"There is no shard {n}; the image set has shards 0 to {shards - 1}."
        )
    write = partial(service.open_derived_files(known).shard, known.id, n)
    made = service.cache.get(f"{known.id}-{n:06d}.tar", write)
    return cached_file(request, made, "application/x-tar", f"{known.id[:16]}-{n:06d}.tar")


@router.head("/{set_id}/archive.zip", include_in_schema=False)
@router.get("/{set_id}/archive.zip", summary="Everything in one file", responses=FILE, response_class=Response)
def archive(request: Request, service: ServiceDep, known: CompleteSet) -> Response:
    """A zip of the images, the manifest and the request."""
    made = service.cache.get(f"{known.id}.zip", partial(service.open_derived_files(known).archive, known.id))
    return cached_file(request, made, "application/zip", f"{known.id[:16]}.zip")


@router.head("/{set_id}/sheet.png", include_in_schema=False)
@router.get("/{set_id}/sheet.png", summary="A contact sheet", responses=FILE, response_class=Response)
def sheet(
    request: Request,
    service: ServiceDep,
    known: CompleteSet,
    tile: Annotated[
        int | None,
        Query(
            ge=64,
            le=512,
            multiple_of=32,
            description="Side of each image in pixels, a multiple of 32; unset: as the images are, and 96 at least.",
        ),
    ] = None,
) -> Response:
    """The set at a glance: persons as rows and ages as columns, with condition and age, marked as synthetic."""
    made = service.cache.get(
        f"{known.id}-{tile or 0}.png", partial(service.open_derived_files(known).sheet, known.id, tile)
    )
    return cached_picture(request, service.credentials, made)
