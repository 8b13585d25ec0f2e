"""Routes of edits, of photographs and of images of sets; synthetic faces need no consent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from api.access.api_keys import Caller
from api.access.ownership import Kind
from api.dependencies import (
    ImageSetsCaller,
    KnownImage,
    KnownImageEdit,
    KnownPhoto,
    KnownPhotoEdit,
    PhotosCaller,
    ServiceDep,
    check_inverted,
    check_not_erased,
)
from api.documented_responses import FILE, problem
from api.file_responses import picture, private_picture, read_private_file
from api.job_answers import JobAnswer, JobAnswerDep
from api.json_bodies import JsonBodyRoute
from api.models.model import check_editing_installed
from api.operations.clock import now_ms
from api.photographs.inversion_effort import InversionEffort, check_effort
from api.photographs.records import (
    EditRecord,
    FaceReference,
    PhotographFace,
    SyntheticFace,
    face_columns,
    new_id,
)
from api.photographs.request_audit import RequestAuditDep
from api.problem_types import ProblemType
from api.problems import Problem, make_field_problem
from api.representations import describe_edit, edit_path
from api.resources import Resources
from api.schemas.edits import EditBody, EditList, EditOut

_OF_PHOTOGRAPHS: Final = APIRouter(
    prefix="/v1/photos/{photo_id}/edits", tags=["photographs"], route_class=JsonBodyRoute
)
_OF_IMAGES: Final = APIRouter(
    prefix="/v1/image-sets/{set_id}/images/{n}/edits", tags=["image sets"], route_class=JsonBodyRoute
)

_POST_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": EditOut, "description": "It is done, within `Prefer: wait`; or it failed: see `error`."},
    404: FILE[404],
    422: problem("A field cannot be; `errors` says which."),
}


@_OF_PHOTOGRAPHS.post(
    "",
    status_code=202,
    response_model=EditOut,
    operation_id="edit_v1_photos__photo_id__edits_post",
    summary="Edit the face",
    responses=_POST_RESPONSES | {409: problem("The photograph is not inverted yet, or could not be.")},
)
async def edit_photograph(
    service: ServiceDep,
    caller: PhotosCaller,
    request_audit: RequestAuditDep,
    photo: KnownPhoto,
    body: EditBody,
    answer: JobAnswerDep,
) -> EditOut:
    """A smile to reach, or a strength along a direction; measured before and after, with a verdict."""
    check_inverted(photo)
    await anyio.to_thread.run_sync(request_audit.begin)
    request = _EditRequest(service, caller, PhotographFace(photo.id), photo.model, body, answer.idempotency_key)
    return await _wait_for_edit(request, answer)


@_OF_PHOTOGRAPHS.get(
    "",
    response_model=EditList,
    operation_id="edits_v1_photos__photo_id__edits_get",
    summary="List edits",
    responses={404: FILE[404]},
)
def list_edits_of_photograph(service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> EditList:
    """All edits of the photograph."""
    edits = service.edits.list_of_face(PhotographFace(photo.id), caller.owner)
    return EditList(items=[describe_edit(service, one) for one in edits])


@_OF_PHOTOGRAPHS.get(
    "/{edit_id}",
    response_model=EditOut,
    operation_id="show_edit_v1_photos__photo_id__edits__edit_id__get",
    summary="An edit",
    responses={404: FILE[404]},
)
def show_edit_of_photograph(service: ServiceDep, edit: KnownPhotoEdit) -> EditOut:
    """State, and measured figures."""
    return describe_edit(service, edit)


@_OF_PHOTOGRAPHS.get(
    "/{edit_id}/image.png",
    operation_id="edited_image_v1_photos__photo_id__edits__edit_id__image_png_get",
    summary="The edited face",
    responses=FILE,
    response_class=Response,
)
def download_edited_photograph(request: Request, service: ServiceDep, edit: KnownPhotoEdit) -> Response:
    """A PNG that says that it is edited, and how."""
    return private_picture(request, service.credentials, _read_picture(service, edit))


@_OF_PHOTOGRAPHS.get(
    "/{edit_id}/before.png",
    operation_id="unedited_image_v1_photos__photo_id__edits__edit_id__before_png_get",
    summary="The same unedited",
    responses=FILE,
    response_class=Response,
)
def download_unedited_photograph(request: Request, service: ServiceDep, edit: KnownPhotoEdit) -> Response:
    """The face as reconstructed, from the same latent and offsets."""
    return private_picture(request, service.credentials, _read_picture(service, edit, before=True))


@_OF_IMAGES.post(
    "",
    status_code=202,
    response_model=EditOut,
    operation_id="edit_v1_image_sets__set_id__images__n__edits_post",
    summary="Edit a synthetic face",
    responses=_POST_RESPONSES
    | {409: problem("The image set is not complete yet, or its weights are not served any more.")},
)
async def edit_image(
    service: ServiceDep,
    caller: ImageSetsCaller,
    image: KnownImage,
    body: EditBody,
    answer: JobAnswerDep,
) -> EditOut:
    """A smile to reach, or a strength along a direction; measured before and after, with a verdict."""
    known, n = image
    model = service.worker.models.find_by_weights(str(known.resolved["weights_sha256"]))
    if model is None:
        raise Problem(
            ProblemType.WEIGHTS_NOT_SERVED, "The image set was made with weights that are not served any more."
        )
    request = _EditRequest(service, caller, SyntheticFace(known.id, n), model.info.name, body, answer.idempotency_key)
    return await _wait_for_edit(request, answer)


@_OF_IMAGES.get(
    "",
    response_model=EditList,
    operation_id="edits_v1_image_sets__set_id__images__n__edits_get",
    summary="List edits",
    responses={404: FILE[404]},
)
def list_edits_of_image(service: ServiceDep, caller: ImageSetsCaller, image: KnownImage) -> EditList:
    """Your edits of the image."""
    known, n = image
    edits = service.edits.list_of_face(SyntheticFace(known.id, n), caller.owner)
    return EditList(items=[describe_edit(service, one) for one in edits])


@_OF_IMAGES.get(
    "/{edit_id}",
    response_model=EditOut,
    operation_id="show_v1_image_sets__set_id__images__n__edits__edit_id__get",
    summary="An edit",
    responses={404: FILE[404]},
)
def show_edit_of_image(service: ServiceDep, edit: KnownImageEdit) -> EditOut:
    """State, and measured figures."""
    return describe_edit(service, edit)


@_OF_IMAGES.get(
    "/{edit_id}/image.png",
    operation_id="image_file_v1_image_sets__set_id__images__n__edits__edit_id__image_png_get",
    summary="The edited face",
    responses=FILE,
    response_class=Response,
)
def download_edited_image(request: Request, service: ServiceDep, edit: KnownImageEdit) -> Response:
    """A PNG that says that it is synthetic, and how it was edited."""
    return picture(request, service.credentials, _read_picture(service, edit))


@_OF_IMAGES.get(
    "/{edit_id}/before.png",
    operation_id="before_file_v1_image_sets__set_id__images__n__edits__edit_id__before_png_get",
    summary="The same unedited",
    responses=FILE,
    response_class=Response,
)
def download_unedited_image(request: Request, service: ServiceDep, edit: KnownImageEdit) -> Response:
    """The face as it was."""
    return picture(request, service.credentials, _read_picture(service, edit, before=True))


@dataclass(frozen=True)
class _EditRequest:
    """A request for an edit, of a photograph or of an image.

    Attributes:
        face: the face to edit.
        model: name of its generator.
        key: the Idempotency-Key.
    """

    service: Resources
    caller: Caller
    face: FaceReference
    model: str
    body: EditBody
    key: str | None

    def submit(self) -> EditRecord:
        """Store the edit and submit its job; or return the edit that was asked for with the same key before.

        Raises:
            Problem: the direction is unknown; the photograph was erased; the key was used for another request; the
                queue is full; there is no room.
        """
        self.service.check_bytes(self.caller)
        self._check_direction()
        self._check_effort()
        with self.service.eraser.block_erasure():
            return self._store()

    def _store(self) -> EditRecord:
        service, face, owner = self.service, self.face, self.caller.owner
        if isinstance(face, PhotographFace):
            check_not_erased(service, face.photo)
        asked = self.body.dump_fields()
        edit_id = service.keys.claim(owner, self.key, asked | face_columns(face), new_id())
        if (known := service.edits.get(edit_id)) is not None:
            return known
        service.check_room(self.caller, Kind.EDIT, edit_id, 1)
        record = EditRecord(edit_id, owner, face, asked, now_ms())
        service.edits.add(record)
        service.ownership.give(record.id, Kind.EDIT, owner)
        try:
            service.jobs.submit(Kind.EDIT, record.id, 1, owner)
        except BaseException:
            service.eraser.erase_edit(record)
            raise
        return record

    def _check_direction(self) -> None:
        """Raise a Problem, 422, if the generator does not have the direction; 503 if PyTorch is not installed."""
        check_editing_installed()
        direction, model = self.body.direction, self.model
        served = self.service.worker.models.find(model)
        known = [direction.name for direction in served.directions()]
        if direction not in known:
            message = f"{model} has no direction {direction!r}; " + (
                f"expected one of {', '.join(known)}" if known else "nothing can be edited with it: take another model"
            )
            raise make_field_problem("direction", message, direction, accepted=known)

    def _check_effort(self) -> None:
        """Raise a Problem, 422, if a synthetic face is to be inverted, or a photograph cannot be as asked."""
        effort = InversionEffort.read(self.body.dump_fields())
        if effort.method is None and (effort.steps or effort.seconds):
            raise make_field_problem("method", "steps and seconds without a method; set method to tuning")
        if effort.method is None:
            return
        if isinstance(self.face, SyntheticFace):
            raise make_field_problem(
                "method", "the face was made by the generator, and is not inverted; leave method out"
            )
        check_effort(self.service.worker.models.find(self.model).info, effort)


async def _wait_for_edit(request: _EditRequest, answer: JobAnswer) -> EditOut:
    """Submit an edit, and wait for it as long as the request asks."""
    service, owner = request.service, request.caller.owner
    with service.work.admit(owner):
        record = await service.work.run(owner, request.submit)
        return await answer.wait(
            record.id, edit_path(record), lambda: describe_edit(service, service.edits.get(record.id) or record)
        )


def _read_picture(service: Resources, edit: EditRecord, *, before: bool = False) -> bytes:
    """Read the edited picture, or that of the same face unedited.

    Raises:
        Problem: 409, the edit is not done; 404, it was erased meanwhile.
    """
    if edit.result is None:
        raise Problem(
            ProblemType.EDIT_NOT_READY, "The edit is not done; wait for its job.", headers={"Retry-After": "1"}
        )
    edits = service.edits
    return read_private_file(edits.files, edits.before_path(edit) if before else edits.picture_path(edit))


router: Final = APIRouter()
"""All routes of edits."""
router.include_router(_OF_PHOTOGRAPHS)
router.include_router(_OF_IMAGES)
