"""Answers of the REST interface: conversion of records and jobs to the schemas that describe them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from api.access.ownership import Kind
from api.image_sets.derived_files import SHARD_IMAGES, shard_count
from api.image_sets.storage import StoredRequest
from api.jobs.job_list import Job, State
from api.photographs.audit.entries import Entry
from api.photographs.records import (
    AssessmentRecord,
    CohortMember,
    EditRecord,
    ExplanationRecord,
    FaceReference,
    PackRecord,
    Photograph,
    PhotographFace,
    Receipt,
    SyntheticFace,
)
from api.provenance.claims import ANNOTATED_NOTICE, EDITED_NOTICE, MAP_NOTICE, NOTICE
from api.resources import Resources
from api.schemas.assessments import (
    AssessmentLinks,
    AssessmentOut,
    AssessmentResult,
    CohortMemberOut,
)
from api.schemas.edits import EditLinks, EditOut, EditResult
from api.schemas.explanations import ExplanationLinks, ExplanationOut, ExplanationResult
from api.schemas.image_sets import ImageSetLinks, ImageSetOut
from api.schemas.jobs import JobLinks, JobOut
from api.schemas.photographs import AccessOut, ConsentScope, PhotoLinks, PhotoOut, QualityOut, ReceiptOut
from api.schemas.stimuli import StimuliLinks, StimuliOut
from faces.image_set_request import MINIMA
from inversion.config import UNJUDGED
from recognition.syndromes.assessment.answer import NOTICE as ASSESSMENT_NOTICE

_PATHS = {
    Kind.IMAGE_SET: "/v1/image-sets",
    Kind.PHOTO: "/v1/photos",
    Kind.STIMULI: "/v1/stimuli",
    Kind.EXPLANATION: "/v1/explanations",
    Kind.ASSESSMENT: "/v1/assessments",
}


def set_path(set_id: str) -> str:
    """Return the path of an image set."""
    return f"{_PATHS[Kind.IMAGE_SET]}/{set_id}"


def photo_path(photo: str) -> str:
    """Return the path of a photograph."""
    return f"{_PATHS[Kind.PHOTO]}/{photo}"


def pack_path(pack: str) -> str:
    """Return the path of a survey pack."""
    return f"{_PATHS[Kind.STIMULI]}/{pack}"


def explanation_path(explanation: str) -> str:
    """Return the path of an explanation."""
    return f"{_PATHS[Kind.EXPLANATION]}/{explanation}"


def assessment_path(assessment: str) -> str:
    """Return the path of an assessment."""
    return f"{_PATHS[Kind.ASSESSMENT]}/{assessment}"


def job_path(job_id: str) -> str:
    """Return the path of a job."""
    return f"/v1/jobs/{job_id}"


def edit_path(edit: EditRecord) -> str:
    """Return the path of an edit."""
    return f"{face_path(edit.face)}/edits/{edit.id}"


def face_path(face: FaceReference) -> str:
    """Return the path of a photograph, or of an image of a set."""
    match face:
        case PhotographFace(photo):
            return photo_path(photo)
        case SyntheticFace(image_set, image):
            return f"{set_path(image_set)}/images/{image}"


def to_datetime(ms: int) -> datetime:
    """Convert Unix time in milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def describe_job(job: Job) -> JobOut:
    """Describe a job."""
    here = job_path(job.id)
    return JobOut(
        id=job.id,
        kind=job.kind,
        state=job.state,
        done=job.done,
        total=job.total,
        created=to_datetime(job.created_ms),
        items_per_s=job.items_per_s,
        eta_s=job.eta_s,
        error=job.error,
        links=JobLinks(
            self=here,
            subject=f"{_PATHS[job.kind]}/{job.subject}" if job.kind in _PATHS else None,
            events=f"{here}/events",
            cancel=f"{here}/cancel",
        ),
    )


def describe_image_set(service: Resources, request: StoredRequest) -> ImageSetOut:
    """Describe an image set, with the progress of its last job unless it is complete."""
    job = service.jobs.find_latest(request.id)
    if service.store.is_complete(request.id):
        return describe_complete_set(request, job)
    state: State
    if (job is None or job.finished) and service.sets.is_being_made(request.id):
        state, error = "running", None
    elif job is None:
        state, error = "failed", "its job is not in the queue's database; post the request again to go on"
    else:
        state, error = job.state, job.error
    pace = (job.items_per_s, job.eta_s) if job else (None, None)
    return _describe_set(request, job, state, error=error, done=job.done if job else 0, pace=pace)


def describe_complete_set(request: StoredRequest, job: Job | None) -> ImageSetOut:
    """Describe a complete image set.

    Args:
        job: its last job; None if there was none.
    """
    return _describe_set(request, job, "done", error=None, done=request.images, pace=(None, None))


def _describe_set(
    request: StoredRequest,
    job: Job | None,
    state: State,
    *,
    error: str | None,
    done: int,
    pace: tuple[float | None, float | None],
) -> ImageSetOut:
    here = set_path(request.id)
    filtered = any(name in request.resolved for name in (*MINIMA, "training_people"))
    return ImageSetOut(
        id=request.id,
        state=state,
        done=done,
        total=request.images,
        images_per_s=pace[0],
        eta_s=pace[1],
        error=error,
        shards=shard_count(request.images),
        shard_images=SHARD_IMAGES,
        request=dict(request.resolved),
        notice=NOTICE,
        links=ImageSetLinks(
            self=here,
            manifest=f"{here}/manifest.jsonl",
            image=f"{here}/images/{{n}}",
            shard=f"{here}/shards/{{n}}.tar",
            archive=f"{here}/archive.zip",
            sheet=f"{here}/sheet.png",
            printed_sheet=f"{here}/sheet.pdf",
            croissant=f"{here}/croissant.json",
            card=f"{here}/README.md",
            gestaltmatcher=f"{here}/image_metadata.tsv",
            phenopackets=f"{here}/phenopackets.jsonl?individuals=synthetic",
            selection=f"{here}/selection.json" if filtered else None,
            left_out=f"{here}/left-out.png" if filtered else None,
            job=job_path(job.id) if job else None,
        ),
    )


def describe_photo(service: Resources, photo: Photograph) -> PhotoOut:
    """Describe a photograph, with the state of its inversion."""
    job = service.jobs.find_latest(photo.id)
    here = photo_path(photo.id)
    kept = photo.keep_original and service.photographs.has_original(photo.id)
    return PhotoOut(
        id=photo.id,
        state=_state(job, done=photo.quality is not None),
        model=photo.model,
        consent=photo.consent,
        consent_scope=cast(ConsentScope, photo.consent_scope) if photo.consent_scope else None,
        purpose=photo.purpose,
        reference=service.photographs.read_reference(photo.id) or None,
        created=to_datetime(photo.created_ms),
        expires=to_datetime(photo.expires_ms),
        keep_original=photo.keep_original,
        quality=None if photo.quality is None else describe_quality(photo.quality),
        notes=photo.notes,
        cohort=None if (member := service.cohort.find(photo.id)) is None else describe_member(service, member),
        error=photo.error or (job.error if job and photo.quality is None else None),
        notice=EDITED_NOTICE,
        links=PhotoLinks(
            self=here,
            original=f"{here}/original" if kept else None,
            crop=f"{here}/crop.png",
            landmarks=f"{here}/landmarks",
            reconstruction=f"{here}/reconstruction.png",
            edits=f"{here}/edits",
            explanations=f"{here}/explanations",
            assessments=f"{here}/assessments",
            cohort=f"{here}/cohort",
            accesses=f"{here}/accesses",
            job=job_path(job.id) if job else None,
        ),
    )


def describe_quality(quality: Mapping[str, Any]) -> QualityOut:
    """Quality of a reconstruction, and whether it could be judged."""
    return QualityOut(**quality, judged=quality["verdict"] is not None)


def _inversion_verdict(service: Resources, edit: EditRecord) -> Any:
    """Return the verdict on the reconstruction that was edited; None for an image of a set."""
    if not isinstance(edit.face, PhotographFace):
        return None
    photo = service.photographs.get(edit.face.photo)
    return None if photo is None or photo.quality is None else photo.quality["verdict"] or UNJUDGED


def _describe_edit_result(service: Resources, edit: EditRecord, result: Mapping[str, Any]) -> EditResult:
    """Describe the figures of an edit; it names the verdict on its own inversion if it made one."""
    return EditResult(**{"inversion": _inversion_verdict(service, edit)} | dict(result))


def describe_edit(service: Resources, edit: EditRecord) -> EditOut:
    """An edit, with the state of its job."""
    job = service.jobs.find_latest(edit.id)
    here = edit_path(edit)
    return EditOut(
        id=edit.id,
        state=_state(job, done=edit.result is not None),
        request=dict(edit.asked),
        result=None if edit.result is None else _describe_edit_result(service, edit, edit.result),
        error=job.error if job and edit.result is None else None,
        created=to_datetime(edit.created_ms),
        notice=EDITED_NOTICE if isinstance(edit.face, PhotographFace) else NOTICE,
        links=EditLinks(
            self=here,
            image=f"{here}/image.png",
            before=f"{here}/before.png",
            job=job_path(job.id) if job else None,
        ),
    )


def describe_survey_pack(service: Resources, pack: PackRecord) -> StimuliOut:
    """A survey pack, with the progress of its job."""
    job = service.jobs.find_latest(pack.id)
    here = pack_path(pack.id)
    result = pack.result or {}
    return StimuliOut(
        id=pack.id,
        state=_state(job, done=pack.result is not None),
        done=len(pack.photos) if pack.result is not None else job.done if job else 0,
        total=len(pack.photos),
        people=result.get("people"),
        left_out=result.get("left_out", []),
        error=job.error if job and pack.result is None else None,
        created=to_datetime(pack.created_ms),
        expires=to_datetime(pack.expires_ms),
        notice=EDITED_NOTICE,
        links=StimuliLinks(
            self=here,
            archive=f"{here}/archive.zip",
            picture=f"{here}/versions/{{version}}/{{n}}.png",
            job=job_path(job.id) if job else None,
        ),
    )


def describe_explanation(service: Resources, explanation: ExplanationRecord) -> ExplanationOut:
    """An explanation, with the progress of its job."""
    job = service.jobs.find_latest(explanation.id)
    here = explanation_path(explanation.id)
    methods = explanation.asked["methods"]
    return ExplanationOut(
        id=explanation.id,
        state=_state(job, done=explanation.complete),
        done=len(explanation.result["methods"]) if explanation.result is not None else 0,
        total=len(methods),
        request=dict(explanation.asked),
        result=None if explanation.result is None else ExplanationResult(**explanation.result),
        error=job.error if job and not explanation.complete else None,
        created=to_datetime(explanation.created_ms),
        notice=f"{MAP_NOTICE} {ANNOTATED_NOTICE if explanation.photos else NOTICE}",
        links=ExplanationLinks(
            self=here,
            face=face_path(explanation.face),
            maps={method: f"{here}/maps/{method}.png" for method in methods},
            job=job_path(job.id) if job else None,
        ),
    )


def describe_assessment(service: Resources, assessment: AssessmentRecord) -> AssessmentOut:
    """An assessment, with the state of its job."""
    job = service.jobs.find_latest(assessment.id)
    here = assessment_path(assessment.id)
    return AssessmentOut(
        id=assessment.id,
        state=_state(job, done=assessment.result is not None),
        request=dict(assessment.asked),
        result=AssessmentResult(**assessment.result) if assessment.result else None,
        error=job.error if job and assessment.result is None else None,
        created=to_datetime(assessment.created_ms),
        notice=ASSESSMENT_NOTICE,
        links=AssessmentLinks(
            self=here,
            photo=face_path(assessment.face),
            picture=f"{here}/picture.png",
            job=job_path(job.id) if job else None,
        ),
    )


def describe_member(service: Resources, member: CohortMember) -> CohortMemberOut:
    """A photograph in the cohort, with what is known of the person shown."""
    return CohortMemberOut(
        since=to_datetime(member.since_ms),
        **service.cohort.read_details(member),
    )


def describe_access(entry: Entry) -> AccessOut:
    """Return an entry of the audit record as a response body."""
    at = datetime.fromisoformat(entry.at)
    return AccessOut(at=at, owner=entry.owner, key=entry.key, action=entry.action, outcome=entry.outcome)


def describe_receipt(receipt: Receipt) -> ReceiptOut:
    """Return a receipt as a response body."""
    return ReceiptOut(
        id=receipt.id,
        photo=receipt.photo,
        erased_at=to_datetime(receipt.erased_ms),
        erased=dict(receipt.erased),
        because=receipt.because,
    )


def _state(job: Job | None, *, done: bool) -> State:
    """Return the state of the object that a job makes; the store decides before the queue does."""
    if done:
        return "done"
    if job is None:
        return "queued"
    return "running" if job.state == "done" else job.state
