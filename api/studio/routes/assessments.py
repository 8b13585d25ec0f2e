"""Pages of assessments: whether the face of a photograph is evidence for a syndrome, compared with matched controls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from api.access.api_keys import Caller
from api.access.ownership import Kind
from api.dependencies import KnownAssessment, KnownPhoto, PhotosCaller, ServiceDep, check_inverted
from api.photographs.records import Photograph
from api.photographs.request_audit import RequestAudit, RequestAuditDep
from api.representations import assessment_path, describe_assessment, photo_path
from api.resources import Resources
from api.schemas.assessments import AssessmentOut, AssessmentResult
from api.studio.forms import NO_ERRORS, FieldErrors, keep_values, read_number
from api.studio.page_route import PageRoute
from api.studio.pages import render
from api.studio.photograph_choices import list_photographs
from api.studio.service_calls import call_service, check_answer, read_problem
from core.errors import LabelError
from faces.conditions.terms import find_term, list_facial_terms
from recognition.syndromes.assessment.answer import NOTICE
from recognition.syndromes.assessment.calibration import shift_prior

router = APIRouter(prefix="/studio/assessments", route_class=PageRoute, include_in_schema=False)

_LISTED: Final = 50
_FIELDS: Final = ("syndrome", "sex", "age", "terms", "prior")
_RARE: Final = 0.01
"""Share of patients among those who are asked about for which probabilities are given too."""

_ENSEMBLE: Final = "ensemble"
_TERM_ID: Final = re.compile(r"HP:\d{7}")


@router.get("")
def list_assessments(
    request: Request, service: ServiceDep, caller: PhotosCaller, request_audit: RequestAuditDep
) -> Response:
    """Show the syndromes that can be asked about, the photographs, and the caller's assessments."""
    return render(
        request,
        "assessments/list.html",
        notice=NOTICE,
        syndromes=service.syndrome_models.list_infos(),
        photographs=list_photographs(service, caller, request_audit),
        assessments=list(_list_assessments(service, caller, request_audit)),
    )


@router.get("/photographs/{photo_id}")
def show_form(request: Request, service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> Response:
    """Show the form for a photograph."""
    check_inverted(photo)
    return _render_form(request, service, photo)


@router.post("/photographs/{photo_id}")
async def assess(request: Request, service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> Response:
    """Ask for the assessment of the form."""
    form = await request.form()
    values = keep_values(form) | {"terms": form.getlist("terms")}
    try:
        body = _read_request(form, photo.id)
    except LabelError as error:
        return await to_thread.run_sync(
            _render_form, request, service, photo, values, FieldErrors({"terms": str(error)})
        )
    answer = await call_service(request, "POST", "/v1/assessments", json=body)
    if answer.is_error:
        errors = FieldErrors.of_problem(read_problem(answer), _FIELDS)
        return await to_thread.run_sync(_render_form, request, service, photo, values, errors)
    return RedirectResponse(f"/studio/assessments/{answer.json()['id']}", 303)


@router.get("/{assessment_id}")
def show_assessment(request: Request, service: ServiceDep, assessment: KnownAssessment) -> Response:
    """Show an assessment: probabilities, controls, reasons and limits."""
    described = describe_assessment(service, assessment)
    result = described.result
    return render(
        request,
        "assessments/show.html",
        assessment=described,
        photo=assessment.photos[0],
        terms=[find_term(term).term for term in described.request.get("terms", ())],
        main=None if result is None else result.estimates.get(_ENSEMBLE) or next(iter(result.estimates.values()), None),
        rare=_RARE,
        in_rare={} if result is None else _convert_estimates(result),
    )


@router.post("/{assessment_id}/erase")
async def erase_assessment(request: Request, assessment: KnownAssessment) -> Response:
    """Erase an assessment."""
    check_answer(await call_service(request, "DELETE", assessment_path(assessment.id)))
    return RedirectResponse("/studio/assessments", 303)


def _list_assessments(service: Resources, caller: Caller, request_audit: RequestAudit) -> Iterator[AssessmentOut]:
    """Describe the newest assessments of a caller."""
    for assessment_id, _since in service.ownership.list_newest(Kind.ASSESSMENT, caller.owner, _LISTED):
        assessment = service.assessments.get(assessment_id)
        if assessment is not None:
            request_audit.touch(service.photographs.find_purposes(assessment.photos))
            yield describe_assessment(service, assessment)


def _convert_estimates(result: AssessmentResult) -> dict[str, float]:
    """Return the probabilities by model for a group of which few are patients."""
    at_half = {name: shift_prior(one.probability, 1 - result.prior) for name, one in result.estimates.items()}
    return {name: shift_prior(probability, _RARE) for name, probability in at_half.items()}


def _render_form(
    request: Request,
    service: Resources,
    photo: Photograph,
    values: Mapping[str, Any] | None = None,
    errors: FieldErrors = NO_ERRORS,
) -> Response:
    return render(
        request,
        "assessments/new.html",
        status=422 if errors else 200,
        notice=NOTICE,
        syndromes=service.syndrome_models.list_infos(),
        facial_terms=list_facial_terms(),
        picture=f"{photo_path(photo.id)}/crop.png",
        page=f"/studio/photographs/{photo.id}",
        values=values or {},
        errors=errors,
    )


def _read_request(form: FormData, photo: str) -> dict[str, Any]:
    """Return the body that the form asks for. What is no number stays as it is: the service says why.

    Raises:
        LabelError: HPO has no such term.
    """
    asked: dict[str, Any] = {"photo": photo, "syndrome": str(form.get("syndrome", ""))}
    if sex := form.get("sex"):
        asked["sex"] = sex
    for name in ("age", "prior"):
        if text := str(form.get(name, "")).strip():
            asked[name] = read_number(text)
    texts = [text for field in form.getlist("terms") for text in str(field).split(";") if text.strip()]
    terms = dict.fromkeys(_find_id(text) for text in texts)
    return asked | ({"terms": list(terms)} if terms else {})


def _find_id(text: str) -> str:
    """Return the id of a term: that which the text begins with, or that of its name."""
    found = _TERM_ID.match(text.strip())
    return find_term(found[0] if found else text).term.id
