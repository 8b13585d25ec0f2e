"""Routes of explanations: which parts a classifier uses, for the face of a photograph or of an image of a set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from api.access.api_keys import Caller
from api.access.ownership import Kind
from api.dependencies import (
    AnyCaller,
    ImageSetsCaller,
    KnownExplanation,
    KnownImage,
    KnownPhoto,
    PhotosCaller,
    ServiceDep,
    check_inverted,
    check_not_erased,
    check_scope,
    find_complete_set,
    find_image,
    find_image_set,
    find_photograph,
    find_scope,
)
from api.documented_responses import FILE, problem
from api.file_responses import picture, private_picture, read_private_file
from api.job_answers import JobAnswerDep
from api.json_bodies import JsonBodyRoute
from api.models.classifiers import ClassifierInfo, check_explaining_installed
from api.operations.clock import now_ms
from api.photographs.records import (
    ErasureCause,
    ExplanationRecord,
    FaceReference,
    PhotographFace,
    SyntheticFace,
    face_columns,
    new_id,
)
from api.photographs.request_audit import RequestAudit, RequestAuditDep
from api.problem_types import ProblemType
from api.problems import Problem, make_field_problem
from api.provenance.claims import MAP_NOTICE
from api.representations import describe_explanation, explanation_path
from api.resources import Resources
from api.schemas.explanations import (
    ClassifierOut,
    ClassifiersOut,
    ExplanationBody,
    ExplanationList,
    ExplanationOut,
    ExplanationPage,
    PhotographFaceBody,
)
from core.errors import ConfigError

router = APIRouter(prefix="/v1", tags=["explanations"], route_class=JsonBodyRoute)


@router.get("/classifiers", response_model=ClassifiersOut, summary="Classifiers")
def list_classifiers(service: ServiceDep, caller: AnyCaller) -> ClassifiersOut:
    """The classifiers whose answers can be explained. What they say of a person is no basis for a diagnosis."""
    return ClassifiersOut(
        items=[
            ClassifierOut(
                name=info.name,
                classes=list(info.classes),
                network=info.network,
                size=info.size,
                members=len(info.files),
                notice=MAP_NOTICE,
            )
            for info in service.classifiers.list_infos()
        ]
    )


@router.post(
    "/explanations",
    status_code=202,
    response_model=ExplanationOut,
    summary="Explain an answer",
    responses={
        200: {"model": ExplanationOut, "description": "It is done, within `Prefer: wait`; or it failed: see `error`."},
        404: FILE[404],
        409: problem("The photograph is not inverted, or the image set is not complete."),
        422: problem("A field cannot be, or no face is found; `errors` says which."),
        503: problem("No classifier is served, or a package is missing."),
    },
)
async def create_explanation(
    service: ServiceDep,
    caller: AnyCaller,
    request_audit: RequestAuditDep,
    body: ExplanationBody,
    answer: JobAnswerDep,
) -> ExplanationOut:
    """Explain the answer of a classifier: a map by each method, and the relevance of each region of the face."""
    request = _ExplanationRequest(service, caller, request_audit, body, answer.idempotency_key)
    with service.work.admit(caller.owner):
        record = await service.work.run(caller.owner, request.submit)
        return await answer.wait(
            record.id,
            explanation_path(record.id),
            lambda: describe_explanation(service, service.explanations.get(record.id) or record),
        )


@router.get(
    "/explanations",
    response_model=ExplanationPage,
    summary="List explanations",
    responses={422: problem("A bad page.")},
)
def list_explanations(
    service: ServiceDep,
    caller: AnyCaller,
    request_audit: RequestAuditDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Explanations on a page, at most.")] = 20,
    after: Annotated[str, Query(max_length=64, description="The id that the page before ended with.")] = "",
) -> ExplanationPage:
    """Your explanations, in the order of their ids, of those faces that your key may see."""
    ids, more = service.ownership.page(Kind.EXPLANATION, caller.owner, limit, after)
    found = [
        one for one in map(service.explanations.get, ids) if one is not None and find_scope(one.face) in caller.scopes
    ]
    request_audit.touch(service.photographs.find_purposes([photo for one in found for photo in one.photos]))
    return ExplanationPage(
        items=[describe_explanation(service, one) for one in found],
        next=f"/v1/explanations?limit={limit}&after={ids[-1]}" if more else None,
    )


@router.get(
    "/photos/{photo_id}/explanations",
    response_model=ExplanationList,
    summary="List explanations of a photograph",
    responses={404: FILE[404]},
)
def list_explanations_of_photograph(service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> ExplanationList:
    """All explanations of the photograph."""
    return _list(service, caller, PhotographFace(photo.id))


@router.get(
    "/image-sets/{set_id}/images/{n}/explanations",
    response_model=ExplanationList,
    summary="List explanations of an image",
    responses={404: FILE[404]},
)
def list_explanations_of_image(service: ServiceDep, caller: ImageSetsCaller, image: KnownImage) -> ExplanationList:
    """Your explanations of the image."""
    known, n = image
    return _list(service, caller, SyntheticFace(known.id, n))


@router.get(
    "/explanations/{explanation_id}",
    response_model=ExplanationOut,
    summary="An explanation",
    responses={404: FILE[404]},
)
def show_explanation(service: ServiceDep, explanation: KnownExplanation) -> ExplanationOut:
    """State, probabilities, and the relevance of each region by method."""
    return describe_explanation(service, explanation)


@router.get(
    "/explanations/{explanation_id}/maps/{method}.png",
    summary="A map",
    responses=FILE,
    response_class=Response,
)
def download_map(
    request: Request,
    service: ServiceDep,
    explanation: KnownExplanation,
    method: Annotated[str, Path(max_length=100, description="A method of the explanation.")],
) -> Response:
    """A PNG of the map over the grey face; it says what it is. The map of a photograph shows the person."""
    if method not in explanation.asked["methods"]:
        raise Problem(
            ProblemType.EXPLANATION_NOT_FOUND,
            f"The explanation has no map by {method[:80]!r}; expected {', '.join(explanation.asked['methods'])}.",
        )
    if explanation.result is None or method not in explanation.result["methods"]:
        raise Problem(
            ProblemType.EXPLANATION_NOT_READY,
            "The map is not computed; wait for the job.",
            headers={"Retry-After": "1"},
        )
    store = service.explanations
    png = read_private_file(store.files, store.map_path(explanation, method))
    return (private_picture if explanation.photos else picture)(request, service.credentials, png)


@router.delete(
    "/explanations/{explanation_id}",
    status_code=204,
    summary="Erase an explanation",
    responses={404: FILE[404]},
)
def erase_explanation(service: ServiceDep, caller: AnyCaller, explanation: KnownExplanation) -> None:
    """Erases its maps and figures, and cancels its job. The face stays."""
    service.eraser.erase_derived(explanation, caller, ErasureCause.REQUESTED)
    service.registry.forget(explanation.id)


def _list(service: Resources, caller: Caller, face: FaceReference) -> ExplanationList:
    records = service.explanations.list_of_face(face, caller.owner)
    return ExplanationList(items=[describe_explanation(service, one) for one in records])


@dataclass(frozen=True)
class _ExplanationRequest:
    """A request for an explanation.

    Attributes:
        key: the Idempotency-Key.
    """

    service: Resources
    caller: Caller
    request_audit: RequestAudit
    body: ExplanationBody
    key: str | None

    def submit(self) -> ExplanationRecord:
        """Store the explanation and submit its job; or return the one that was asked for with the same key before.

        Raises:
            Problem: the face is not the caller's, or not ready; the key lacks its scope; no classifier is served, or a
                field does not fit it; the Idempotency-Key was used for another request; there is no room.
            NoFaceError: no face is found, so that there are no regions.
            AuditError: the access cannot be recorded.
        """
        service, face = self.service, self._read_reference()
        if isinstance(face, PhotographFace):
            self.request_audit.touch(service.photographs.find_purposes([face.photo]))
        check_scope(self.caller, face)
        self._check_face(face)
        service.check_bytes(self.caller)
        check_explaining_installed()
        classifier = service.classifiers.find(self.body.classifier)
        asked = {"classifier": classifier.name, "methods": self._choose_methods(classifier)} | self._target(classifier)
        self._check_landmarks(face)
        with service.eraser.block_erasure():
            return self._store(face, asked)

    def _read_reference(self) -> FaceReference:
        face = self.body.face
        if isinstance(face, PhotographFaceBody):
            return PhotographFace(face.photo)
        return SyntheticFace(face.image_set, face.image)

    def _check_face(self, face: FaceReference) -> None:
        """Raise a Problem unless the face is the caller's and can be read."""
        match face:
            case PhotographFace(photo):
                check_inverted(find_photograph(self.service, self.caller, photo))
            case SyntheticFace(image_set, image):
                known = find_image_set(self.service, self.caller, image_set)
                find_image(find_complete_set(self.service, known), image)

    def _choose_methods(self, classifier: ClassifierInfo) -> list[str]:
        """Return the methods to compute; raise a Problem, 422, for those that cannot be."""
        from recognition.explanation import METHODS  # it brings PyTorch with it
        from recognition.explanation.face_explanation import check_method, select_defined

        members = self.service.classifiers.use(classifier.name).members
        if self.body.methods is None:
            return list(select_defined(members))
        for name in self.body.methods:
            if name not in METHODS:
                message = f"unknown {name[:80]!r}; expected one of {', '.join(METHODS)}"
                raise make_field_problem("methods", message, name, accepted=list(METHODS))
            try:
                check_method(members, name)
            except ConfigError as error:
                raise make_field_problem("methods", str(error), name) from error
        if len(set(self.body.methods)) != len(self.body.methods):
            raise make_field_problem("methods", "one stands twice; name each once", self.body.methods)
        return self.body.methods

    def _target(self, classifier: ClassifierInfo) -> dict[str, str]:
        """Return the class to explain, if one is named; raise a Problem, 422, if the classifier does not know it."""
        target = self.body.target
        if target is None:
            return {}
        if target not in classifier.classes:
            message = f"{classifier.name} has no class {target!r}; expected one of {', '.join(classifier.classes)}"
            raise make_field_problem("target", message, target, accepted=list(classifier.classes))
        return {"target": target}

    def _check_landmarks(self, face: FaceReference) -> None:
        """Raise NoFaceError if the picture has no face that landmarks could be found for."""
        from faces.detect import FaceDetector

        FaceDetector().find_in_photograph(self.service.explanation_work.read_pixels(face))

    def _store(self, face: FaceReference, asked: dict[str, Any]) -> ExplanationRecord:
        service, owner, total = self.service, self.caller.owner, len(asked["methods"])
        if isinstance(face, PhotographFace):
            check_not_erased(service, face.photo)
        explanation_id = service.keys.claim(owner, self.key, {"explain": asked} | face_columns(face), new_id())
        if (known := service.explanations.get(explanation_id)) is not None:
            return known
        service.check_room(self.caller, Kind.EXPLANATION, explanation_id, total)
        record = ExplanationRecord(explanation_id, owner, face, asked, now_ms())
        if record.photos:
            self.request_audit.begin()
        service.explanations.add(record)
        service.ownership.give(record.id, Kind.EXPLANATION, owner)
        try:
            service.jobs.submit(Kind.EXPLANATION, record.id, total, owner)
        except BaseException:
            service.eraser.erase_derived(record, self.caller, ErasureCause.NOT_ACCEPTED)
            raise
        return record
