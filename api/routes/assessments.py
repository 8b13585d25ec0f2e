"""Routes of assessments: whether the face of a photograph is evidence for a syndrome, compared with matched controls;
and of the cohort, photographs with which assessed ones are compared."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.access.api_keys import Caller
from api.access.ownership import Kind
from api.dependencies import (
    KnownAssessment,
    KnownPhoto,
    PhotosCaller,
    ServiceDep,
    check_inverted,
    check_not_erased,
    find_photograph,
)
from api.documented_responses import FILE, problem
from api.file_responses import private_picture, read_private_file
from api.job_answers import JobAnswerDep
from api.json_bodies import JsonBodyRoute
from api.models.classifiers import check_explaining_installed
from api.operations.clock import now_ms
from api.photographs.records import AssessmentRecord, ErasureCause, PhotographFace, new_id
from api.photographs.request_audit import RequestAudit, RequestAuditDep
from api.problem_types import ProblemType
from api.problems import Problem, make_field_problem
from api.representations import assessment_path, describe_assessment, describe_member
from api.resources import Resources
from api.schemas.assessments import (
    AssessmentBody,
    AssessmentList,
    AssessmentOut,
    AssessmentPage,
    CohortMemberBody,
    CohortMemberOut,
    SyndromeOut,
    SyndromesOut,
)
from core.errors import LabelError
from faces.conditions.terms import find_term
from recognition.syndromes.assessment.answer import NOTICE

router = APIRouter(prefix="/v1", tags=["assessments"], route_class=JsonBodyRoute)


@router.get("/syndromes", response_model=SyndromesOut, summary="Syndromes")
def list_syndromes(service: ServiceDep, caller: PhotosCaller) -> SyndromesOut:
    """The syndromes that photographs can be assessed for, with the cards of their models."""
    return SyndromesOut(
        items=[
            SyndromeOut(
                syndrome=info.card.syndrome,
                sha256=info.sha256,
                figures=info.card.to_json(),
                card=info.text,
                notice=NOTICE,
            )
            for info in service.syndrome_models.list_infos()
        ]
    )


@router.post(
    "/assessments",
    status_code=202,
    response_model=AssessmentOut,
    summary="Assess a photograph",
    responses={
        200: {"model": AssessmentOut, "description": "It is done, within `Prefer: wait`; or it failed: see `error`."},
        404: FILE[404],
        409: problem("The photograph is not inverted."),
        422: problem("A field cannot be; `errors` says which."),
        503: problem("No trained model of a syndrome is served, or a package is missing."),
    },
)
async def create_assessment(
    service: ServiceDep,
    caller: PhotosCaller,
    request_audit: RequestAuditDep,
    body: AssessmentBody,
    answer: JobAnswerDep,
) -> AssessmentOut:
    """Probability of a syndrome by several models, for one photograph. Research use, no diagnosis.

    No answer is given for a face that is unlike all faces of the training.
    """
    with service.work.admit(caller.owner):
        record = await service.work.run(
            caller.owner, _submit, service, caller, request_audit, body, answer.idempotency_key
        )
        return await answer.wait(
            record.id,
            assessment_path(record.id),
            lambda: describe_assessment(service, service.assessments.get(record.id) or record),
        )


@router.get(
    "/assessments",
    response_model=AssessmentPage,
    summary="List assessments",
    responses={422: problem("A bad page.")},
)
def list_assessments(
    service: ServiceDep,
    caller: PhotosCaller,
    request_audit: RequestAuditDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Assessments on a page.")] = 20,
    after: Annotated[str, Query(max_length=64, description="The id that the page before ended with.")] = "",
) -> AssessmentPage:
    """Your assessments, in the order of their ids."""
    ids, more = service.ownership.page(Kind.ASSESSMENT, caller.owner, limit, after)
    found = [one for one in map(service.assessments.get, ids) if one is not None]
    request_audit.touch(service.photographs.find_purposes([photo for one in found for photo in one.photos]))
    return AssessmentPage(
        items=[describe_assessment(service, one) for one in found],
        next=f"/v1/assessments?limit={limit}&after={ids[-1]}" if more else None,
    )


@router.get(
    "/photos/{photo_id}/assessments",
    response_model=AssessmentList,
    operation_id="list_assessments_v1_photos__photo_id__assessments_get",
    summary="List assessments of a photograph",
    responses={404: FILE[404]},
)
def list_assessments_of_photograph(service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> AssessmentList:
    """All assessments of the photograph."""
    records = service.assessments.list_of_face(PhotographFace(photo.id), caller.owner)
    return AssessmentList(items=[describe_assessment(service, one) for one in records])


@router.get(
    "/assessments/{assessment_id}",
    response_model=AssessmentOut,
    summary="An assessment",
    responses={404: FILE[404]},
)
def show_assessment(service: ServiceDep, assessment: KnownAssessment) -> AssessmentOut:
    """State, probabilities with their intervals, and the reasons for them."""
    return describe_assessment(service, assessment)


@router.get(
    "/assessments/{assessment_id}/picture.png",
    summary="The reasons as a picture",
    responses=FILE,
    response_class=Response,
)
def download_assessment_picture(request: Request, service: ServiceDep, assessment: KnownAssessment) -> Response:
    """A PNG of the face with the distances that spoke most for the syndrome or against it. It shows the person."""
    if assessment.result is None:
        raise Problem(
            ProblemType.ASSESSMENT_NOT_READY,
            "The photograph is not assessed yet; wait for the job.",
            headers={"Retry-After": "1"},
        )
    store = service.assessments
    return private_picture(request, service.credentials, read_private_file(store.files, store.picture_path(assessment)))


@router.delete(
    "/assessments/{assessment_id}",
    status_code=204,
    summary="Erase an assessment",
    responses={404: FILE[404]},
)
def erase_assessment(service: ServiceDep, caller: PhotosCaller, assessment: KnownAssessment) -> None:
    """Erases its request, answer and picture, and cancels its job. The photograph stays."""
    service.eraser.erase_derived(assessment, caller, ErasureCause.REQUESTED)


@router.put(
    "/photos/{photo_id}/cohort",
    response_model=CohortMemberOut,
    summary="Add a photograph to the cohort",
    responses={
        404: FILE[404],
        409: problem("The photograph is not inverted, or the consent of the person shown does not include the cohort."),
        422: problem("There is no trained model of the syndrome."),
        503: problem("No trained model of a syndrome is served."),
    },
)
def join_cohort(
    service: ServiceDep,
    caller: PhotosCaller,
    request_audit: RequestAuditDep,
    photo: KnownPhoto,
    body: CohortMemberBody,
) -> CohortMemberOut:
    """Other photographs of yours are then compared with this one when they are assessed for the syndrome.

    The photograph must have been sent with `Consent-Scope: cohort`. One photograph of a person is enough. To change
    what is known of the person, send all of it again; `cohort` of the photograph has it.
    """
    check_inverted(photo)
    if photo.consent_scope != "cohort":
        raise Problem(
            ProblemType.CONSENT_TOO_NARROW,
            "The photograph was sent without the header `Consent-Scope: cohort`; send it again with it, if the consent "
            "of the person shown includes that other faces are compared with it.",
        )
    service.syndrome_models.find(body.syndrome)
    service.check_bytes(caller)
    with service.eraser.block_erasure():
        check_not_erased(service, photo.id)
        request_audit.begin()
        member = service.cohort.join(photo, body.model_dump(exclude_none=True))
    return describe_member(service, member)


@router.delete(
    "/photos/{photo_id}/cohort",
    status_code=204,
    summary="Take a photograph out of the cohort",
    responses={404: FILE[404]},
)
def leave_cohort(service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> None:
    """Erases what is known of the person, and the descriptor of the face. The photograph stays.

    Answers that were given before stay as they are: they hold the number of members, and nothing of one member.
    """
    member = service.cohort.find(photo.id)
    if member is None:
        raise Problem(ProblemType.NOT_IN_COHORT, f"The photograph {photo.id} is not in the cohort; PUT adds it.")
    service.eraser.leave_cohort(member, caller, ErasureCause.REQUESTED)


def _submit(
    service: Resources, caller: Caller, request_audit: RequestAudit, body: AssessmentBody, key: str | None
) -> AssessmentRecord:
    """Store the assessment and submit its job; or return the one that was asked for with the same key before.

    Raises:
        Problem: the photograph is not the caller's, or not ready; there is no model of the syndrome; the
            Idempotency-Key was used for another request; there is no room.
        AuditError: the access cannot be recorded.
    """
    request_audit.touch(service.photographs.find_purposes([body.photo]))
    photo = find_photograph(service, caller, body.photo)
    check_inverted(photo)
    service.check_bytes(caller)
    check_explaining_installed("assessments of photographs")
    service.syndrome_models.find(body.syndrome)
    asked = body.model_dump(exclude_none=True)
    if body.terms is not None:
        asked["terms"] = [_find_term(number, term) for number, term in enumerate(body.terms)]
    fellows = service.cohort.list_fellows(photo.id, caller.owner, body.syndrome, now_ms())
    request_audit.touch(service.photographs.find_purposes([one.photo for one in fellows]))
    with service.eraser.block_erasure():
        check_not_erased(service, photo.id)
        return _store(service, caller, request_audit, asked, key)


def _find_term(number: int, term: str) -> str:
    """Return the current id of an HPO term.

    Raises:
        Problem: 422, there is no such term.
    """
    try:
        return find_term(term).term.id
    except LabelError as error:
        raise make_field_problem(f"terms.{number}", str(error), term) from error


def _store(
    service: Resources, caller: Caller, request_audit: RequestAudit, asked: dict[str, Any], key: str | None
) -> AssessmentRecord:
    assessment_id = service.keys.claim(caller.owner, key, {"assess": asked}, new_id())
    if (known := service.assessments.get(assessment_id)) is not None:
        return known
    service.check_room(caller, Kind.ASSESSMENT, assessment_id, 1)
    photo = asked.pop("photo")
    record = AssessmentRecord(assessment_id, caller.owner, PhotographFace(photo), asked, now_ms())
    request_audit.begin()
    service.assessments.add(record)
    service.ownership.give(record.id, Kind.ASSESSMENT, caller.owner)
    try:
        service.jobs.submit(Kind.ASSESSMENT, record.id, 1, caller.owner)
    except BaseException:
        service.eraser.erase_derived(record, caller, ErasureCause.NOT_ACCEPTED)
        raise
    return record
