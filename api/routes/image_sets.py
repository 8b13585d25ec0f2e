"""Routes of image sets: create one, follow it, fetch its files, delete it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParam

from api.access.api_keys import Caller
from api.access.key_turns import leave_turn
from api.access.ownership import Kind
from api.dependencies import CompleteSet, ImageSetsCaller, KnownImage, KnownSet, ServiceDep, find_model
from api.documented_responses import FILE, problem
from api.file_responses import bytes_response, cached_file, cached_picture, picture
from api.image_sets.derived_files import shard_count
from api.image_sets.estimates import estimate_set
from api.image_sets.scoring import settle_scores
from api.image_sets.storage import StoredRequest
from api.job_answers import JobAnswer, JobAnswerDep
from api.jobs.job_list import Job
from api.json_bodies import JsonBodyRoute
from api.models.model import RenderPlan
from api.photographs.records import ErasureCause
from api.problem_types import ProblemType
from api.problems import Problem, convert_request_error
from api.provenance.marks import MEDIA_TYPES, ImageFormat, read_claim
from api.representations import describe_complete_set, describe_image_set, set_path
from api.resources import Resources
from api.schemas.image_sets import ImageSetBody, ImageSetEstimate, ImageSetOut, ImageSetPage
from core.errors import ImageSetTooLargeError, RequestError
from faces.images import read_image
from faces.printed_sheets import Paper

router = APIRouter(prefix="/v1/image-sets", tags=["image sets"], route_class=JsonBodyRoute)

_POLL_S: Final = 0.05
_log = logging.getLogger("gestaltgen.image_sets")


@router.post(
    "",
    status_code=202,
    response_model=ImageSetOut,
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
    answer: JobAnswerDep,
) -> ImageSetOut:
    """Request an image set. The same request always gives the same set, from the store if it is there already.

    Answers 202 with the set and its job (`links.job`), or 200 if the set is complete. A small set that the caller waits
    for is rendered at once, without a job. A set whose job failed or was cancelled continues where it stopped. Images
    that are already in other sets, for example because the count was increased, are not rendered again.
    """
    with service.work.admit(caller.owner):
        while service.worker.loading and time.monotonic() < answer.deadline:
            await anyio.sleep(_POLL_S)
        asked = await service.work.run(caller.owner, _begin, service, caller, body, answer)
        known, path = asked.known, set_path(asked.known.id)
        if asked.plan is not None and await _make_now(service, caller.owner, asked, asked.plan, answer.deadline):
            answer.finish(path, done=True)
            return describe_complete_set(known, asked.latest)
        found = await answer.wait(known.id, path, lambda: describe_image_set(service, known))
    answer.finish(path, done=found.state == "done")
    return found


@router.post(
    "/estimate",
    response_model=ImageSetEstimate,
    summary="What an image set would take",
    responses={
        400: problem("The body is not JSON, or a header is malformed."),
        422: problem("A field cannot be; `errors` says which, and what is accepted."),
        503: problem("The weights are still being loaded; try again after `Retry-After` seconds."),
    },
)
async def estimate(service: ServiceDep, caller: ImageSetsCaller, body: ImageSetBody) -> ImageSetEstimate:
    """Checks a request as `POST /v1/image-sets` does, and says how many images it is, and about how many seconds and
    bytes they take. Nothing is stored, and no job begins."""
    return await service.work.run(caller.owner, _estimate, service, caller, body)


def _estimate(service: Resources, caller: Caller, body: ImageSetBody) -> ImageSetEstimate:
    plan = _plan(service, caller, body)
    model = service.worker.models.find(plan.model).info
    renderings = len(plan.rows) * (1 if plan.draws is None else 2)  # a filtered set is rendered twice, at least
    about = estimate_set(model, renderings, service.metrics.measure_image_seconds(plan.model))
    theirs = service.ownership.has(plan.id, Kind.IMAGE_SET, caller.owner)
    complete = theirs and service.store.is_complete(plan.id)
    return ImageSetEstimate(
        id=plan.id,
        images=len(plan.rows),
        complete=complete,
        seconds=0 if complete else about.seconds,
        size_bytes=about.size_bytes * len(plan.rows) // renderings,
        measured=about.measured,
        request=dict(plan.resolved),
    )


@dataclass(frozen=True)
class _AskedSet:
    """A request for an image set that is written down.

    Attributes:
        known: the request.
        new: whether its owner did not have the set before.
        latest: last job of the set until then; None if there was none.
        plan: plan of a set that is to be made at once; None where a job makes it.
    """

    known: StoredRequest
    new: bool
    latest: Job | None
    plan: RenderPlan | None


def _begin(service: Resources, caller: Caller, body: ImageSetBody, answer: JobAnswer) -> _AskedSet:
    """Check a request, write it down, and submit its job unless the set can be made at once.

    Raises:
        Problem: it is refused, and nothing of it is stored.
    """
    plan, owner = _plan(service, caller, body), caller.owner
    latest = service.sets.find_latest_job(plan.id)
    now = bool(answer.wait_s) and service.sets.can_be_made_now(plan, latest)
    if not service.store.is_complete(plan.id):
        service.check_bytes(caller)
        if not now:
            service.jobs.check_room(Kind.IMAGE_SET, plan.id, len(plan.rows), owner)
    service.keys.claim(owner, answer.idempotency_key, plan.resolved, plan.id)
    known, new = service.sets.ask(plan, owner)
    asked = _AskedSet(known, new, latest, plan if now else None)
    if not now:
        _submit(service, owner, asked)
    return asked


def _submit(service: Resources, owner: str, asked: _AskedSet) -> None:
    """Submit the job of a set; what is written down is taken back if it is refused."""
    try:
        service.sets.submit(asked.known, owner)
    except Problem:
        _withdraw(service, owner, asked)
        raise


def _withdraw(service: Resources, owner: str, asked: _AskedSet) -> None:
    if asked.new:
        service.keys.forget(asked.known.id, owner)
        service.sets.withdraw(asked.known.id, owner)


async def _make_now(service: Resources, owner: str, asked: _AskedSet, plan: RenderPlan, deadline: float) -> bool:
    """Make a small set; a job goes on with it where that takes too long.

    Returns:
        Whether it is made.
    """
    leave_turn()
    thread = anyio.CapacityLimiter(1)  # its own: what waits for the model must not hold up other requests
    try:
        with anyio.move_on_after(deadline - time.monotonic()):
            await anyio.to_thread.run_sync(service.sets.make_now, plan, abandon_on_cancel=True, limiter=thread)
            return True
    except Problem:
        await service.work.run(owner, _withdraw, service, owner, asked)
        raise
    await service.work.run(owner, _submit, service, owner, asked)
    return False


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
        named = {"precision": service.settings.precision, "model": model.info.name} | asked
        return model.plan(settle_scores(named, model.info, service.classifiers), limit)
    except RequestError as error:
        raise convert_request_error(error, asked, names) from error


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
    """Deletes the set with its files, your edits and explanations of its images and its Idempotency-Keys, and cancels
    its job. If another owner asked for the same set, they keep it, and only these and your access to it go."""
    for edit in service.edits.list_of_parent(known.id):
        if edit.owner == caller.owner:
            service.eraser.erase_edit(edit)
            service.registry.forget(edit.id)
    for explanation in service.explanations.list_of_parent(known.id):
        if explanation.owner == caller.owner:
            service.eraser.erase_derived(explanation, caller, ErasureCause.REQUESTED)
            service.registry.forget(explanation.id)
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


@router.head("/{set_id}/selection.json", include_in_schema=False)
@router.get("/{set_id}/selection.json", summary="What a filter kept", responses=FILE, response_class=Response)
def selection(request: Request, service: ServiceDep, known: CompleteSet) -> Response:
    """Numbers of persons `drawn`, `kept`, and `refused` by each minimum; `left_out` lists up to 1000 with their scores.

    `request` names the seeds of the images that were kept: post it, here or to any service with the same generator, and
    you get the same images without a filter."""
    stored = _find_selection(service, known)
    shown = {name: value for name, value in stored.items() if name != "scores"}  # which the manifest has
    return bytes_response(request, json.dumps(shown).encode(), "application/json")


@router.head("/{set_id}/left-out.png", include_in_schema=False)
@router.get("/{set_id}/left-out.png", summary="What a filter left out", responses=FILE, response_class=Response)
def left_out(request: Request, service: ServiceDep, known: CompleteSet) -> Response:
    """The first images that each minimum of a filtered set refused, a row for each."""
    _find_selection(service, known)
    sheet = service.store.read_left_out(known.id)
    if sheet is None:
        raise Problem(ProblemType.SELECTION_NOT_FOUND, "Every image that was drawn passed; nothing was left out.")
    return picture(request, service.credentials, sheet)


def _find_selection(service: Resources, known: StoredRequest) -> Mapping[str, Any]:
    stored = service.store.read_selection(known.id)
    if stored is None:
        raise Problem(
            ProblemType.SELECTION_NOT_FOUND, "The image set was asked for without a minimum; nothing was left out."
        )
    return stored


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
async def shard(
    request: Request,
    service: ServiceDep,
    caller: ImageSetsCaller,
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
    made = await service.work.run(caller.owner, service.cache.get, f"{known.id}-{n:06d}.tar", write)
    return cached_file(request, made, "application/x-tar", f"{known.id[:16]}-{n:06d}.tar")


@router.head("/{set_id}/archive.zip", include_in_schema=False)
@router.get("/{set_id}/archive.zip", summary="Everything in one file", responses=FILE, response_class=Response)
async def archive(request: Request, service: ServiceDep, caller: ImageSetsCaller, known: CompleteSet) -> Response:
    """A zip of the images, the manifest and the request."""
    write = partial(service.open_derived_files(known).archive, known.id)
    made = await service.work.run(caller.owner, service.cache.get, f"{known.id}.zip", write)
    return cached_file(request, made, "application/zip", f"{known.id[:16]}.zip")


@router.head("/{set_id}/sheet.png", include_in_schema=False)
@router.get("/{set_id}/sheet.png", summary="A contact sheet", responses=FILE, response_class=Response)
async def sheet(
    request: Request,
    service: ServiceDep,
    caller: ImageSetsCaller,
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
    write = partial(service.open_derived_files(known).sheet, known.id, tile)
    made = await service.work.run(caller.owner, service.cache.get, f"{known.id}-{tile or 0}.png", write)
    return await service.work.run(caller.owner, cached_picture, request, service.credentials, made)


@router.head("/{set_id}/sheet.pdf", include_in_schema=False)
@router.get("/{set_id}/sheet.pdf", summary="A sheet to print", responses=FILE, response_class=Response)
async def printed_sheet(
    request: Request,
    service: ServiceDep,
    caller: ImageSetsCaller,
    known: CompleteSet,
    paper: Annotated[Paper, Query(description="`a4`: upright pages; `slide`: pages of 16:9.")] = "a4",
    columns: Annotated[
        int | None,
        Query(ge=1, le=12, description="Images side by side; unset: one for each age group of the set."),
    ] = None,
) -> Response:
    """The set as a PDF of at most 20 pages, with captions that can be selected. Each page says that the images are
    synthetic, and names the set and the weights. Images have their own pixels, or 300 for each inch where those are
    fewer."""
    write = partial(service.open_derived_files(known).printed_sheet, known.id, paper, columns)
    name = f"{known.id}-{paper}-{columns or 0}.pdf"
    made = await service.work.run(caller.owner, service.cache.get, name, write)
    return cached_file(request, made, "application/pdf", f"{known.id[:16]}-{paper}.pdf")
