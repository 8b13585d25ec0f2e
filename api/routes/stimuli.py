"""Survey packs of photographs: two counterbalanced versions, areas of interest, and the answer key."""

from __future__ import annotations

import time
from functools import partial

import anyio.to_thread
from fastapi import APIRouter, Depends, Request, Response

from api.access.api_keys import Caller
from api.access.ownership import Kind
from api.file_responses import Content, private_file
from api.photographs.request_audit import RequestAudit, TrailDep
from api.photographs.storage import PackRecord, new_id, now_ms
from api.problem_types import ProblemType
from api.problems import Problem, field_error
from api.representations import pack_path, stimuli_out
from api.request_headers import FILE, IdempotencyKey, Prefer, answered, json_body_only, problem, seconds_of
from api.resources import KnownPack, PhotosCaller, Resources, ServiceDep
from api.schemas import StimuliBody, StimuliOut

router = APIRouter(prefix="/v1/stimuli", tags=["stimuli"])


@router.post(
    "",
    status_code=202,
    response_model=StimuliOut,
    dependencies=[Depends(json_body_only)],
    summary="Make a survey pack",
    responses={
        200: {"model": StimuliOut, "description": "It is done, within `Prefer: wait`; or it failed: see `error`."},
        422: problem("A field cannot be; `errors` says which."),
    },
)
async def create(
    service: ServiceDep,
    caller: PhotosCaller,
    trail: TrailDep,
    body: StimuliBody,
    response: Response,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> StimuliOut:
    """Each version shows every person once, in one as reconstructed, in the other with another smile. The pack is
    erased when the first of its photographs is."""
    wait_s = seconds_of(prefer, service.settings.max_wait_s)
    deadline = time.monotonic() + (wait_s or 0)
    pack = await anyio.to_thread.run_sync(_begin, service, caller, trail, body, idempotency_key)
    response.headers["Location"] = pack_path(pack.id)
    return await answered(
        lambda: stimuli_out(service, service.photographs.pack(pack.id) or pack),
        response,
        wait_s,
        deadline,
    )


def _begin(service: Resources, caller: Caller, trail: RequestAudit, body: StimuliBody, key: str | None) -> PackRecord:
    trail.touch(service.photographs.purposes(body.photos))
    service.check_bytes(caller)
    with service.photographs.kept():
        return _begin_alone(service, caller, trail, body, key)


def _begin_alone(
    service: Resources, caller: Caller, trail: RequestAudit, body: StimuliBody, key: str | None
) -> PackRecord:
    if len(set(body.photos)) != len(body.photos):
        _refuse("photos", "one stands twice; name each once")
    photos = []
    for photo_id in body.photos:
        theirs = service.ownership.has(photo_id, Kind.PHOTO, caller.owner)
        photo = service.photographs.get(photo_id) if theirs else None
        if photo is None:
            raise Problem(
                ProblemType.PHOTO_NOT_FOUND, f"There is no photograph {photo_id[:64]!r}; it may have been erased."
            )
        photos.append(photo)
    if strange := sorted(set(body.groups) - set(body.photos)):
        _refuse("groups", f"{strange[0][:64]!r} is not among the photos")
    asked = body.model_dump(exclude_none=True)
    created = now_ms()
    expires = min(photo.expires_ms for photo in photos)
    pack_id = service.keys.claim(caller.owner, key, asked, new_id())
    if (known := service.photographs.pack(pack_id)) is not None:
        return known
    pack = PackRecord(pack_id, caller.owner, tuple(body.photos), asked, created, expires)
    try:
        trail.begin()
        service.photographs.add_pack(pack)
        service.ownership.give(pack.id, Kind.STIMULI, caller.owner)
        service.jobs.submit(Kind.STIMULI, pack.id, len(pack.photos), caller.owner)
    except BaseException:
        service.forget_pack(pack.id, caller)
        service.keys.forget(pack.id)
        raise
    return pack


def _refuse(field: str, message: str) -> None:
    raise Problem(ProblemType.REQUEST_INVALID, f"{field}: {message}", errors=[field_error(field, message)])


@router.get("/{pack_id}", response_model=StimuliOut, summary="A survey pack", responses={404: FILE[404]})
def show(service: ServiceDep, pack: KnownPack) -> StimuliOut:
    """State and progress; who was left out, and why."""
    return stimuli_out(service, pack)


@router.get("/{pack_id}/archive.zip", summary="The pack", responses=FILE, response_class=Response)
def archive(request: Request, service: ServiceDep, pack: KnownPack) -> Response:
    """A zip: A/ and B/ with blinded file names, areas.csv with the mouth in each, key/ with what must not be seen."""
    if pack.result is None:
        raise Problem(
            ProblemType.SURVEY_PACK_NOT_READY, "The pack is not done; wait for its job.", headers={"Retry-After": "1"}
        )
    files, name = service.photographs.files, service.photographs.pack_file(pack.id)
    content = Content(files.size(name), partial(files.read, name))
    return private_file(request, content, "application/zip", f"stimuli-{pack.id[:8]}.zip")


@router.delete("/{pack_id}", status_code=204, summary="Erase a survey pack", responses={404: FILE[404]})
def erase(service: ServiceDep, caller: PhotosCaller, pack: KnownPack) -> None:
    """The photographs stay."""
    service.forget_pack(pack.id, caller)
