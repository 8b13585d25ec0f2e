"""Pages of photographs: send one, see how well it is reproduced, edit its face, erase it.

A page shows a photograph only through the dependencies of the routes under /v1, so that each view is in its audit
record; the pictures are those of these routes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse

from api.access.api_keys import Caller, Scope
from api.access.ownership import Kind
from api.authentication import CALLER_IN_STATE
from api.dependencies import (
    KnownPhoto,
    KnownPhotoEdit,
    KnownReceipt,
    PhotosCaller,
    ServiceDep,
)
from api.operations.clock import now
from api.photographs.records import EditRecord, Photograph, PhotographFace
from api.photographs.request_audit import RequestAuditDep
from api.problem_types import ProblemType
from api.problems import Problem
from api.representations import describe_edit, describe_photo, describe_receipt
from api.resources import Resources
from api.routes import photos
from api.schemas.edits import EditOut
from api.studio.forms import NO_ERRORS, FieldErrors, keep_values, read_number
from api.studio.page_route import PageRoute
from api.studio.pages import render
from api.studio.photograph_words import group_accesses, list_measures
from api.studio.service_calls import call_service, check_answer, read_problem
from api.studio.words import translate as _
from faces.align import ANCHORS

PHOTOGRAPHS: Final = "/studio/photographs"

_LISTED: Final = 50
WAIT: Final = {"Prefer": "wait=3"}
"""So long a form waits for its job; the page that it leads to shows the progress of what takes longer."""

_KEPT_FOR: Final = (3_600, 86_400, 3 * 86_400)
"""Times, in seconds, after which a photograph may be erased, besides the longest."""

_QUERY: Final = ("ttl_s", "model", "method", "steps", "seconds", "keep_original", "aligned")
_HEADERS: Final = ("consent-reference", "purpose", "consent-scope", "reference")
_FIELDS: Final = (*_QUERY, *_HEADERS, "Landmarks")
_OF_THE_FILE: Final = frozenset(
    {
        ProblemType.BODY_EMPTY,
        ProblemType.BODY_TOO_LARGE,
        ProblemType.BODY_TOO_SLOW,
        ProblemType.PICTURE_FORMAT_UNKNOWN,
        ProblemType.PICTURE_UNUSABLE,
    }
)
"""Problems that the file of the form is at fault for."""

_LINES: Final = (
    *((0, 17, False), (17, 22, False), (22, 27, False), (27, 31, False), (31, 36, False)),
    *((36, 42, True), (42, 48, True), (48, 60, True), (60, 68, True)),
)
"""Lines through landmarks: first and last plus one, and whether the line is closed."""


class _UploadRoute(PageRoute):
    """Route of the form with a photograph; it answers a body that is too large or too slow beside the file."""

    async def answer_problem(self, request: Request, problem: Problem) -> Response:
        caller: Caller | None = getattr(request.state, CALLER_IN_STATE, None)
        if problem.type in _OF_THE_FILE and caller is not None and Scope.PHOTOS in caller.scopes:
            return await _render_form(request, caller, {}, _read_errors(problem), status=problem.status)
        return await super().answer_problem(request, problem)


class _PhotographRoute(PageRoute):
    """Route of a photograph's pages; in place of one that its owner erased it shows the way to the receipt."""

    async def answer_problem(self, request: Request, problem: Problem) -> Response:
        caller: Caller | None = getattr(request.state, CALLER_IN_STATE, None)
        photo = request.path_params.get("photo_id")
        if problem.type is ProblemType.PHOTO_NOT_FOUND and caller is not None and photo is not None:
            service: Resources = request.app.state.service
            if await anyio.to_thread.run_sync(service.eraser.find_receipt, photo, caller.owner) is not None:
                return render(request, "photographs/erased.html", status=problem.status, photo=photo)
        return await super().answer_problem(request, problem)


router = APIRouter(route_class=_PhotographRoute, include_in_schema=False)


@router.get(PHOTOGRAPHS)
def list_photographs(
    request: Request,
    service: ServiceDep,
    caller: PhotosCaller,
    request_audit: RequestAuditDep,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """Show the caller's photographs, the newest first, without pictures: whoever lists them looks at none."""
    newest = service.ownership.list_newest(Kind.PHOTO, caller.owner, _LISTED + 1, (page - 1) * _LISTED)
    records = [photo for one, _since in newest[:_LISTED] if (photo := service.photographs.get(one)) is not None]
    request_audit.touch(service.photographs.find_purposes([photo.id for photo in records]))
    described = [describe_photo(service, photo) for photo in records]
    more = len(newest) > _LISTED
    return render(request, "photographs/list.html", photographs=described, page=page, more=more, now=now())


@router.get(f"{PHOTOGRAPHS}/new")
async def show_form(request: Request, caller: PhotosCaller) -> Response:
    """Show the form for a photograph."""
    return await _render_form(request, caller, {}, NO_ERRORS)


async def send_photograph(request: Request, caller: PhotosCaller) -> Response:
    """Send the photograph of the form to the service. The name of its file is read by nobody."""
    form = await request.form()
    values = keep_values(form)
    headers = _read_headers(values)
    if foreign := _find_foreign_letters(headers):
        return await _render_form(request, caller, values, foreign, status=422)
    query = urlencode({name: values[name] for name in _QUERY if values.get(name)})
    file = form.get("file")
    answer = await call_service(
        request,
        "POST",
        f"/v1/photos?{query}",
        content=file if isinstance(file, UploadFile) else b"",
        headers=headers | WAIT,
    )
    if answer.is_error:
        problem = read_problem(answer)
        return await _render_form(request, caller, values, _read_errors(problem), status=problem.status)
    photo = answer.json()
    if photo["state"] == "failed":  # no face, for example: nothing of the photograph is of use
        check_answer(await call_service(request, "DELETE", photo["links"]["self"]))
        return await _render_form(request, caller, values, FieldErrors({"file": photo["error"]}), status=422)
    return RedirectResponse(f"{PHOTOGRAPHS}/{photo['id']}", 303)


router.add_api_route(PHOTOGRAPHS, send_photograph, methods=["POST"], route_class_override=_UploadRoute)


@router.get(f"{PHOTOGRAPHS}/{{photo_id}}")
def show_photograph(request: Request, service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> Response:
    """Show a photograph with the newest of its edits."""
    return _render_photograph(request, service, caller, photo, None)


@router.get(f"{PHOTOGRAPHS}/{{photo_id}}/edits/{{edit_id}}")
def show_edit(
    request: Request, service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto, edit: KnownPhotoEdit
) -> Response:
    """Show a photograph with one of its edits."""
    return _render_photograph(request, service, caller, photo, edit)


@router.post(f"{PHOTOGRAPHS}/{{photo_id}}/edits")
async def edit_photograph(request: Request, service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> Response:
    """Edit the face of a photograph, and lead to the edit."""
    form = await request.form()
    values = keep_values(form)
    asked: dict[str, Any] = {name: values[name] for name in ("direction", "method") if values.get(name)}
    try:
        for name, kind in {"smile": float, "strength": float, "steps": int, "seconds": float}.items():
            if values.get(name):
                asked[name] = kind(values[name])
    except ValueError:
        errors = FieldErrors({name: _("Expected a number.")})
    else:
        answer = await call_service(request, "POST", f"/v1/photos/{photo.id}/edits", json=asked, headers=WAIT)
        if not answer.is_error:
            return RedirectResponse(f"{PHOTOGRAPHS}/{photo.id}/edits/{answer.json()['id']}#edit", 303)
        problem = read_problem(answer)
        if problem.type is not ProblemType.REQUEST_INVALID:
            raise problem
        errors = FieldErrors.of_problem(problem, ("smile", "strength", "direction", "method", "steps", "seconds"))
    return await anyio.to_thread.run_sync(
        lambda: _render_photograph(request, service, caller, photo, None, values, errors)
    )


@router.get(f"{PHOTOGRAPHS}/{{photo_id}}/accesses")
def show_accesses(request: Request, service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> Response:
    """Show who did what with a photograph."""
    lines = group_accesses(photos.list_accesses(service, caller, photo).items[::-1])
    return render(request, "photographs/accesses.html", photo=photo, lines=lines)


@router.post(f"{PHOTOGRAPHS}/{{photo_id}}/erase")
async def erase_photograph(request: Request, caller: PhotosCaller, photo: KnownPhoto) -> Response:
    """Erase a photograph with all that was made from it, and lead to the receipt."""
    check_answer(await call_service(request, "DELETE", f"/v1/photos/{photo.id}"))
    return RedirectResponse(f"{PHOTOGRAPHS}/{photo.id}/receipt", 303)


@router.get(f"{PHOTOGRAPHS}/{{photo_id}}/receipt")
def show_receipt(request: Request, receipt: KnownReceipt) -> Response:
    """Show the receipt of an erasure."""
    return render(request, "photographs/receipt.html", receipt=describe_receipt(receipt))


async def _render_form(
    request: Request, caller: Caller, values: Mapping[str, Any], errors: FieldErrors, *, status: int = 200
) -> Response:
    """Render the form for a photograph with the values and errors of the last try."""
    service: Resources = request.app.state.service

    def build() -> Response:
        longest = service.photo_ttl_s(caller)
        return render(
            request,
            "photographs/new.html",
            status=status,
            values=defaultdict(str, values),
            errors=errors,
            models=service.list_models(caller),
            purposes=service.settings.named_purposes,
            kept_for=[*(seconds for seconds in _KEPT_FOR if seconds < longest), longest],
            largest=service.settings.max_photo_bytes,
            points=ANCHORS,
        )

    return await anyio.to_thread.run_sync(build)


def _render_photograph(
    request: Request,
    service: Resources,
    caller: Caller,
    photo: Photograph,
    chosen: EditRecord | None,
    values: Mapping[str, Any] = MappingProxyType({}),
    errors: FieldErrors = NO_ERRORS,
) -> Response:
    """Render the page of a photograph, after a form that was not accepted with its values and errors."""
    records = service.edits.list_of_face(PhotographFace(photo.id), caller.owner)
    edits = [describe_edit(service, record) for record in reversed(records)]
    shown = next((edit for edit in edits if chosen is None or edit.id == chosen.id), None)
    described = describe_photo(service, photo)
    landmarks = None if photo.quality is None else photos.show_landmarks(service, photo)
    models = {info.name: info for info in service.list_models(caller)}
    served = models.get(photo.model)
    directions = [] if served is None else service.worker.models.find(photo.model).directions()
    return render(
        request,
        "photographs/show.html",
        status=422 if errors else 200,
        photo=described,
        job=service.jobs.find_latest(photo.id),
        landmarks=landmarks,
        lines=[] if landmarks is None else draw_lines(landmarks.landmarks),
        side=(landmarks.side if landmarks else None) or (served.resolution if served else 256),
        edits=edits,
        shown=shown,
        edit_job=None if shown is None else service.jobs.find_latest(shown.id),
        reached=find_reached_smiles(edits),
        model=served,
        others=[name for name in models if name != photo.model],
        measures={} if described.quality is None else list_measures(described.quality),
        directions=[direction.name for direction in directions],
        values=defaultdict(str, values),
        errors=errors,
        seconds_left=max(0.0, (described.expires - now()).total_seconds()),
    )


def draw_lines(landmarks: list[tuple[float, float]] | None) -> list[str]:
    """Return the lines of a face through its 68 landmarks, as points of SVG polylines."""
    if landmarks is None:
        return []
    drawn = []
    for first, end, closed in _LINES:
        places = [*range(first, end), *([first] if closed else [])]
        drawn.append(" ".join("{:g},{:g}".format(*landmarks[place]) for place in places))
    return drawn


def find_reached_smiles(edits: list[EditOut]) -> tuple[float, float] | None:
    """Return the smallest and the largest smile that the edits of a face reached; None if there are none."""
    results = [edit.result for edit in edits if edit.result is not None and edit.result.verdict != "refused"]
    smiles = [smile for result in results for smile in (result.smile_before, result.smile_after) if smile is not None]
    return (min(smiles), max(smiles)) if smiles else None


def _read_headers(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a photograph that a form fills in."""
    headers = {name: " ".join(str(values[name]).split()) for name in _HEADERS if values.get(name)}
    points = {
        point: [read_number(values.get(f"{point}_{axis}", "")) for axis in "xy"]
        for point in ANCHORS
        if any(values.get(f"{point}_{axis}") for axis in "xy")
    }
    return headers | {"Landmarks": json.dumps(points)} if points else headers


def _find_foreign_letters(headers: Mapping[str, str]) -> FieldErrors:
    """Return an error for each header with a letter that headers cannot carry."""
    errors = {}
    for name, text in headers.items():
        try:
            text.encode("latin-1")
        except UnicodeEncodeError as error:
            message = _("%(letter)s cannot be stored here; expected letters of Western European languages.")
            errors[name] = message % {"letter": repr(text[error.start])}
    return FieldErrors(errors)


def _read_errors(problem: Problem) -> FieldErrors:
    """Return the errors of the form for a photograph."""
    if problem.type in _OF_THE_FILE:
        return FieldErrors({"file": problem.detail})
    return FieldErrors.of_problem(problem, _FIELDS)
