"""Edits of images of a set: faces of nobody, so that no consent is needed."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from api.file_responses import picture
from api.problem_types import ProblemType
from api.problems import Problem
from api.representations import edit_out
from api.request_headers import FILE, IdempotencyKey, Prefer, json_body_only, problem
from api.resources import ImageSetsCaller, KnownImage, KnownImageEdit, ServiceDep
from api.routes.photos import edited, finished
from api.schemas import EditBody, EditList, EditOut

router = APIRouter(prefix="/v1/image-sets/{set_id}/images/{n}/edits", tags=["image sets"])


@router.post(
    "",
    status_code=202,
    response_model=EditOut,
    dependencies=[Depends(json_body_only)],
    summary="Edit a synthetic face",
    responses={
        200: {"model": EditOut, "description": "It is done, within `Prefer: wait`; or it failed: see `error`."},
        404: FILE[404],
        409: problem("The image set is not complete yet, or its weights are not served any more."),
        422: problem("A field cannot be; `errors` says which."),
    },
)
async def edit(
    service: ServiceDep,
    caller: ImageSetsCaller,
    image: KnownImage,
    body: EditBody,
    response: Response,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> EditOut:
    """A smile to reach, or a strength along a direction; measured before and after, with a verdict."""
    known, n = image
    model = service.worker.models.of_weights(str(known.resolved["weights_sha256"]))
    if model is None:
        raise Problem(
            ProblemType.WEIGHTS_NOT_SERVED, "The image set was made with weights that are not served any more."
        )
    return await edited(service, caller, (known.id, n, model.info.name), body, response, prefer, idempotency_key)


@router.get("", response_model=EditList, summary="List edits", responses={404: FILE[404]})
def edits(service: ServiceDep, caller: ImageSetsCaller, image: KnownImage) -> EditList:
    """Your edits of the image."""
    found = service.photographs.edits_of(image[0].id, image[1], caller.owner)
    return EditList(items=[edit_out(service, one) for one in found])


@router.get("/{edit_id}", response_model=EditOut, summary="An edit", responses={404: FILE[404]})
def show(service: ServiceDep, edit: KnownImageEdit) -> EditOut:
    """State, and what came of it."""
    return edit_out(service, edit)


@router.get("/{edit_id}/image.png", summary="The edited face", responses=FILE, response_class=Response)
def image_file(request: Request, service: ServiceDep, edit: KnownImageEdit) -> Response:
    """A PNG that says that it is synthetic, and how it was edited."""
    return picture(request, service.credentials, finished(service, edit))


@router.get("/{edit_id}/before.png", summary="The same unedited", responses=FILE, response_class=Response)
def before_file(request: Request, service: ServiceDep, edit: KnownImageEdit) -> Response:
    """The face as it was."""
    return picture(request, service.credentials, finished(service, edit, before=True))
