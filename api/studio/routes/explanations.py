"""Pages of explanations: which parts of a face a classifier uses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from api.access.api_keys import Caller, Scope
from api.access.ownership import Kind
from api.dependencies import (
    AnyCaller,
    CompleteSet,
    ImageSetsCaller,
    KnownExplanation,
    KnownImage,
    KnownPhoto,
    PhotosCaller,
    ServiceDep,
    check_inverted,
)
from api.photographs.records import FaceReference, PhotographFace, SyntheticFace
from api.photographs.request_audit import RequestAudit, RequestAuditDep
from api.representations import describe_explanation, describe_image_set, explanation_path, face_path
from api.resources import Resources
from api.schemas.explanations import ExplanationOut
from api.studio.explanation_words import METHODS, REGIONS, USUAL, list_terms
from api.studio.forms import NO_ERRORS, FieldErrors, keep_values
from api.studio.page_route import PageRoute
from api.studio.pages import render
from api.studio.photograph_choices import list_photographs
from api.studio.service_calls import call_service, check_answer, read_problem

router = APIRouter(prefix="/studio/explanations", route_class=PageRoute, include_in_schema=False)

_LISTED: Final = 24
_IMAGES_ON_A_PAGE: Final = 48
_FIELDS: Final = ("classifier", "methods", "target")


@router.get("")
def list_explanations(
    request: Request, service: ServiceDep, caller: AnyCaller, request_audit: RequestAuditDep
) -> Response:
    """Show the caller's explanations, and the faces that can be explained."""
    of_photographs = Scope.PHOTOS in caller.scopes
    return render(
        request,
        "explanations/list.html",
        classifiers=service.classifiers.list_infos(),
        explanations=list(_list_explanations(service, caller, request_audit)),
        sets=list(_list_sets(service, caller)) if Scope.IMAGE_SETS in caller.scopes else [],
        photographs=list_photographs(service, caller, request_audit) if of_photographs else [],
    )


@router.get("/sets/{set_id}")
def choose_image(
    request: Request, caller: ImageSetsCaller, known: CompleteSet, page: Annotated[int, Query(ge=1, le=100_000)] = 1
) -> Response:
    """Show the images of a set, of which one is explained."""
    first = (page - 1) * _IMAGES_ON_A_PAGE
    return render(
        request,
        "explanations/images.html",
        set_id=known.id,
        numbers=range(first, min(first + _IMAGES_ON_A_PAGE, known.images)),
        page=page,
        pages=math.ceil(known.images / _IMAGES_ON_A_PAGE),
    )


@router.get("/sets/{set_id}/images/{n}")
def show_form_of_image(request: Request, service: ServiceDep, caller: ImageSetsCaller, image: KnownImage) -> Response:
    """Show the form for an image of a set."""
    known, n = image
    return _render_form(request, service, SyntheticFace(known.id, n))


@router.post("/sets/{set_id}/images/{n}")
async def explain_image(request: Request, service: ServiceDep, caller: ImageSetsCaller, image: KnownImage) -> Response:
    """Ask for the explanation of the form."""
    known, n = image
    return await _explain(request, service, SyntheticFace(known.id, n), {"image_set": known.id, "image": n})


@router.get("/photographs/{photo_id}")
def show_form_of_photograph(request: Request, service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> Response:
    """Show the form for a photograph."""
    check_inverted(photo)
    return _render_form(request, service, PhotographFace(photo.id))


@router.post("/photographs/{photo_id}")
async def explain_photograph(
    request: Request, service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto
) -> Response:
    """Ask for the explanation of the form."""
    return await _explain(request, service, PhotographFace(photo.id), {"photo": photo.id})


@router.get("/{explanation_id}")
def show_explanation(request: Request, service: ServiceDep, explanation: KnownExplanation) -> Response:
    """Show an explanation: its maps over the face, and the relevance of each region."""
    described = describe_explanation(service, explanation)
    result = described.result
    return render(
        request,
        "explanations/show.html",
        explanation=described,
        regions=[name for name in REGIONS if any(name in of_method for of_method in _list_results(described))],
        titles=REGIONS,
        methods=METHODS,
        terms={} if result is None else list_terms(service.catalogue, result.target),
        **_describe_face(explanation.face),
    )


@router.post("/{explanation_id}/erase")
async def erase_explanation(request: Request, explanation: KnownExplanation) -> Response:
    """Erase an explanation."""
    check_answer(await call_service(request, "DELETE", explanation_path(explanation.id)))
    return RedirectResponse("/studio/explanations", 303)


def _list_explanations(
    service: Resources, caller: Caller, request_audit: RequestAudit
) -> Iterator[tuple[ExplanationOut, dict[str, Any]]]:
    """Describe the newest explanations of faces that the caller's key is for."""
    for explanation_id, _since in service.ownership.list_newest(Kind.EXPLANATION, caller.owner, _LISTED):
        explanation = service.explanations.get(explanation_id)
        if explanation is None:
            continue
        needed = Scope.PHOTOS if explanation.photos else Scope.IMAGE_SETS
        if needed in caller.scopes:
            request_audit.touch(service.photographs.find_purposes(explanation.photos))
            yield describe_explanation(service, explanation), _describe_face(explanation.face)


def _list_sets(service: Resources, caller: Caller) -> Iterator[dict[str, Any]]:
    """List the newest complete image sets of a caller."""
    for set_id, _since in service.ownership.list_newest(Kind.IMAGE_SET, caller.owner, _LISTED):
        stored = service.store.request(set_id)
        if stored is not None and service.store.is_complete(set_id):
            described = describe_image_set(service, stored)
            yield {"id": set_id, "images": stored.images, "conditions": described.request["conditions"]}


def _describe_face(face: FaceReference) -> dict[str, Any]:
    """Return the picture of a face, and the page where it is shown."""
    match face:
        case PhotographFace(photo):
            return {
                "picture": f"{face_path(face)}/crop.png",
                "page": f"/studio/photographs/{photo}",
                "synthetic": False,
            }
        case SyntheticFace(image_set, image):
            page = f"/studio/image-sets/{image_set}/images/{image}"
            return {"picture": f"{face_path(face)}?format=webp", "page": page, "synthetic": True}


def _list_results(explanation: ExplanationOut) -> list[Mapping[str, Any]]:
    return [] if explanation.result is None else list(explanation.result.methods.values())


def _render_form(
    request: Request,
    service: Resources,
    face: FaceReference,
    values: Mapping[str, Any] | None = None,
    errors: FieldErrors = NO_ERRORS,
) -> Response:
    return render(
        request,
        "explanations/new.html",
        status=422 if errors else 200,
        classifiers=service.classifiers.list_infos(),
        methods=METHODS,
        usual=USUAL,
        values=values or {},
        errors=errors,
        **_describe_face(face),
    )


async def _explain(request: Request, service: Resources, face: FaceReference, body: dict[str, Any]) -> Response:
    form = await request.form()
    asked = {"face": body} | {name: str(form[name]) for name in ("classifier", "target") if form.get(name)}
    methods = [str(method) for method in form.getlist("methods")]
    answer = await call_service(
        request, "POST", "/v1/explanations", json=asked | ({"methods": methods} if methods else {})
    )
    if answer.is_error:
        errors = FieldErrors.of_problem(read_problem(answer), _FIELDS)
        values = keep_values(form) | {"methods": methods}
        return await to_thread.run_sync(_render_form, request, service, face, values, errors)
    return RedirectResponse(f"/studio/explanations/{answer.json()['id']}", 303)
