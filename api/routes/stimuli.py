"""Routes of survey packs: two counterbalanced versions, areas of interest, and the answer key."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.access.api_keys import Caller
from api.access.ownership import Kind
from api.dependencies import KnownPack, PhotosCaller, ServiceDep, find_photograph
from api.documented_responses import FILE, problem
from api.file_responses import Content, private_file
from api.job_answers import JobAnswerDep
from api.json_bodies import JsonBodyRoute
from api.operations.clock import now_ms
from api.photographs.inversion_effort import InversionEffort, check_effort
from api.photographs.records import ErasureCause, PackRecord, new_id
from api.photographs.request_audit import RequestAudit, RequestAuditDep
from api.photographs.survey_packs import Version
from api.problem_types import ProblemType
from api.problems import Problem, make_field_problem
from api.representations import describe_survey_pack, pack_path
from api.resources import Resources
from api.schemas.stimuli import StimuliBody, StimuliOut, StimuliPage

router = APIRouter(prefix="/v1/stimuli", tags=["stimuli"], route_class=JsonBodyRoute)


@router.post(
    "",
    status_code=202,
    response_model=StimuliOut,
    operation_id="create_v1_stimuli_post",
    summary="Make a survey pack",
    responses={
        200: {"model": StimuliOut, "description": "It is done, within `Prefer: wait`; or it failed: see `error`."},
        422: problem("A field cannot be; `errors` says which."),
    },
)
async def create_survey_pack(
    service: ServiceDep,
    caller: PhotosCaller,
    request_audit: RequestAuditDep,
    body: StimuliBody,
    answer: JobAnswerDep,
) -> StimuliOut:
    """Each version shows every person once, in one as reconstructed, in the other with another smile. The pack is
    erased when the first of its photographs is."""
    with service.work.admit(caller.owner):
        pack = await service.work.run(
            caller.owner, _submit, service, caller, request_audit, body, answer.idempotency_key
        )
        return await answer.wait(
            pack.id,
            pack_path(pack.id),
            lambda: describe_survey_pack(service, service.survey_packs.get(pack.id) or pack),
        )


@router.get(
    "",
    response_model=StimuliPage,
    operation_id="index_v1_stimuli_get",
    summary="List survey packs",
    responses={422: problem("A bad page.")},
)
def list_survey_packs(
    service: ServiceDep,
    caller: PhotosCaller,
    request_audit: RequestAuditDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Survey packs on a page.")] = 20,
    after: Annotated[str, Query(max_length=64, description="The id that the page before ended with.")] = "",
) -> StimuliPage:
    """Your survey packs, in the order of their ids."""
    ids, more = service.ownership.page(Kind.STIMULI, caller.owner, limit, after)
    packs = [pack for pack in map(service.survey_packs.get, ids) if pack is not None]
    request_audit.touch(service.photographs.find_purposes([photo for pack in packs for photo in pack.photos]))
    return StimuliPage(
        items=[describe_survey_pack(service, pack) for pack in packs],
        next=f"/v1/stimuli?limit={limit}&after={ids[-1]}" if more else None,
    )


def _submit(
    service: Resources, caller: Caller, request_audit: RequestAudit, body: StimuliBody, key: str | None
) -> PackRecord:
    """Store a survey pack and submit its job; or return the one that was asked for with the same key before.

    Raises:
        Problem: a field is wrong; a photograph is not the caller's; the key was used for another request; the queue is
            full; there is no room.
        AuditError: the access cannot be recorded.
    """
    request_audit.touch(service.photographs.find_purposes(body.photos))
    service.check_bytes(caller)
    with service.eraser.block_erasure():
        return _store(service, caller, request_audit, body, key)


def _store(
    service: Resources, caller: Caller, request_audit: RequestAudit, body: StimuliBody, key: str | None
) -> PackRecord:
    if len(set(body.photos)) != len(body.photos):
        raise make_field_problem("photos", "one stands twice; name each once")
    photos = [find_photograph(service, caller, photo_id) for photo_id in body.photos]
    if strange := sorted(set(body.groups) - set(body.photos)):
        raise make_field_problem("groups", f"{strange[0][:64]!r} is not among the photos")
    asked = body.model_dump(exclude_none=True)
    effort = InversionEffort.read(asked)
    if effort.method is None and (effort.steps or effort.seconds):
        raise make_field_problem("method", "steps and seconds without a method; set method to tuning")
    if effort.method is not None:
        for model in {photo.model for photo in photos}:
            check_effort(service.worker.models.find(model).info, effort)
    created = now_ms()
    expires = min(photo.expires_ms for photo in photos)
    pack_id = service.keys.claim(caller.owner, key, asked, new_id())
    if (known := service.survey_packs.get(pack_id)) is not None:
        return known
    service.check_room(caller, Kind.STIMULI, pack_id, len(photos))
    pack = PackRecord(pack_id, caller.owner, tuple(body.photos), asked, created, expires)
    try:
        request_audit.begin()
        service.survey_packs.add(pack)
        service.ownership.give(pack.id, Kind.STIMULI, caller.owner)
        service.jobs.submit(Kind.STIMULI, pack.id, len(pack.photos), caller.owner)
    except BaseException:
        service.eraser.erase_pack(pack.id, caller, ErasureCause.NOT_ACCEPTED)
        service.keys.forget(pack.id)
        raise
    return pack


@router.get(
    "/{pack_id}",
    response_model=StimuliOut,
    operation_id="show_v1_stimuli__pack_id__get",
    summary="A survey pack",
    responses={404: FILE[404]},
)
def show_survey_pack(service: ServiceDep, pack: KnownPack) -> StimuliOut:
    """State and progress; who was left out, and why."""
    return describe_survey_pack(service, pack)


@router.get(
    "/{pack_id}/archive.zip",
    operation_id="archive_v1_stimuli__pack_id__archive_zip_get",
    summary="The pack",
    responses=FILE,
    response_class=Response,
)
def download_survey_pack(request: Request, service: ServiceDep, pack: KnownPack) -> Response:
    """A zip: A/ and B/ with blinded file names, areas.csv with the areas of interest, and key/ with the answer key,
    which participants must not see."""
    check_pack_done(pack)
    files, name = service.survey_packs.files, service.survey_packs.archive_path(pack.id)
    content = Content(files.size(name), partial(files.read, name))
    return private_file(request, content, "application/zip", f"stimuli-{pack.id[:8]}.zip")


@router.get(
    "/{pack_id}/versions/{version}/{n}.png",
    summary="A picture of a survey",
    responses=FILE,
    response_class=Response,
)
def show_survey_picture(
    request: Request,
    service: ServiceDep,
    pack: KnownPack,
    version: Annotated[Version, Path(description="Version of the survey.")],
    n: Annotated[int, Path(description="The picture's place in the version, from 1.")],
) -> Response:
    """A picture as the participants see it: the person as reconstructed, or edited."""
    check_pack_done(pack)
    png = service.survey_packs.read_picture(pack.id, version, n)
    if png is None:
        raise Problem(
            ProblemType.IMAGE_NOT_FOUND,
            f"There is no picture {n}; version {version} has pictures 1 to {(pack.result or {})['people']}.",
        )
    return private_file(request, png, "image/png")


def check_pack_done(pack: PackRecord) -> None:
    """Check that the files of a survey pack can be served.

    Raises:
        Problem: 409.
    """
    if pack.result is None:
        raise Problem(
            ProblemType.SURVEY_PACK_NOT_READY, "The pack is not done; wait for its job.", headers={"Retry-After": "1"}
        )


@router.delete(
    "/{pack_id}",
    status_code=204,
    operation_id="erase_v1_stimuli__pack_id__delete",
    summary="Erase a survey pack",
    responses={404: FILE[404]},
)
def erase_survey_pack(service: ServiceDep, caller: PhotosCaller, pack: KnownPack) -> None:
    """The photographs stay."""
    service.eraser.erase_pack(pack.id, caller, ErasureCause.REQUESTED)
