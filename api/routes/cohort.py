"""Routes of the cohort: photographs that other faces are compared with join it, and leave it again."""

from __future__ import annotations

from fastapi import APIRouter

from api.assessment_schemas import CohortMemberBody, CohortMemberOut
from api.dependencies import KnownPhoto, PhotosCaller, ServiceDep, check_inverted
from api.json_bodies import JsonBodyRoute
from api.photographs.records import ErasureCause
from api.photographs.request_audit import RequestAuditDep
from api.problem_types import ProblemType
from api.problems import Problem
from api.representations import describe_member
from api.request_headers import FILE, problem

router = APIRouter(prefix="/v1/photos/{photo_id}/cohort", tags=["assessments"], route_class=JsonBodyRoute)


@router.put(
    "",
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
        if service.photographs.get(photo.id) is None:
            raise Problem(ProblemType.PHOTO_NOT_FOUND, f"The photograph {photo.id} was erased by another request.")
        request_audit.begin()
        member = service.cohort.join(photo, body.model_dump(exclude_none=True))
    return describe_member(service, member)


@router.delete("", status_code=204, summary="Take a photograph out of the cohort", responses={404: FILE[404]})
def leave_cohort(service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> None:
    """Erases what is known of the person, and the descriptor of the face. The photograph stays.

    Answers that were given before stay as they are: they hold the number of members, and nothing of one member.
    """
    member = service.cohort.find(photo.id)
    if member is None:
        raise Problem(ProblemType.NOT_IN_COHORT, f"The photograph {photo.id} is not in the cohort; PUT adds it.")
    service.eraser.leave_cohort(member, caller, ErasureCause.REQUESTED)
