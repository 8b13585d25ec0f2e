"""Photographs of people: send one, see how well it is reproduced, edit it, erase it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Final

import anyio.to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response

from api.access.api_keys import SERVICE, Caller
from api.access.ownership import Kind
from api.encryption.upload_file import SealedUploadFile
from api.file_responses import private_file, private_picture
from api.photographs.intake import FORMATS, Received, check_container, receive
from api.photographs.request_audit import RequestAudit, TrailDep
from api.photographs.storage import EditRecord, Photograph, new_id, now_ms
from api.problem_types import ProblemType
from api.problems import Problem, field_error
from api.representations import access_out, edit_out, edit_path, photo_out, photo_path, receipt_out
from api.request_headers import FILE, IdempotencyKey, Prefer, answered, json_body_only, problem, seconds_of
from api.resources import KnownPhoto, KnownPhotoEdit, PhotosCaller, Resources, ServiceDep
from api.routes.catalogue import model_named
from api.schemas import AccessList, EditBody, EditList, EditOut, PhotoOut, PhotoPage, ReceiptOut

router = APIRouter(prefix="/v1/photos", tags=["photographs"])

_PICTURES: Final = {"requestBody": {"required": True, "content": {kind: {} for kind in FORMATS.values()}}}


@router.post(
    "",
    status_code=202,
    response_model=PhotoOut,
    summary="Send a photograph",
    openapi_extra=_PICTURES,
    responses={
        200: {
            "model": PhotoOut,
            "description": "It is inverted, within `Prefer: wait`; or it was refused: see `error`.",
        },
        400: problem("The body is empty, or a header is malformed."),
        408: problem("Sending the body took too long."),
        413: problem("The body is too large."),
        415: problem("The body is no JPEG, PNG or WebP."),
        422: problem("A header or parameter is missing or cannot be; or the picture is broken, animated or too large."),
        429: problem("Too many jobs of yours wait or run."),
        503: problem("The weights are being loaded, or the queue is full; try again after `Retry-After` seconds."),
    },
)
async def send(
    request: Request,
    service: ServiceDep,
    caller: PhotosCaller,
    trail: TrailDep,
    response: Response,
    consent_reference: Annotated[
        str, Header(min_length=1, max_length=200, description="Your reference to the consent of the person shown.")
    ],
    purpose: Annotated[str, Header(min_length=1, max_length=200, description="What the photograph is used for.")],
    model: Annotated[
        str | None, Query(max_length=200, description="Generator from /v1/models; unset takes the first.")
    ] = None,
    keep_original: Annotated[
        bool, Query(description="Keep the file after it is inverted, until the photograph is erased.")
    ] = False,
    aligned: Annotated[bool, Query(description="It is an aligned square already.")] = False,
    ttl_s: Annotated[
        int | None, Query(ge=60, description="Erase everything after so many seconds; unset: the service's time.")
    ] = None,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> PhotoOut:
    """The body is the file itself. The face is found, aligned and inverted; then the file is deleted, unless
    `keep_original` asks otherwise. Every access is recorded (`…/accesses`); `DELETE` erases everything.
    """
    wait_s = seconds_of(prefer, service.settings.max_wait_s)
    deadline = time.monotonic() + (wait_s or 0)
    name, kept_s = await anyio.to_thread.run_sync(_terms, service, caller, model, ttl_s)
    photo_id = new_id()
    trail.touch({photo_id: service.photographs.purpose_of(purpose)})
    with service.photographs.aside() as aside:
        received = await receive(
            _body(request), aside, service.settings.max_photo_bytes, seconds=service.settings.body_timeout_s
        )
        created = now_ms()
        photo = Photograph(
            id=photo_id,
            owner=caller.owner,
            model=name,
            consent=consent_reference,
            purpose=purpose,
            keep_original=keep_original,
            aligned=aligned,
            created_ms=created,
            expires_ms=created + 1000 * kept_s,
            media_type=FORMATS[received.format],
        )
        known = await anyio.to_thread.run_sync(_begin, service, caller, trail, photo, received, aside, idempotency_key)
    response.headers["Location"] = photo_path(known.id)
    return await answered(lambda: _look(service, known), response, wait_s, deadline)


def _terms(service: Resources, caller: Caller, model: str | None, ttl_s: int | None) -> tuple[str, int]:
    """The name of the model for a photograph, and for how many seconds it is kept.

    Raises:
        Problem: the caller has no such model, may not keep anything for so long, or has no room.
    """
    service.check_bytes(caller)
    longest = service.photo_ttl_s(caller)
    if ttl_s is not None and ttl_s > longest:
        message = f"{ttl_s} s is too long; a photograph is kept for at most {longest} s here"
        raise Problem(
            ProblemType.REQUEST_INVALID,
            f"ttl_s: {message}",
            errors=[field_error("ttl_s", message, ttl_s, accepted={"le": longest})],
        )
    return model_named(service, caller, model).info.name, longest if ttl_s is None else ttl_s


async def _body(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        yield chunk


def _begin(
    service: Resources,
    caller: Caller,
    trail: RequestAudit,
    photo: Photograph,
    received: Received,
    aside: SealedUploadFile,
    key: str | None,
) -> Photograph:
    """Store a photograph and ask for its inversion; with a key that was used for it before, find that one.

    Raises:
        Problem: its file is broken or too large; the key was used for another; the queue is full.
        AuditError: that it comes cannot be recorded.
    """
    data = aside.read()
    check_container(data, received.format, service.settings.max_photo_pixels)
    with service.photographs.kept():
        return _begin_alone(service, caller, trail, photo, received.sha256, data, key)


def _begin_alone(
    service: Resources,
    caller: Caller,
    trail: RequestAudit,
    photo: Photograph,
    sha256: str,
    data: bytes,
    key: str | None,
) -> Photograph:
    asked: dict[str, object] = {
        "sha256": sha256,
        "model": photo.model,
        "consent": photo.consent,
        "purpose": photo.purpose,
    }
    asked |= {"keep_original": photo.keep_original, "aligned": photo.aligned}
    asked |= {"kept_ms": photo.expires_ms - photo.created_ms}
    first = service.keys.claim(caller.owner, key, asked, photo.id)
    if first != photo.id:
        if (known := service.photographs.get(first)) is not None:
            trail.photos = service.photographs.purposes([first])
            return known
        service.keys.forget(first)  # a crash left it
        service.keys.claim(caller.owner, key, asked, photo.id)
    try:
        trail.begin()
        service.photographs.add(photo)
        service.photographs.files.write(service.photographs.original(photo.id), data)
        service.ownership.give(photo.id, Kind.PHOTO, caller.owner)
        service.jobs.submit(Kind.PHOTO, photo.id, 1, caller.owner)
    except BaseException:
        service.forget_photo(photo.id, caller, "it was not accepted")
        service.keys.forget(photo.id)
        raise
    return photo


def _look(service: Resources, photo: Photograph) -> PhotoOut:
    return photo_out(service, service.photographs.get(photo.id) or photo)


@router.get("", response_model=PhotoPage, summary="List photographs", responses={422: problem("A bad page.")})
def index(
    service: ServiceDep,
    caller: PhotosCaller,
    trail: TrailDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Photographs on a page.")] = 20,
    after: Annotated[str, Query(max_length=64, description="The id that the page before ended with.")] = "",
) -> PhotoPage:
    """Your photographs, in the order of their ids."""
    ids, more = service.ownership.page(Kind.PHOTO, caller.owner, limit, after)
    found = [photo for photo in map(service.photographs.get, ids) if photo is not None]
    trail.touch(service.photographs.purposes([photo.id for photo in found]))
    return PhotoPage(
        items=[photo_out(service, photo) for photo in found],
        next=f"/v1/photos?limit={limit}&after={ids[-1]}" if more else None,
    )


@router.get("/{photo_id}", response_model=PhotoOut, summary="A photograph and its quality", responses={404: FILE[404]})
def show(service: ServiceDep, photo: KnownPhoto) -> PhotoOut:
    """State of its inversion, how well the face is reproduced, and links."""
    return photo_out(service, photo)


@router.delete("/{photo_id}", response_model=ReceiptOut, summary="Erase a photograph", responses={404: FILE[404]})
def erase(service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> ReceiptOut:
    """Erases the original, crop, latents, offsets, reconstruction, edits, and the survey packs that it is in; answers
    with a receipt. What remains is the audit record, without pixels."""
    receipt = service.forget_photo(photo.id, caller, "it was asked for")
    if receipt is None:
        raise Problem(ProblemType.PHOTO_NOT_FOUND, f"The photograph {photo.id} was erased by another request.")
    return receipt_out(receipt)


@router.get("/{photo_id}/accesses", response_model=AccessList, summary="Who did what", responses={404: FILE[404]})
def accesses(service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> AccessList:
    """What your keys and the service itself did with the photograph before this request, the oldest first."""
    found = service.audit.entries(
        photo=photo.id, owners=(caller.owner, SERVICE.owner), outcomes=("done", "refused", "failed")
    )
    return AccessList(items=[access_out(entry) for entry in found])


@router.get("/{photo_id}/original", summary="The file that was sent", responses=FILE, response_class=Response)
def original(request: Request, service: ServiceDep, photo: KnownPhoto) -> Response:
    """Only where it was asked to be kept."""
    data = service.photographs.files.find(service.photographs.original(photo.id)) if photo.keep_original else None
    if data is None:
        raise Problem(
            ProblemType.ORIGINAL_NOT_KEPT,
            "The file that was sent is not kept; send it with `keep_original=true` where it should be.",
        )
    return private_file(request, data, photo.media_type, name=f"{photo.id}.{photo.media_type.rpartition('/')[2]}")


@router.get("/{photo_id}/crop.png", summary="The aligned face", responses=FILE, response_class=Response)
def crop(request: Request, service: ServiceDep, photo: KnownPhoto) -> Response:
    """What was inverted."""
    return private_file(request, _made(service, photo, "crop.png"), "image/png")


@router.get("/{photo_id}/reconstruction.png", summary="The reconstruction", responses=FILE, response_class=Response)
def reconstruction(request: Request, service: ServiceDep, photo: KnownPhoto) -> Response:
    """The face as the generator reproduces it, which edits are to be compared with."""
    return private_picture(request, service.credentials, _made(service, photo, "reconstruction.png"))


def _made(service: Resources, photo: Photograph, name: str) -> bytes:
    if photo.quality is None:
        raise Problem(
            ProblemType.PHOTO_NOT_READY,
            f"The photograph is not inverted: {photo.error or 'wait for its job'}.",
            headers={"Retry-After": "1"},
        )
    return stored(service, f"{service.photographs.folder(photo.id)}/{name}")


@router.post(
    "/{photo_id}/edits",
    status_code=202,
    response_model=EditOut,
    dependencies=[Depends(json_body_only)],
    summary="Edit the face",
    responses={
        200: {"model": EditOut, "description": "It is done, within `Prefer: wait`; or it failed: see `error`."},
        404: FILE[404],
        409: problem("The photograph is not inverted yet, or could not be."),
        422: problem("A field cannot be; `errors` says which."),
    },
)
async def edit(
    service: ServiceDep,
    caller: PhotosCaller,
    trail: TrailDep,
    photo: KnownPhoto,
    body: EditBody,
    response: Response,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> EditOut:
    """A smile to reach, or a strength along a direction; measured before and after, with a verdict."""
    if photo.quality is None:
        raise Problem(
            ProblemType.PHOTO_NOT_READY,
            f"The photograph is not inverted: {photo.error or 'wait for its job'}.",
            headers={"Retry-After": "1"},
        )
    await anyio.to_thread.run_sync(trail.begin)
    return await edited(service, caller, (photo.id, None, photo.model), body, response, prefer, idempotency_key)


async def edited(
    service: Resources,
    caller: Caller,
    of: tuple[str, int | None, str],
    body: EditBody,
    response: Response,
    prefer: str | None,
    key: str | None,
) -> EditOut:
    """Ask for an edit, and wait for it as long as is wanted.

    Args:
        of: id of the photograph, or of the set and the image's place in it; and the name of the model.
    """
    parent, number, model = of
    wait_s = seconds_of(prefer, service.settings.max_wait_s)
    deadline = time.monotonic() + (wait_s or 0)

    def ask() -> EditRecord:
        service.check_bytes(caller)
        _check_direction(service, model, body)
        with service.photographs.kept():
            return ask_alone()

    def ask_alone() -> EditRecord:
        if number is None and service.photographs.get(parent) is None:
            raise Problem(ProblemType.PHOTO_NOT_FOUND, f"The photograph {parent} was erased by another request.")
        asked = body.asked()
        record = EditRecord(new_id(), caller.owner, parent, number, asked, now_ms())
        first = service.keys.claim(caller.owner, key, asked | {"parent": parent, "number": number}, record.id)
        if (known := service.photographs.edit(first)) is not None:
            return known
        record = EditRecord(first, caller.owner, parent, number, asked, record.created_ms)
        service.photographs.add_edit(record)
        service.ownership.give(record.id, Kind.EDIT, caller.owner)
        try:
            service.jobs.submit(Kind.EDIT, record.id, 1, caller.owner)
        except BaseException:
            service.photographs.drop_edit(record)
            service.ownership.take(record.id)
            service.keys.forget(record.id)
            raise
        return record

    record = await anyio.to_thread.run_sync(ask)
    response.headers["Location"] = edit_path(record)
    return await answered(
        lambda: edit_out(service, service.photographs.edit(record.id) or record),
        response,
        wait_s,
        deadline,
    )


def _check_direction(service: Resources, model: str, body: EditBody) -> None:
    """Raises a Problem, 422, where the generator has no such direction."""
    known = [direction.name for direction, _ in service.worker.models.named(model).directions()]
    if body.direction not in known:
        message = f"{model} has no direction {body.direction!r}; " + (
            f"expected one of {', '.join(known)}" if known else "nothing can be edited with it: take another model"
        )
        raise Problem(
            ProblemType.REQUEST_INVALID,
            f"direction: {message}",
            errors=[field_error("direction", message, body.direction, accepted=known)],
        )


@router.get("/{photo_id}/edits", response_model=EditList, summary="List edits", responses={404: FILE[404]})
def edits(service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> EditList:
    """Every edit of the photograph."""
    found = service.photographs.edits_of(photo.id, None, caller.owner)
    return EditList(items=[edit_out(service, one) for one in found])


@router.get("/{photo_id}/edits/{edit_id}", response_model=EditOut, summary="An edit", responses={404: FILE[404]})
def show_edit(service: ServiceDep, edit: KnownPhotoEdit) -> EditOut:
    """State, and what came of it."""
    return edit_out(service, edit)


@router.get("/{photo_id}/edits/{edit_id}/image.png", summary="The edited face", responses=FILE, response_class=Response)
def edited_image(request: Request, service: ServiceDep, edit: KnownPhotoEdit) -> Response:
    """A PNG that says that it is edited, and how."""
    return private_picture(request, service.credentials, finished(service, edit))


@router.get(
    "/{photo_id}/edits/{edit_id}/before.png", summary="The same unedited", responses=FILE, response_class=Response
)
def unedited_image(request: Request, service: ServiceDep, edit: KnownPhotoEdit) -> Response:
    """The face as reconstructed, from the same latent and offsets."""
    return private_picture(request, service.credentials, finished(service, edit, before=True))


def finished(service: Resources, edit: EditRecord, *, before: bool = False) -> bytes:
    """The picture of an edit, or of the same face unedited.

    Raises:
        Problem: 409, there is none yet.
    """
    if edit.result is None:
        raise Problem(
            ProblemType.EDIT_NOT_READY, "The edit is not done; wait for its job.", headers={"Retry-After": "1"}
        )
    photographs = service.photographs
    return stored(service, photographs.before_file(edit) if before else photographs.edit_file(edit))


def stored(service: Resources, name: str) -> bytes:
    """A file.

    Raises:
        Problem: 404, it was erased since it was looked up.
    """
    data = service.photographs.files.find(name)
    if data is None:
        raise Problem(ProblemType.PHOTO_NOT_FOUND, "It was erased by another request.")
    return data
