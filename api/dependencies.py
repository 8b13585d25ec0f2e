"""Dependencies of the routes: the service's resources, the caller, and the objects that a path names.

An object that belongs to another owner is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar, cast

import anyio.to_thread
from fastapi import Depends, Path, Request

from api.access.api_keys import ANYONE, Caller, Scope
from api.access.ownership import Kind
from api.authentication import CALLER_IN_STATE, identify_caller
from api.image_sets.storage import StoredRequest
from api.jobs.job_list import Job
from api.models.model import Model
from api.photographs.records import (
    AssessmentRecord,
    EditRecord,
    ExplanationRecord,
    FaceReference,
    PackRecord,
    Photograph,
    PhotographFace,
    Receipt,
    SyntheticFace,
)
from api.photographs.request_audit import find_request_audit
from api.problem_types import ProblemType
from api.problems import Problem, make_field_problem
from api.resources import Resources


async def get_service(request: Request) -> Resources:
    """Return the resources of the service that answers a request."""
    return cast(Resources, request.app.state.service)


ServiceDep = Annotated[Resources, Depends(get_service)]


class RequireScope:
    """Dependency that returns the caller if the API key has a scope.

    Requests that concern photographs are recorded in the audit record, refused ones too.

    Args:
        scope: scopes of which the key needs one.
    """

    def __init__(self, *scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request, service: ServiceDep) -> Caller:
        if CALLER_IN_STATE in request.scope["state"] and not request.path_params:  # so that nothing is looked up
            return self._check(request, service)
        return await anyio.to_thread.run_sync(self._check, request, service)

    def _check(self, request: Request, service: Resources) -> Caller:
        caller = identify_caller(request, service)
        request_audit = find_request_audit(request)
        request_audit.follow(service.audit, caller, _describe_action(request))
        if photos := _find_photographs_of_path(service, request.path_params):
            request_audit.touch(service.photographs.find_purposes(photos))
        if not caller.scopes & set(self.scope):
            raise Problem(
                ProblemType.SCOPE_MISSING,
                f"This key is for {', '.join(sorted(caller.scopes))}; this needs {' or '.join(self.scope)}: ask for "
                "another key.",
            )
        service.tenants.admit(caller.owner)
        return caller


class _RequireMetricsScope(RequireScope):
    """Dependency that returns the caller of the metrics: anyone, or a key with their scope, as the setting says."""

    def __init__(self) -> None:
        super().__init__(Scope.METRICS)

    async def __call__(self, request: Request, service: ServiceDep) -> Caller:
        return ANYONE if service.settings.metrics == "anyone" else await super().__call__(request, service)


MetricsCaller = Annotated[Caller, Depends(_RequireMetricsScope())]
AdminCaller = Annotated[Caller, Depends(RequireScope(Scope.ADMIN))]
ImageSetsCaller = Annotated[Caller, Depends(RequireScope(Scope.IMAGE_SETS))]
PhotosCaller = Annotated[Caller, Depends(RequireScope(Scope.PHOTOS))]
_SCOPES_OF: Final[Mapping[Kind, frozenset[Scope]]] = {
    Kind.IMAGE_SET: frozenset({Scope.IMAGE_SETS}),
    Kind.PHOTO: frozenset({Scope.PHOTOS}),
    Kind.EDIT: frozenset({Scope.IMAGE_SETS, Scope.PHOTOS}),
    Kind.STIMULI: frozenset({Scope.PHOTOS}),
    Kind.EXPLANATION: frozenset({Scope.IMAGE_SETS, Scope.PHOTOS}),
    Kind.ASSESSMENT: frozenset({Scope.PHOTOS}),
}


def list_accessible_kinds(caller: Caller) -> list[Kind]:
    """List the kinds of objects that the caller's key gives access to."""
    return [kind for kind, scopes in _SCOPES_OF.items() if scopes & caller.scopes]


AnyCaller = Annotated[Caller, Depends(RequireScope(Scope.IMAGE_SETS, Scope.PHOTOS))]


_Object = TypeVar("_Object")


@dataclass(frozen=True)
class _OwnedObject:
    """Kind of object that paths name and that belongs to an owner.

    Args:
        kind: under which its owner is stored.
        missing: type of the problem if there is none.
        name: of one object, in the answer.
        hint: remedy, in the answer.
    """

    kind: Kind
    missing: ProblemType
    name: str
    hint: str

    def find(self, service: Resources, caller: Caller, object_id: str, get: Callable[[str], _Object | None]) -> _Object:
        """Return an object of the caller.

        Args:
            get: returns the object of an id, whoever owns it; None if there is none.

        Raises:
            Problem: 404, also if it belongs to another owner.
        """
        theirs = service.ownership.has(object_id, self.kind, caller.owner)
        found = get(object_id) if theirs else None
        if found is None:
            raise Problem(self.missing, f"There is no {self.name} {object_id[:64]!r}{self.hint}")
        return found


_IMAGE_SET: Final = _OwnedObject(
    Kind.IMAGE_SET,
    ProblemType.IMAGE_SET_NOT_FOUND,
    "image set",
    "; POST /v1/image-sets makes one, GET lists them.",
)
_PHOTOGRAPH: Final = _OwnedObject(
    Kind.PHOTO, ProblemType.PHOTO_NOT_FOUND, "photograph", "; it may have been erased, or its time was over."
)
_EDIT: Final = _OwnedObject(
    Kind.EDIT, ProblemType.EDIT_NOT_FOUND, "edit", " here; POST to …/edits makes one, GET lists them."
)
_SURVEY_PACK: Final = _OwnedObject(
    Kind.STIMULI, ProblemType.SURVEY_PACK_NOT_FOUND, "survey pack", "; POST /v1/stimuli makes one."
)


_EXPLANATION: Final = _OwnedObject(
    Kind.EXPLANATION, ProblemType.EXPLANATION_NOT_FOUND, "explanation", "; POST /v1/explanations makes one."
)
_ASSESSMENT: Final = _OwnedObject(
    Kind.ASSESSMENT, ProblemType.ASSESSMENT_NOT_FOUND, "assessment", "; POST /v1/assessments makes one."
)


def find_image_set(
    service: ServiceDep, caller: ImageSetsCaller, set_id: Annotated[str, Path(description="Id of an image set.")]
) -> StoredRequest:
    """Return an image set of the caller, complete or not.

    Raises:
        Problem: 404.
    """
    return _IMAGE_SET.find(service, caller, set_id, service.store.request)


KnownSet = Annotated[StoredRequest, Depends(find_image_set)]


def find_complete_set(service: ServiceDep, known: KnownSet) -> StoredRequest:
    """Return an image set of the caller whose files can be served.

    Raises:
        Problem: 404 if there is none; 409 while it is not complete.
    """
    if not service.store.is_complete(known.id):
        job = service.jobs.find_latest(known.id)
        state = "running" if service.sets.is_being_made(known.id) else job.state if job else "interrupted"
        if service.store.is_complete(known.id):  # sealed between the two looks
            return known
        if state in ("queued", "running", "done"):
            raise Problem(
                ProblemType.IMAGE_SET_NOT_READY,
                f"The image set is {state}; its files can be had when it is done.",
                headers={"Retry-After": "1"},
            )
        raise Problem(
            ProblemType.IMAGE_SET_STOPPED,
            f"The image set's last job is {state}; post its request again to go on with it.",
        )
    return known


CompleteSet = Annotated[StoredRequest, Depends(find_complete_set)]


def find_job(service: ServiceDep, caller: AnyCaller, job_id: Annotated[str, Path(description="Id of a job.")]) -> Job:
    """Return a job of the caller, of a kind that the key gives access to.

    Raises:
        Problem: 404.
    """
    job = service.jobs.get(job_id)
    if (
        job is None
        or job.kind not in list_accessible_kinds(caller)
        or not service.ownership.has(job.subject, job.kind, caller.owner)
    ):
        raise Problem(ProblemType.JOB_NOT_FOUND, f"There is no job {job_id[:80]!r}; GET /v1/jobs lists them.")
    return job


KnownJob = Annotated[Job, Depends(find_job)]


def find_photograph(
    service: ServiceDep,
    caller: PhotosCaller,
    photo_id: Annotated[str, Path(description="Id of a photograph.")],
) -> Photograph:
    """Return a photograph of the caller.

    Raises:
        Problem: 404.
    """
    return _PHOTOGRAPH.find(service, caller, photo_id, service.photographs.get)


KnownPhoto = Annotated[Photograph, Depends(find_photograph)]


def find_receipt(
    service: ServiceDep,
    caller: PhotosCaller,
    photo_id: Annotated[str, Path(description="Id of a photograph that was erased.")],
) -> Receipt:
    """Return the receipt of a photograph that the caller erased.

    Raises:
        Problem: 404, also if another owner erased it.
    """
    receipt = service.eraser.find_receipt(photo_id, caller.owner)
    if receipt is None:
        raise Problem(
            ProblemType.PHOTO_NOT_FOUND,
            f"There is no receipt of a photograph {photo_id[:64]!r}; only what is erased on request leaves one.",
        )
    return receipt


KnownReceipt = Annotated[Receipt, Depends(find_receipt)]


def check_inverted(photo: Photograph) -> None:
    """Check that a photograph is inverted.

    Raises:
        Problem: 409, it is not, with the reason.
    """
    if photo.quality is None:
        raise Problem(
            ProblemType.PHOTO_NOT_READY,
            f"The photograph is not inverted: {photo.error or 'wait for its job'}.",
            headers={"Retry-After": "1"},
        )


def check_not_erased(service: Resources, photo_id: str) -> None:
    """Check that no other request has erased a photograph; call it while `service.eraser.block_erasure()` holds.

    Raises:
        Problem: 404.
    """
    if service.photographs.get(photo_id) is None:
        raise Problem(ProblemType.PHOTO_NOT_FOUND, f"The photograph {photo_id} was erased by another request.")


def _describe_action(request: Request) -> str:
    """Return the method and the route of a request, without ids."""
    route = request.scope.get("route")
    return f"{request.method} {getattr(route, 'path', request.url.path)}"


def _find_edit(service: Resources, caller: Caller, edit_id: str, face: FaceReference) -> EditRecord:
    def get_edit(edit_id: str) -> EditRecord | None:
        edit = service.edits.get(edit_id)
        return edit if edit is not None and edit.face == face else None

    return _EDIT.find(service, caller, edit_id, get_edit)


EditId = Annotated[str, Path(description="Id of an edit.")]


def find_photograph_edit(service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto, edit_id: EditId) -> EditRecord:
    """Return an edit of a photograph of the caller.

    Raises:
        Problem: 404.
    """
    return _find_edit(service, caller, edit_id, PhotographFace(photo.id))


KnownPhotoEdit = Annotated[EditRecord, Depends(find_photograph_edit)]


def find_image(
    known: CompleteSet, n: Annotated[int, Path(description="The image's index, from 0.")]
) -> tuple[StoredRequest, int]:
    """Return the set and the index of an image of a complete set of the caller.

    Raises:
        Problem: 404.
    """
    if not 0 <= n < known.images:
        raise Problem(
            ProblemType.IMAGE_NOT_FOUND, f"There is no image {n}; the image set has images 0 to {known.images - 1}."
        )
    return known, n


KnownImage = Annotated[tuple[StoredRequest, int], Depends(find_image)]


def find_image_edit(service: ServiceDep, caller: ImageSetsCaller, image: KnownImage, edit_id: EditId) -> EditRecord:
    """Return an edit of an image of a set of the caller.

    Raises:
        Problem: 404.
    """
    known, n = image
    return _find_edit(service, caller, edit_id, SyntheticFace(known.id, n))


KnownImageEdit = Annotated[EditRecord, Depends(find_image_edit)]


def find_survey_pack(
    service: ServiceDep,
    caller: PhotosCaller,
    pack_id: Annotated[str, Path(description="Id of a survey pack.")],
) -> PackRecord:
    """Return a survey pack of the caller.

    Raises:
        Problem: 404.
    """
    return _SURVEY_PACK.find(service, caller, pack_id, service.survey_packs.get)


KnownPack = Annotated[PackRecord, Depends(find_survey_pack)]


def find_scope(face: FaceReference) -> Scope:
    """Return the scope of keys that may see a face."""
    return Scope.PHOTOS if isinstance(face, PhotographFace) else Scope.IMAGE_SETS


def check_scope(caller: Caller, face: FaceReference) -> None:
    """Check that the key of a caller has the scope that a face needs.

    Raises:
        Problem: 403, it has not.
    """
    needed = find_scope(face)
    if needed not in caller.scopes:
        raise Problem(
            ProblemType.SCOPE_MISSING,
            f"This key is for {', '.join(sorted(caller.scopes))}; this face needs {needed}: ask for another key.",
        )


def find_explanation(
    service: ServiceDep,
    caller: AnyCaller,
    explanation_id: Annotated[str, Path(description="Id of an explanation.")],
) -> ExplanationRecord:
    """Return an explanation of the caller.

    Raises:
        Problem: 404; 403, it is of a photograph or of an image, and the key is not for these.
    """
    explanation = _EXPLANATION.find(service, caller, explanation_id, service.explanations.get)
    check_scope(caller, explanation.face)
    return explanation


KnownExplanation = Annotated[ExplanationRecord, Depends(find_explanation)]


def find_assessment(
    service: ServiceDep,
    caller: PhotosCaller,
    assessment_id: Annotated[str, Path(description="Id of an assessment.")],
) -> AssessmentRecord:
    """Return an assessment of the caller.

    Raises:
        Problem: 404.
    """
    return _ASSESSMENT.find(service, caller, assessment_id, service.assessments.get)


KnownAssessment = Annotated[AssessmentRecord, Depends(find_assessment)]

OWNER_CHECKS: Final[frozenset[Callable[..., Any]]] = frozenset(
    (
        find_image_set,
        find_job,
        find_photograph,
        find_receipt,
        find_photograph_edit,
        find_image_edit,
        find_survey_pack,
        find_explanation,
        find_assessment,
    )
)
"""Dependencies that check that an object in a path belongs to the caller."""


def find_model(service: Resources, caller: Caller, name: str | None) -> Model:
    """Return a generator that a caller may use; the first one if none is named.

    Raises:
        Problem: 422, there is none of that name; 403, the caller may use none; 503, they are not open yet.
    """
    known = [info.name for info in service.list_models(caller)]
    if name is not None and name not in known:
        message = f"unknown {name!r}; expected one of {', '.join(known)}"
        raise make_field_problem("model", message, name, accepted=known)
    return service.worker.models.find(name or known[0])


def find_named_model(service: Resources, caller: Caller, name: str) -> Model:
    """Return the generator that a path names, and that a caller may use.

    Raises:
        Problem: 404, there is none of that name; 403, the caller may use none; 503, they are not open yet.
    """
    known = [info.name for info in service.list_models(caller)]
    if name not in known:
        expected = ", ".join(known)
        raise Problem(ProblemType.MODEL_NOT_FOUND, f"There is no model {name[:80]!r}; expected one of {expected}.")
    return service.worker.models.find(name)


_KINDS_OF_PARAMETERS: Final = {
    "pack_id": Kind.STIMULI,
    "explanation_id": Kind.EXPLANATION,
    "assessment_id": Kind.ASSESSMENT,
}


def _find_photographs_of_path(service: Resources, path: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ids of the photographs that a path concerns: by their own id, or that of something made from them.

    Args:
        path: parameters of the path. Whether they belong to the caller is not checked.
    """
    if "photo_id" in path:
        return (path["photo_id"],)
    for name, kind in _KINDS_OF_PARAMETERS.items():
        if name in path:
            return service.find_photographs(kind, path[name])
    if "job_id" in path and (job := service.jobs.get(path["job_id"])) is not None:
        return service.find_photographs(job.kind, job.subject)
    return ()
